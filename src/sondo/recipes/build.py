"""From nested settings to the configuration of a run."""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonargparse

from sondo.errors import SondoError
from sondo.recipe import AugmentConfig, ClusterConfig, RayConfig, Recipe, StudentConfig, TeacherConfig, TrainConfig
from sondo.recipes.read import MORE_TEACHERS


def make_recipe(values: dict[str, Any]) -> Recipe:
    """The configuration of a run from nested settings; those that are left out have their defaults.

    Raises:
        SondoError: An unknown setting, or a value of another type or out of range; its dotted key is named.
    """
    try:
        parsed = _parser().parse_object(json.loads(json.dumps(values)))
    except (jsonargparse.ArgumentError, TypeError) as error:
        raise SondoError(str(error)) from error
    return recipe_from(parsed.as_dict())


@functools.cache
def _parser() -> jsonargparse.ArgumentParser:
    """Made once, for a grid has dozens of recipes."""
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Recipe)
    return parser


def recipe_from(values: dict[str, Any]) -> Recipe:
    """The configuration of a run from settings that were checked already, all of them there."""
    groups: dict[str, Any] = {
        "teacher": TeacherConfig,
        "student": StudentConfig,
        "cluster": ClusterConfig,
        "train": TrainConfig,
        "augment": AugmentConfig,
        "ray": RayConfig,
    }
    made = {name: kind(**values[name]) for name, kind in groups.items()}
    more = [TeacherConfig(**teacher) for teacher in values[MORE_TEACHERS]]
    return Recipe(**(values | made | {MORE_TEACHERS: more}))
