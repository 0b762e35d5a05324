"""The picture of a grid: scores over a setting, ours and the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sondo.reproduce.grid import FigureAxis
from sondo.reproduce.paper import AVERAGE
from sondo.reproduce.results import COSINE
from sondo.scratch import replacing
from sondo.screen import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_INCHES, PANEL_INCHES = 6.4, 2.6


def draw(results: Mapping[str, Any], axis: FigureAxis, path: Path) -> None:
    """Draw `figure_of` into a PNG file.

    Args:
        results: As in `results.json`.
        axis: What to draw over.
        path: The file.
    """
    with replacing(path) as scratch:
        figure_of(results, axis).savefig(scratch, format="png", dpi=120)
    say(f"picture: {path}")


def figure_of(results: Mapping[str, Any], axis: FigureAxis) -> Figure:
    """A panel for each task, and one for the paper's average where it has none of them.

    Bars are the deviation over seeds, or for one seed the 95 % interval of the probe. The variant that the others are
    held against is a dashed line.
    """
    from matplotlib.figure import Figure

    rows = results["rows"]
    nothing = [None] * len(rows)
    panels = [(f"{task}, percent", _ours(rows, task), _papers(rows, task)) for task in results["tasks"]]
    if len(panels) > 1:
        panels.append(("average, percent", _ours(rows, AVERAGE), nothing))
    if not panels:
        panels.append(("cosine to the teacher", [row.get(COSINE) for row in rows], nothing))
    if not any(any(paper) for _, _, paper in panels):
        panels.append(("the paper's average over its seven tasks, percent", nothing, _papers(rows, AVERAGE)))
    panels = [panel for panel in panels if any(panel[1]) or any(panel[2])]
    figure = Figure(figsize=(WIDTH_INCHES, PANEL_INCHES * len(panels) + 0.6), layout="constrained")
    plots = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for plot, (name, ours, paper) in zip(plots, panels, strict=True):
        _panel(plot, rows, axis, ours, colour="tab:blue", label="ours")
        _panel(plot, rows, axis, paper, colour="tab:grey", label="paper")
        plot.set_title(name, loc="left", fontsize="medium")
        plot.legend(fontsize="small")
        plot.grid(alpha=0.3)
    several = any(len(row.get("seeds", ())) > 1 for row in rows)
    bars = "deviation over seeds" if several else "the probe's 95 % interval, one seed"
    plots[-1].set_xlabel(f"{axis.over}    (bars: {bars})" if results["tasks"] else axis.over)
    figure.suptitle(results["title"])
    return figure


def _ours(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [row["ours"].get(name) for row in rows]


def _papers(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [{"mean": row["paper"][name]} if name in row["paper"] else None for row in rows]


def _panel(
    plot: Any, rows: Sequence[Mapping[str, Any]], axis: FigureAxis, values: Sequence[Any], *, colour: str, label: str
) -> None:
    pairs = [(row, value) for row, value in zip(rows, values, strict=True) if value is not None]
    points = [(_setting(row, axis), value) for row, value in pairs if row["variant"] != axis.against]
    points.sort(key=lambda point: point[0])
    if points:
        heights = [value["mean"] for _, value in points]
        errors = [_bar(value) for _, value in points]
        bars = None if not any(map(any, errors)) else list(zip(*errors, strict=True))
        plot.errorbar([at for at, _ in points], heights, yerr=bars, color=colour, marker="o", capsize=3, label=label)
    for row, value in pairs:
        if row["variant"] == axis.against:
            plot.axhline(value["mean"], color=colour, linestyle="--", label=f"{label}, {row['variant']}")


def _bar(value: Mapping[str, Any]) -> tuple[float, float]:
    """How far the bar goes down and up."""
    if value.get("deviation") is not None:
        return value["deviation"], value["deviation"]
    low, high = value.get("ci95", (value["mean"], value["mean"]))
    return max(0.0, value["mean"] - low), max(0.0, high - value["mean"])


def _setting(row: Mapping[str, Any], axis: FigureAxis) -> float:
    return float(row["settings"][axis.over] if "settings" in row else row["variant"])
