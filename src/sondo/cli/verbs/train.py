"""`sondo train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_recipe, add_teachers, instance, teacher_columns, teacher_configs
from sondo.recipe import AugmentConfig, ClusterConfig, StudentConfig, TrainConfig

HELP = "stage 4: a student from the bank"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    add_recipe(verb)
    verb.add_argument("--bank", required=True, help="the bank")
    verb.add_argument("--out", required=True, help="folder of the run")
    add_teachers(verb)
    verb.add_class_arguments(StudentConfig, "student")
    verb.add_class_arguments(ClusterConfig, "cluster")
    verb.add_class_arguments(TrainConfig, "train")
    verb.add_class_arguments(AugmentConfig, "augment")


def run(settings: Any) -> None:
    """Train and say where the student is."""
    from sondo.errors import require
    from sondo.screen import tell

    config = instance(TrainConfig, settings.train)
    clusters = instance(ClusterConfig, settings.cluster)
    require("lightning", extra="train", why="Training needs lightning")
    from sondo.bank import Bank
    from sondo.distill.cluster import cluster_column, configured_k
    from sondo.distill.online import OnlineTeacher
    from sondo.distill.train import train
    from sondo.exporting import check_own_student
    from sondo.teachers import create

    bank = Bank(settings.bank)
    columns = teacher_columns(settings)
    balanced = config.sampling == "balanced"
    online = [
        OnlineTeacher(create(teacher.name, **teacher.options()), batch_size=teacher.batch_size)
        for teacher in teacher_configs(settings)
        if teacher.online
    ]
    student = instance(StudentConfig, settings.student)
    check_own_student(student, Path(settings.out))
    folder = train(
        bank,
        teachers=columns,
        clusters=cluster_column(columns[0], configured_k(clusters, len(bank))) if balanced else None,
        student=student,
        config=config,
        augmentation=instance(AugmentConfig, settings.augment),
        online=online,
        out=Path(settings.out),
    )
    tell(f"student: {folder}")
