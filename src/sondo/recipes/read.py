"""Recipe files: nested settings as YAML, each over another recipe where it names one.

    recipe: paper/mobilenetv3   # start from these; a name of this folder, or a file ending in .yaml
    teacher: m2d                # a teacher's or a student's name may stand for its group; several teachers as a list
    train: {epochs: 20}

A name that is a folder here (`paper`) means its file for the student that is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sondo.errors import SondoError
from sondo.recipe import StudentConfig

SHORT_GROUPS = ("teacher", "student")
MORE_TEACHERS = "more_teachers"
START = "recipe"
"""The key, as the option, that names the recipe to start from."""

HERE = Path(__file__).resolve().parent
GRIDS = HERE / "grids"
SUFFIXES = (".yaml", ".yml")
_GROUPS = {"teacher", "student", "cluster", "train", "augment", "ray"}
_MOST_FILES = 20


class _OnceLoader(yaml.SafeLoader):
    """YAML's plain values, and no key twice in one place: the first would be passed over without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {', '.join(twice)} stands there twice")
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def read_recipe(path: str | Path) -> dict[str, Any]:
    """A recipe file in full: what it starts from, and its own settings over that.

    Raises:
        SondoError: No such file or recipe, no YAML, no settings.
    """
    return full_settings(read_file(path), beside=Path(path).parent)


def named_recipe(name: str, *, student: str | None = None) -> dict[str, Any]:
    """The settings of a recipe by name (`paper`, `paper/dymn`), or of a file.

    Args:
        name: Name of a file or folder here, or a path that ends in .yaml.
        student: Which file of a folder; the student that a run has by default when left out.

    Raises:
        SondoError: No such recipe, or none for that student; the message names those that exist.
    """
    return read_recipe(_find(name, student=student, beside=Path()))


def full_settings(values: dict[str, Any], *, beside: Path, depth: int = 0) -> dict[str, Any]:
    """Settings that may name a recipe to start from, in full.

    Args:
        values: Nested settings, as a file has them.
        beside: The folder from which relative paths start.
        depth: Number of files that led here.

    Raises:
        SondoError: As `read_recipe`.
    """
    values = _spelled_out(values)
    start = values.pop(START, None)
    if start is None:
        return values
    if depth > _MOST_FILES:
        raise SondoError(f"recipe {start} starts from itself")
    group = values.get("student")
    student = group.get("name") if isinstance(group, dict) else None
    file = _find(str(start), student=student, beside=beside)
    return merged(full_settings(read_file(file), beside=file.parent, depth=depth + 1), values)


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested settings, those of `above` winning.

    >>> merged({"train": {"epochs": 3, "seed": 1}}, {"train": {"epochs": 5}})
    {'train': {'epochs': 5, 'seed': 1}}
    """
    out = dict(below)
    for key, value in above.items():
        standing = out.get(key)
        out[key] = merged(standing, value) if isinstance(standing, dict) and isinstance(value, dict) else value
    return out


def grid_names() -> list[str]:
    """The grids that come with sondo, as `sondo reproduce` takes them."""
    return sorted(file.stem for file in GRIDS.glob("*.yaml"))


def read_file(path: str | Path) -> dict[str, Any]:
    """What a YAML file holds, as it stands there.

    Raises:
        SondoError: No such file, no YAML, or no settings.
    """
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_OnceLoader)  # noqa: S506, a SafeLoader
    except OSError as error:
        raise SondoError(f"no recipe at {path} ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SondoError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise SondoError(f"{path} is no recipe: expected settings such as `teacher: modulation`")
    return values


def _find(name: str, *, student: str | None, beside: Path) -> Path:
    if name.endswith(SUFFIXES):
        return beside / name
    there = {f"{file.parent.name}/{file.stem}": file for file in sorted(HERE.glob("*/*.yaml"))}
    there = {key: file for key, file in there.items() if file.parent != GRIDS}
    folders = dict.fromkeys(file.parent.name for file in there.values())
    key = f"{name}/{student or StudentConfig().name}" if name in folders else name
    if key not in there:
        whom, known = (f" for the student {student}", [*there]) if name in folders else ("", [*folders, *there])
        raise SondoError(f"no recipe is called {name!r}{whom}: there is {', '.join(known)}, or a file ending in .yaml")
    return there[key]


def _spelled_out(values: dict[str, Any]) -> dict[str, Any]:
    """Names of teachers and students as groups of settings; a list of teachers as one and the others."""
    values = dict(values)
    teachers = values.get("teacher")
    if isinstance(teachers, list) and teachers:
        values["teacher"], *more = [_named(teacher) for teacher in teachers]
        values[MORE_TEACHERS] = more
    for group in SHORT_GROUPS:
        if group in values:
            values[group] = _named(values[group])
    for group in _GROUPS & values.keys():
        if not isinstance(values[group], dict):
            raise SondoError(f"{group} is {values[group]!r}: expected settings, such as `{group}: {{...}}`")
    return values


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value
