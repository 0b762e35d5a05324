"""Run a grid: every variant with every seed from one bank, and the table that they end in."""

from __future__ import annotations

import dataclasses
import json
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sondo.bank import Bank
from sondo.bank.column import describe_difference
from sondo.bank.schema import slug
from sondo.claim import claim_folder, flatten, write_json
from sondo.distill.teach import configured_column
from sondo.errors import SondoError, require
from sondo.evaluate import Task, load_task
from sondo.recipe import Recipe
from sondo.reproduce.cell import Cell, run_cell
from sondo.reproduce.figure import draw
from sondo.reproduce.grid import Grid, read_grid, recipes_of, with_init
from sondo.reproduce.results import summarise
from sondo.reproduce.scale import scaled
from sondo.reproduce.table import write_tables
from sondo.screen import progress, say, track


def reproduce(
    name: str,
    *,
    bank: Path,
    out: Path,
    tasks: Sequence[tuple[str, Path]] = (),
    scale: float = 1.0,
    seeds: Sequence[int] = (0,),
    teacher: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run a grid, or go on with it where an earlier call stopped.

    Args:
        name: A grid that comes with sondo, or the path of one.
        bank: The bank; it has the teachers' columns. Clusters are made where they are lacking.
        out: Folder of the results: `results.json`, `table.md`, `table.csv`, a picture, and `cells/`, a run for each
            variant and seed.
        tasks: Names and folders of the tasks that the students are scored on; without one the table keeps the tasks
            that it had, and where it had none there is the cosine to the teacher alone.
        scale: Factor on the clips that each run sees, see `sondo.reproduce.scale`.
        seeds: Seeds of weights, draws and dropout; each variant is run with each.
        teacher: Label of the teacher of all variants; where left out and the bank has one teacher alone, that one.
        changes: Nested settings for all variants, over their own.

    Returns:
        The results, as in `results.json`.

    Raises:
        SondoError: Nothing could be run, or some cells failed; those that did not are in the table by then.
    """
    grid = read_grid(name)
    if grid.figure is not None:
        require("matplotlib", extra="report", why="Drawing the picture needs matplotlib")
    if len({task for task, _ in tasks}) < len(tasks):
        raise SondoError("a task is named twice")
    loaded = {task: load_task(task, folder) for task, folder in tasks}
    opened = Bank(bank)
    in_full = with_init(changes or {})
    if in_full != (changes or {}):
        say("students of another kind or width than the grid's start from random weights; --student.init names others")
    recipes = recipes_of(grid, out=out / "cells", changes=changes, teacher=teacher)
    if teacher is None and (teacher := _only_teacher(recipes.values(), opened)) is not None:
        recipes = recipes_of(grid, out=out / "cells", changes=changes, teacher=teacher)
    recipes = _possible(recipes, opened)
    about = {
        "grid": grid.name,
        "bank": str(bank.resolve()),
        "scale": scale,
        "teacher": teacher,
        "changes": in_full,
    }
    cells = _cells(recipes, opened, scale=scale, seeds=seeds)
    _check_axis(grid, recipes)
    _check_same_bank(cells, opened)
    claim_folder(out, about)
    shown = list(loaded) or _tasks_of_before(out / "results.json")
    failures = _run(grid, cells, opened, loaded)
    _say_unscored(cells, shown)
    results = summarise(grid, cells, failures, tasks=shown, about=about)
    write_json(out / "results.json", results)
    write_tables(results, out)
    if grid.figure is not None and len(failures) < len(cells):
        draw(results, grid.figure, out / f"{grid.name}.png")
    return results


def _only_teacher(recipes: Iterable[Recipe], bank: Bank) -> str | None:
    """The bank's teacher where it has one alone and that is not the recipes', else None."""
    there = bank.columns("teacher")
    wanted = {configured_column(config) for recipe in recipes for config in recipe.teachers}
    if len(there) != 1 or there[0] in wanted:
        return None
    label = there[0].removeprefix("teacher.")
    say(f"{bank.path} has {there[0]} alone: it teaches all variants, instead of {', '.join(sorted(wanted))}")
    return label


def _possible(recipes: Mapping[str, Recipe], bank: Bank) -> dict[str, Recipe]:
    """Without the variants that learn from labels, where the bank has none."""
    of_labels = [variant for variant, recipe in recipes.items() if recipe.train.supervised > 0]
    if of_labels and not any(bank.read(["labels"]).column(0).to_pylist()):
        say(f"{bank.path} has no labels: {', '.join(of_labels)} cannot be run and is left out")
        recipes = {variant: recipe for variant, recipe in recipes.items() if variant not in of_labels}
    if not recipes:
        raise SondoError(f"nothing to run: all variants learn from labels, and {bank.path} has none")
    return dict(recipes)


def _cells(recipes: Mapping[str, Recipe], bank: Bank, *, scale: float, seeds: Sequence[int]) -> list[Cell]:
    """Seed after seed, so that the first table of all variants is there early."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise SondoError("--seeds: name at least one, each once")
    cells = []
    for seed in seeds:
        for variant, recipe in recipes.items():
            train = dataclasses.replace(scaled(recipe.train, scale, num_clips=len(bank)), seed=seed)
            folder = str(Path(recipe.out).parent / f"{slug(variant)}-{seed}")
            cells.append(Cell(variant=variant, recipe=dataclasses.replace(recipe, out=folder, train=train)))
    return cells


def _check_axis(grid: Grid, recipes: Mapping[str, Recipe]) -> None:
    """Refuse a picture over what is no number in some variant, before anything is trained."""
    if grid.figure is None:
        return
    over = grid.figure.over
    for variant, recipe in recipes.items():
        value = flatten(recipe.to_dict()).get(over)
        if variant != grid.figure.against and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise SondoError(
                f"{grid.name}: the picture is over {over}, which is {value!r} in the variant {variant!r}: expected a "
                "setting that is a number in each, or a variant that `against` names"
            )


def _check_same_bank(cells: Sequence[Cell], bank: Bank) -> None:
    """Refuse to train cells beside others that learned from other clips or vectors: a table would compare both.

    Where there is none left to train, the table of those that are there may be asked for again.
    """
    finished = [cell for cell in cells if cell.standing()]
    if len(finished) == len(cells):
        return
    for cell in finished:
        folder = cell.file.parent
        note = folder / "train.json"
        was: dict[str, Any] = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
        num_clips = was.get("bank", {}).get("num_clips", len(bank))
        if num_clips != len(bank):
            raise SondoError(
                f"{folder} learned from {num_clips} clips, and {bank.path} has {len(bank)}: name another --out, or the "
                "bank as it was"
            )
        for teacher in was.get("teachers", []):
            column, origin = teacher["column"], teacher["origin"]
            if origin != (now := bank.origin(column)):
                difference = describe_difference(origin, now or {})
                raise SondoError(
                    f"{folder} learned from another {column} than {bank.path} has ({difference}): name another --out"
                )


def _run(grid: Grid, cells: Sequence[Cell], bank: Bank, tasks: Mapping[str, Task]) -> dict[str, str]:
    """Run what is left; what failed, with the reason, by the cell's name."""
    todo = [cell for cell in cells if cell.lacks(tasks)]
    failures: dict[str, str] = {}
    with (
        progress() as view,
        track(f"reproduce {grid.name}", total=len(cells), unit="cells", done=len(cells) - len(todo)) as line,
    ):
        for cell in todo:
            standing = set(view.task_ids)
            line.note(cell.name)
            try:
                say(_said(cell, run_cell(cell, bank, tasks)))
                _traceback_of(cell).unlink(missing_ok=True)
            except Exception as error:  # one cell that fails does not lose the others
                failures[cell.name] = str(error) or type(error).__name__
                say(f"failed: {cell.name}: {failures[cell.name]}")
                if not isinstance(error, SondoError):
                    _keep_traceback(cell)
            for finished in set(view.task_ids) - standing:  # fifty cells' lines would fill the screen
                view.remove_task(finished)
            line.advance()
    return failures


def _tasks_of_before(file: Path) -> list[str]:
    """The tasks of the table that is there, so that a call without one does not empty it."""
    if not file.exists():
        return []
    try:
        tasks: list[str] = json.loads(file.read_text(encoding="utf-8"))["tasks"]
    except ValueError as error:
        raise SondoError(f"{file} is damaged ({error}): delete it, and it is made again from the cells") from error
    return tasks


def _say_unscored(cells: Sequence[Cell], tasks: Sequence[str]) -> None:
    results = [cell.standing() for cell in cells]
    count = sum(bool(result and set(tasks) - set(result["tasks"])) for result in results)
    if count:
        say(
            f"{count} of {len(cells)} runs are not scored on {', '.join(tasks)} and not in the table: name the tasks "
            "with --task and --data"
        )


def _traceback_of(cell: Cell) -> Path:
    """Where it says how a cell failed: not in its folder, which would hold something that is no run, and be refused."""
    return cell.file.parent.with_name(f"{cell.file.parent.name}.error.txt")


def _keep_traceback(cell: Cell) -> None:
    file = _traceback_of(cell)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(traceback.format_exc(), encoding="utf-8")
    say(f"where it failed: {file}")


def _said(cell: Cell, result: Mapping[str, Any]) -> str:
    scores = [f"{task} {100 * score['score']:.1f}" for task, score in result["tasks"].items()]
    closeness = result["alignment"]
    scores += [f"cosine to the teacher {closeness['cosine']:.3f}"] if closeness else []
    return f"{cell.name}: " + (", ".join(scores) or "trained")
