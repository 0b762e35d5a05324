"""Short spellings in full, and recipes, before the parser sees them.

- `--teacher NAME` is `--teacher.name NAME`, and `--student NAME` likewise, here and in a recipe
- a second `--teacher` starts another teacher; the `--teacher.…` options behind it belong to that one
- `--a-b` is `--a_b`; `--trust-remote-code` is `--teacher.trust_remote_code`
- a setting that is true or false is true where no value follows it
- `--recipe NAME` is a recipe of `sondo.recipes`, for the student that is named; a `--config` file stands above it, and
  the options above both, wherever they are written
"""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

import yaml

from sondo.recipe import TeacherConfig
from sondo.recipes.read import MORE_TEACHERS, SHORT_GROUPS, merged, named_recipe, read_recipe

_SWITCHES = {
    f"--teacher.{field.name}" for field in dataclasses.fields(TeacherConfig) if isinstance(field.default, bool)
}
_TEXTS = {name for name, kind in get_type_hints(TeacherConfig).items() if str in (kind, *get_args(kind))}
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
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        if argument == "--":  # files, whatever they are called
            spelled += [argument, *rest]
            break
        name, equals, value = argument.partition("=")
        if not name.startswith("--"):
            spelled.append(argument)
            continue
        name = "--" + name[2:].replace("-", "_")
        name = _NAME_OF.get(name, name)
        if name == "--trust_remote_code":
            name = "--teacher.trust_remote_code"
        if name in ("--recipe", "--config"):
            given = value if equals else _next(rest)
            recipe, config = (given, config) if name == "--recipe" else (recipe, given)
            continue
        if name in _SWITCHES and not equals and (not rest or rest[0].startswith("--")):
            equals, value = "=", "true"
        num_teachers += name == "--teacher.name"
        if num_teachers > 1 and name.startswith("--teacher."):
            if name == "--teacher.name":
                teachers.append({})
            value = value if equals else _next(rest)
            setting = name.removeprefix("--teacher.")
            teachers[-1][setting] = _as_typed(setting, value)
            continue
        if name == "--student.name":
            value, equals = (value if equals else _next(rest)), "="
            student = value
        spelled.append(f"{name}{equals}{value}")
    if teachers:
        spelled.append(f"--{MORE_TEACHERS}={json.dumps(teachers)}")
    return _with_recipe(spelled, recipe, config, student)


def _as_typed(setting: str, value: str) -> Any:
    """What a further teacher's setting is: a text as it stands (`007`, `*.npz`), all else as YAML has it."""
    if setting in _TEXTS and value != "null":
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:  # the parser says what was expected
        return value


def _next(rest: deque[str]) -> str:
    return rest.popleft() if rest else ""


def _with_recipe(spelled: list[str], recipe: str | None, config: str | None, student: str | None) -> list[str]:
    """The arguments with the recipe right behind the verb, where the options win over it."""
    if recipe is None and config is None:
        return spelled
    values = {} if config is None else read_recipe(config)
    if recipe is not None:
        student = student or values.get("student", {}).get("name")
        values = merged(named_recipe(recipe, student=student), values)
    return [*spelled[:1], f"--config={json.dumps(values)}", *spelled[1:]]
