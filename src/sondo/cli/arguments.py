"""Short spellings in full, and recipes, before the parser sees them.

- `--teacher NAME` is `--teacher.name NAME`, and `--student NAME` likewise, here and in a recipe
- a second `--teacher` starts another teacher; the `--teacher.…` options behind it belong to that one
- `--a-b` is `--a_b`; `--trust-remote-code` is `--teacher.trust_remote_code true`
- `--recipe NAME` is a recipe of `sondo.recipes`, for the student that is named; a `--config` file stands above it, and
  the options above both, wherever they are written
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from sondo.recipes.read import MORE_TEACHERS, SHORT_GROUPS, merged, named_recipe, read_recipe

_NAME_OF = {f"--{group}": f"--{group}.name" for group in SHORT_GROUPS}


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """The arguments in full.

    Raises:
        SondoError: A recipe that cannot be read.
    """
    spelled: list[str] = []
    teachers: list[dict[str, Any]] = []
    num_teachers = 0
    recipe, config, student = None, None, None
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if not name.startswith("--"):
            spelled.append(argument)
            continue
        name = "--" + name[2:].replace("-", "_")
        name = _NAME_OF.get(name, name)
        if name == "--trust_remote_code":
            name, equals, value = "--teacher.trust_remote_code", "=", "true"
        if name in ("--recipe", "--config"):
            given = value if equals else next(rest, "")
            recipe, config = (given, config) if name == "--recipe" else (recipe, given)
            continue
        num_teachers += name == "--teacher.name"
        if num_teachers > 1 and name.startswith("--teacher."):
            if name == "--teacher.name":
                teachers.append({})
            teachers[-1][name.removeprefix("--teacher.")] = yaml.safe_load(value if equals else next(rest, ""))
            continue
        if name == "--student.name":
            value, equals = (value if equals else next(rest, "")), "="
            student = value
        spelled.append(f"{name}{equals}{value}")
    if teachers:
        spelled.append(f"--{MORE_TEACHERS}={json.dumps(teachers)}")
    return _with_recipe(spelled, recipe, config, student)


def _with_recipe(spelled: list[str], recipe: str | None, config: str | None, student: str | None) -> list[str]:
    """The arguments with the recipe right behind the verb, where the options win over it."""
    if recipe is None and config is None:
        return spelled
    values = {} if config is None else read_recipe(config)
    if recipe is not None:
        student = student or values.get("student", {}).get("name")
        values = merged(named_recipe(recipe, student=student), values)
    return [*spelled[:1], f"--config={json.dumps(values)}", *spelled[1:]]
