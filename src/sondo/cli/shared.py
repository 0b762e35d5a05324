"""What several verbs share: options of teachers, configurations from what was parsed."""

from __future__ import annotations

from typing import Any, TypeVar

import jsonargparse

from sondo.cli.arguments import MORE_TEACHERS
from sondo.recipe import AugmentConfig, ClusterConfig, Recipe, StudentConfig, TeacherConfig, TrainConfig

_Config = TypeVar("_Config")


def add_teachers(verb: jsonargparse.ArgumentParser) -> None:
    """The options that name one teacher or several."""
    verb.add_class_arguments(TeacherConfig, "teacher")
    verb.add_argument(
        f"--{MORE_TEACHERS}",
        type=list[TeacherConfig],
        default=[],
        help="further teachers; on the command line, repeat --teacher instead",
    )


def add_code(verb: jsonargparse.ArgumentParser) -> None:
    """The option without which no code of a user is imported."""
    verb.add_argument("--allow_code", action="store_true", help="import the module of a student that is your own code")


def instance(kind: type[_Config], values: Any) -> _Config:
    """A configuration dataclass from what was parsed."""
    return kind(**values.as_dict())


def recipe_of(settings: Any) -> Recipe:
    """A whole recipe from what was parsed."""
    values = settings.as_dict()
    values.pop("config", None)
    groups = {
        "teacher": TeacherConfig,
        "student": StudentConfig,
        "cluster": ClusterConfig,
        "train": TrainConfig,
        "augment": AugmentConfig,
    }
    made = {name: kind(**values[name]) for name, kind in groups.items()}
    more = [TeacherConfig(**teacher) for teacher in values[MORE_TEACHERS]]
    return Recipe(**(values | made | {MORE_TEACHERS: more}))


def teacher_configs(settings: Any) -> list[TeacherConfig]:
    """The teachers that were named."""
    values = settings.as_dict()
    return [TeacherConfig(**teacher) for teacher in (values["teacher"], *values[MORE_TEACHERS])]


def teacher_columns(settings: Any) -> list[str]:
    """The columns of the teachers that were named, without making them."""
    from sondo.bank.schema import slug
    from sondo.teachers import label_of

    return [f"teacher.{slug(config.label or label_of(config.name))}" for config in teacher_configs(settings)]
