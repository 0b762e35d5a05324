"""From the cells of a grid to its rows: means and deviations over seeds, beside the paper's figures, in percent."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from sondo.claim import flatten
from sondo.reproduce.cell import Cell
from sondo.reproduce.grid import Grid
from sondo.reproduce.paper import AVERAGE, paper_tasks

COSINE = "cosine"


def summarise(
    grid: Grid, cells: Sequence[Cell], failures: Mapping[str, str], *, tasks: Sequence[str], about: Mapping[str, Any]
) -> dict[str, Any]:
    """What a grid found so far.

    Args:
        grid: The grid.
        cells: All its cells; those without a result are counted as open.
        failures: Why a cell failed, by its name.
        tasks: The tasks of this call.
        about: What the results should say of the call.

    Returns:
        JSON-able: `about`, `title`, `rows_are`, `tasks`, `metrics` by task that was scored, `source` of the paper's
        figures, `failures`, and `rows`: for each variant `paper` and `ours` by task and `average`, `difference` where
        both are of the same tasks, `to_first` (the same less those of the first row), `cosine` to the teacher, `seeds`,
        `clips_seen`, `params` and its `settings`. One of ours is `mean` over seeds, `deviation` (of the sample; None
        for one seed), `values` by seed and, for one seed, `ci95`, the probe's interval. Lines of the paper that were
        not run come last.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        result = cell.standing()
        found.setdefault(cell.variant, [])
        if result and not set(tasks) - set(result["tasks"]):
            found[cell.variant].append(result)
    rows = [_row(grid, variant, results, tasks) for variant, results in found.items()]
    scored = [result["tasks"] for results in found.values() for result in results]
    if grid.paper is not None:
        rows += [
            {"variant": row.name, "paper": dict(row.scores), "ours": {}}
            for row in grid.paper.rows
            if row.name not in found
        ]
    _add_steps(rows)
    return {
        "about": dict(about),
        "title": grid.title,
        "rows_are": grid.rows,
        "tasks": list(tasks),
        "metrics": {task: scores[task]["metric"] for scores in scored for task in tasks},
        "source": None if grid.paper is None else grid.paper.source,
        "note": None if grid.paper is None else grid.paper.note,
        "unit": "percent",
        "failures": dict(failures),
        "rows": rows,
    }


def _row(grid: Grid, variant: str, results: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> dict[str, Any]:
    published = grid.paper.row(variant) if grid.paper is not None else None
    row: dict[str, Any] = {"variant": variant, "paper": dict(published.scores) if published else {}, "ours": {}}
    if not results:
        return row
    seeds = [result["seed"] for result in results]
    by_task = {task: [100 * result["tasks"][task]["score"] for result in results] for task in tasks}
    if len(tasks) > 1:
        by_task[AVERAGE] = [statistics.fmean(values) for values in zip(*by_task.values(), strict=True)]
    row["ours"] = {name: _over_seeds(values, seeds) for name, values in by_task.items()}
    if len(results) == 1:
        for task in tasks:
            row["ours"][task]["ci95"] = [100 * bound for bound in results[0]["tasks"][task]["ci95"]]
    comparable = [*tasks, *([AVERAGE] if set(tasks) == set(paper_tasks()) else [])]
    row["difference"] = {
        name: row["ours"][name]["mean"] - row["paper"][name] for name in comparable if name in row["paper"]
    }
    if all(result["alignment"] for result in results):
        row[COSINE] = _over_seeds([result["alignment"]["cosine"] for result in results], seeds)
    row["seeds"] = seeds
    row["clips_seen"] = results[0]["clips_seen"]
    row["params"] = results[0]["student"]["params"]
    row["settings"] = flatten(results[0]["settings"])
    return row


def _over_seeds(values: Sequence[float], seeds: Sequence[int]) -> dict[str, Any]:
    return {
        "mean": statistics.fmean(values),
        "deviation": statistics.stdev(values) if len(values) > 1 else None,
        "values": dict(zip(map(str, seeds), values, strict=True)),
    }


def headline(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The one figure of ours that stands for a row: the average, or the score on the only task."""
    ours = row["ours"]
    return ours.get(AVERAGE) or next(iter(ours.values()), None)


def _add_steps(rows: Sequence[dict[str, Any]]) -> None:
    """Each row less the first: what can be compared where our tasks are not the paper's."""
    first = rows[0]
    for row in rows:
        steps: dict[str, float] = {}
        if AVERAGE in row["paper"] and AVERAGE in first["paper"]:
            steps["paper"] = row["paper"][AVERAGE] - first["paper"][AVERAGE]
        ours, ours_first = headline(row), headline(first)
        if ours is not None and ours_first is not None:
            steps["ours"] = ours["mean"] - ours_first["mean"]
        row["to_first"] = steps
