"""What several verbs share: options of teachers, configurations from what was parsed."""

from __future__ import annotations

from typing import Any, TypeVar

import jsonargparse

from sondo.errors import SondoError
from sondo.recipe import Recipe, TeacherConfig
from sondo.recipes import recipe_from
from sondo.recipes.read import MORE_TEACHERS

_Config = TypeVar("_Config")

LABELLED_DATA = (
    "a folder of class folders, or a CSV (path, label; optional fold, split, group); several labels of a clip are "
    "separated by ';'"
)


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


def add_threads(verb: jsonargparse.ArgumentParser) -> None:
    """How many threads a model may have."""
    verb.add_argument(
        "--threads", type=int | None, help="threads for an exported file, also that of a run; all cores by default"
    )


def instance(kind: type[_Config], values: Any) -> _Config:
    """A configuration dataclass from what was parsed."""
    return kind(**values.as_dict())


def add_recipe(verb: jsonargparse.ArgumentParser) -> None:
    """The options that bring settings by the dozen; `sondo.cli.arguments` reads both."""
    verb.add_argument("--config", action="config", help="recipe file (YAML); options given beside it win")
    verb.add_argument(
        "--recipe",
        help="recipe by name: `paper` has the paper's settings for each student; --config and options win over it",
    )


def recipe_of(settings: Any) -> Recipe:
    """A whole recipe from what was parsed."""
    values = settings.as_dict()
    for option in ("config", "recipe"):
        values.pop(option, None)
    return recipe_from(values)


def teacher_configs(settings: Any) -> list[TeacherConfig]:
    """The teachers that were named."""
    values = settings.as_dict()
    return [TeacherConfig(**teacher) for teacher in (values["teacher"], *values[MORE_TEACHERS])]


def check_not_online(settings: Any) -> None:
    """Refuse a setting of training where nothing is trained.

    Raises:
        SondoError: A teacher is to be online.
    """
    if any(config.online for config in teacher_configs(settings)):
        raise SondoError(
            "--teacher.online has a teacher listen in training, and nothing is trained here: leave it out, and give it "
            "to `sondo train`"
        )


def teacher_columns(settings: Any) -> list[str]:
    """The columns of the teachers that were named, without making them."""
    from sondo.distill.teach import configured_column

    return [configured_column(config) for config in teacher_configs(settings)]
