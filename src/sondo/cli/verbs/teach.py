"""`sondo teach`."""

from __future__ import annotations

from typing import Any

import jsonargparse

from sondo.cli.shared import add_teachers, check_not_online, instance, teacher_configs
from sondo.recipe import RayConfig

HELP = "stage 2: a teacher's vectors into the bank"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("--bank", required=True, help="the bank")
    add_teachers(verb)
    verb.add_class_arguments(RayConfig, "ray")
    verb.add_argument("--overwrite", action="store_true", help="replace a column that another version made")


def run(settings: Any) -> None:
    """Add a column for each teacher."""
    from sondo.errors import require
    from sondo.screen import tell

    check_not_online(settings)
    require("torch", extra="train", why="A teacher needs torch")
    from sondo.bank import Bank
    from sondo.distill.ray_teachers import check_ray, ray_teachers
    from sondo.distill.teach import say_licence, teach
    from sondo.teachers import create

    bank, ray, teachers = Bank(settings.bank), instance(RayConfig, settings.ray), teacher_configs(settings)
    check_ray(ray, teachers)
    for config in teachers:
        teacher = create(config.name, **config.options())
        say_licence(teacher)
        column = teach(
            bank,
            teacher,
            batch_size=config.batch_size,
            overwrite=settings.overwrite,
            elsewhere=ray_teachers(ray, config),
        )
        tell(f"{settings.bank}: column {column}, {teacher.embedding_dim} values for each of {len(bank)} clips")
