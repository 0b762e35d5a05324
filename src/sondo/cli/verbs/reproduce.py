"""`sondo reproduce`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import jsonargparse

from sondo.recipe import StudentConfig, TrainConfig
from sondo.recipes.read import grid_names

HELP = "a table of the paper, or variants of your own, trained from one bank and compared"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    there = ", ".join(grid_names())
    verb.add_argument("grid", help=f"one by name ({there}), or a YAML file with `base` and `variants`")
    verb.add_argument("--bank", required=True, help="the bank; the teachers' columns must be there")
    verb.add_argument(
        "--task",
        action="append",
        default=[],
        help="task to score on, with --data; repeat for several. Without one the table keeps those that it had",
    )
    verb.add_argument("--data", action="append", default=[], help="folder of the task")
    verb.add_argument("--scale", type=float, default=1.0, help="factor on the clips that each run sees, such as 0.01")
    verb.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds; each variant is trained with each")
    verb.add_argument(
        "--teacher.name",
        help="teacher of all variants, instead of the grid's; left out, a bank's only column teaches all of them where "
        "the grid's own teacher is absent",
    )
    verb.add_argument("--out", help="folder of the results; runs/GRID when left out")
    # A setting that is not given stays that of the grid, whatever its default is.
    verb.add_class_arguments(StudentConfig, "student")
    verb.add_class_arguments(TrainConfig, "train", skip={"seed"})
    for group, kind in (("student", StudentConfig), ("train", TrainConfig)):
        names = [field.name for field in dataclasses.fields(kind) if field.name != "seed"]
        verb.set_defaults({f"{group}.{name}": argparse.SUPPRESS for name in names})


def run(settings: Any) -> None:
    """Run the grid, show its table."""
    from sondo.errors import SondoError, require

    if len(settings.task) != len(settings.data):
        raise SondoError("task and data go together: as many --data as --task, in the same order")
    require("lightning", extra="train", why="Training needs lightning")
    from sondo.reproduce.run import reproduce
    from sondo.reproduce.table import show_results
    from sondo.screen import counted

    values = settings.as_dict()
    results = reproduce(
        settings.grid,
        bank=Path(settings.bank),
        out=Path(settings.out or f"runs/{Path(settings.grid).stem}"),
        tasks=[(task, Path(folder)) for task, folder in zip(settings.task, settings.data, strict=True)],
        scale=settings.scale,
        seeds=settings.seeds,
        teacher=values["teacher"]["name"],
        changes={group: values[group] for group in ("student", "train") if values.get(group)},
    )
    show_results(results)
    if results["failures"]:
        raise SondoError(f"{counted(len(results['failures']), 'run')} failed; the same command tries again")
