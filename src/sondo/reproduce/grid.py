"""A grid: named variants of one recipe, as a YAML file.

    title: "Does the read-out matter?"
    rows: read-out                      # what the first column of the table is called
    base: paper/mobilenetv3             # a recipe by name or file, or settings (which may name a `recipe`)
    variants:
      last: {}
      multilevel: {student: {readout: multilevel}}

`paper: table2` puts a table of the paper beside it, `figure: {over: cluster.k, against: random}` draws the scores over
a setting, with a line for the variant that they are held against.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sondo.bank.schema import slug
from sondo.claim import flatten
from sondo.errors import SondoError
from sondo.recipe import Recipe
from sondo.recipes import full_settings, make_recipe, merged
from sondo.recipes.read import GRIDS, SUFFIXES, grid_names, read_file
from sondo.reproduce.paper import PaperTable, paper_table
from sondo.screen import say

_KEYS = ("title", "rows", "paper", "figure", "base", "variants")


@dataclass(frozen=True, kw_only=True)
class FigureAxis:
    """What a picture of the grid shows: scores over a setting.

    Args:
        over: Dotted key of the setting, e.g. `cluster.k`.
        against: The variant that is drawn as a line across; none when left out.
    """

    over: str
    against: str | None = None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid as its file has it.

    Args:
        name: The file's name without its ending.
        title: Heading of the table.
        rows: What the variants are called together.
        variants: Nested settings of each variant by its name, over those of the base.
        base: Nested settings of all, in full.
        own: What each variant changes itself, as dotted keys; the recipe that it may start from is not in it.
        paper: The table of the paper that stands beside it.
        figure: What its picture shows.
    """

    name: str
    title: str
    rows: str
    base: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]]
    own: Mapping[str, tuple[str, ...]]
    paper: PaperTable | None = None
    figure: FigureAxis | None = None


def read_grid(name: str) -> Grid:
    """Read a grid.

    Args:
        name: One of `sondo.recipes.read.grid_names`, or a path that ends in .yaml.

    Raises:
        SondoError: No such grid, an unknown key, no variants, or two whose names give one folder.
    """
    file = _find(name)
    values = read_file(file)
    unknown = sorted(set(values) - set(_KEYS))
    if unknown:
        raise SondoError(f"{file}: a grid has no {', '.join(unknown)}: it takes {', '.join(_KEYS)}")
    base = values.get("base") or {}
    own = values.get("variants")
    if not isinstance(own, dict) or not own:
        raise SondoError(f"{file}: no variants: give each a name and the settings that it changes, below `variants:`")
    own = {str(variant): settings or {} for variant, settings in own.items()}
    wrong = [variant for variant, settings in own.items() if not isinstance(settings, dict)]
    if wrong:
        raise SondoError(f"{file}: variant {wrong[0]!r} has no settings: expected such as {{train: {{loss: cosine}}}}")
    if len({slug(variant) for variant in own}) < len(own):
        raise SondoError(f"{file}: two variants' names are the same but for spaces or signs: {', '.join(own)}")
    full = {variant: full_settings(settings, beside=file.parent) for variant, settings in own.items()}
    return Grid(
        name=file.stem,
        title=str(values.get("title") or file.stem),
        rows=str(values.get("rows") or "variant"),
        base=full_settings({"recipe": base} if isinstance(base, str) else base, beside=file.parent),
        variants=full,
        own={
            variant: tuple(flatten({key: value for key, value in settings.items() if key != "recipe"}))
            for variant, settings in own.items()
        },
        paper=paper_table(str(values["paper"])) if "paper" in values else None,
        figure=_axis(values["figure"], own, file) if "figure" in values else None,
    )


def recipes_of(
    grid: Grid, *, out: Path, changes: Mapping[str, Any] | None = None, teacher: str | None = None
) -> dict[str, Recipe]:
    """The recipe of each variant.

    Args:
        grid: The grid.
        out: Folder of the runs.
        changes: Nested settings for all variants, over their own. Another student or width starts from random weights
            where `student.init` is not among them.
        teacher: Label of the teacher of all variants, instead of their own. Variants that it makes equal are run once.

    Raises:
        SondoError: A setting that is none, or a change of what the grid compares.
    """
    changes = dict(changes or {})
    for variant, keys in grid.own.items():
        clash = sorted(set(flatten(changes)) & set(keys))
        if clash:
            raise SondoError(f"{clash[0]} is what {grid.name} compares ({variant!r} sets it): it cannot be given")
    changes = with_init(changes)
    recipes: dict[str, Recipe] = {}
    seen: dict[str, str] = {}
    for variant, own in grid.variants.items():
        values = merged(merged(dict(grid.base), dict(own)), changes)
        try:
            recipe = make_recipe(values | {"out": str(out / slug(variant))})
        except SondoError as error:
            raise SondoError(f"{grid.name}, variant {variant!r}: {error}") from error
        if teacher is not None:
            named = dataclasses.replace(recipe.teacher, name=teacher, label=None)
            recipe = dataclasses.replace(recipe, teacher=named, more_teachers=[])
        if any(config.online for config in recipe.teachers):
            raise SondoError(
                f"{grid.name}, variant {variant!r}: teachers of a grid have heard the bank; none is online"
            )
        twin = seen.setdefault(json.dumps(recipe.to_dict() | {"out": ""}), variant)
        if twin == variant:
            recipes[variant] = recipe
        else:
            say(f"{variant!r} is the same run as {twin!r} here: it is left out")
    return recipes


def with_init(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as `recipes_of` takes them: another student or width starts from random weights.

    It cannot start from the weights that the grid names; where `student.init` names others, those stay.
    """
    student = dict(changes.get("student") or {})
    is_other = "name" in student or student.get("width_mult", 1.0) != 1.0
    if not is_other or "init" in student:
        return dict(changes)
    return {**changes, "student": {"init": None} | student}


def _axis(values: Any, variants: Mapping[str, Any], file: Path) -> FigureAxis:
    try:
        axis = FigureAxis(**values)
    except TypeError as error:
        raise SondoError(f"{file}: figure takes `over` (a setting) and `against` (a variant), not {values}") from error
    if axis.against is not None and axis.against not in variants:
        raise SondoError(
            f"{file}: figure is drawn against {axis.against!r}, which is no variant: {', '.join(variants)}"
        )
    return axis


def _find(name: str) -> Path:
    if name.endswith(SUFFIXES):
        return Path(name)
    if name not in grid_names():
        there = ", ".join(grid_names())
        raise SondoError(f"no grid is called {name!r}: there is {there}, or a file of your own ending in .yaml")
    return GRIDS / f"{name}.yaml"
