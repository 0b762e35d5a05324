"""Short spellings in full, and recipe files, before the parser sees them.

- `--teacher NAME` is `--teacher.name NAME`, and `--student NAME` likewise, here and in a recipe
- a second `--teacher` starts another teacher; the `--teacher.…` options behind it belong to that one
- `--a-b` is `--a_b`; `--trust-remote-code` is `--teacher.trust_remote_code true`
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sondo.errors import SondoError

SHORT_GROUPS = ("teacher", "student")
MORE_TEACHERS = "more_teachers"


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """The arguments in full.

    Raises:
        SondoError: A recipe that cannot be read.
    """
    spelled: list[str] = []
    teachers: list[dict[str, Any]] = []
    num_teachers = 0
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if not name.startswith("--"):
            spelled.append(argument)
            continue
        name = "--" + name[2:].replace("-", "_")
        if name in {f"--{group}" for group in SHORT_GROUPS}:
            name = f"{name}.name"
        if name == "--trust_remote_code":
            name, equals, value = "--teacher.trust_remote_code", "=", "true"
        if name == "--config":
            spelled.append(_read_recipe(value if equals else next(rest, "")))
            continue
        num_teachers += name == "--teacher.name"
        if num_teachers > 1 and name.startswith("--teacher."):
            if name == "--teacher.name":
                teachers.append({})
            teachers[-1][name.removeprefix("--teacher.")] = yaml.safe_load(value if equals else next(rest, ""))
            continue
        spelled.append(f"{name}{equals}{value}")
    if teachers:
        spelled.append(f"--{MORE_TEACHERS}={json.dumps(teachers)}")
    return spelled


def _read_recipe(path: str) -> str:
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SondoError(f"no recipe at {path} ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise SondoError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise SondoError(f"{path} is no recipe: expected settings such as `teacher: modulation`")
    teachers = values.get("teacher")
    if isinstance(teachers, list) and teachers:
        values["teacher"], *more = [_named(teacher) for teacher in teachers]
        values[MORE_TEACHERS] = more
    for group in SHORT_GROUPS:
        if group in values:
            values[group] = _named(values[group])
    return f"--config={json.dumps(values)}"


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value
