"""The table of a grid: on the screen, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from sondo.claim import flatten
from sondo.reproduce.paper import AVERAGE
from sondo.reproduce.results import COSINE
from sondo.screen import tell, tell_table

_SUMS = ("music", "environment", AVERAGE)


def show_results(results: Mapping[str, Any]) -> None:
    """The last word of `sondo reproduce`: the paper's figures, ours, and how to read them.

    Args:
        results: As in `results.json`.
    """
    header, lines = _cells(results)
    table = Table(title=Text(results["title"]), title_justify="left")
    for index, name in enumerate(header):
        table.add_column(Text(name), justify="right" if index else "left")
    for line in lines:
        table.add_row(*map(Text, line))
    tell_table(table)
    for note in _notes(results, paper="sources in table.md"):
        tell(note)


def write_tables(results: Mapping[str, Any], out: Path) -> None:
    """Write `table.md`, as on the screen, and `table.csv`, a line for each variant and score."""
    header, lines = _cells(results)
    rule = ["---", *["---:"] * (len(header) - 1)]
    text = "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))
    notes = "\n".join(f"- {note}" for note in _notes(results, paper=f"{results['source']}. {results['note']}"))
    (out / "table.md").write_text(f"# {results['title']}\n\n{text}\n\n{notes}\n", encoding="utf-8")
    (out / "table.csv").write_text(_csv(results), encoding="utf-8")


def _cells(results: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and lines of text; a column that would be empty is left out."""
    rows = results["rows"]
    columns: dict[str, list[str]] = {results["rows_are"]: [row["variant"] for row in rows]}
    columns |= {f"paper, {name}": [_figure(row["paper"].get(name)) for row in rows] for name in _SUMS}
    for task in [*results["tasks"], AVERAGE]:
        if task in _beside(results):
            columns[f"paper, {task}"] = [_figure(row["paper"].get(task)) for row in rows]
        columns[f"ours, {task}"] = [_ours(row["ours"].get(task)) for row in rows]
        columns[f"difference, {task}"] = [_step(row.get("difference", {}).get(task)) for row in rows]
    for who in ("paper", "ours"):
        columns[f"{who}, to {rows[0]['variant']}"] = [_step(row["to_first"].get(who)) for row in rows]
    columns["cosine to teacher"] = [_ours(row.get(COSINE), digits=3) for row in rows]
    kept = {name: values for name, values in columns.items() if any(values)}
    return list(kept), [list(line) for line in zip(*kept.values(), strict=True)]


def _beside(results: Mapping[str, Any]) -> set[str]:
    """Our tasks that the paper has too."""
    return {task for task in results["tasks"] if any(task in row["paper"] for row in results["rows"])}


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _step(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"


def _ours(value: Mapping[str, Any] | None, *, digits: int = 1) -> str:
    if value is None:
        return ""
    deviation = "" if value["deviation"] is None else f" ± {value['deviation']:.{digits}f}"
    return f"{value['mean']:.{digits}f}{deviation}"


def _notes(results: Mapping[str, Any], *, paper: str) -> list[str]:
    """How the table was made and what it does not say; `paper` is what to say of the paper's figures."""
    ran = [row for row in results["rows"] if row.get("seeds")]
    notes = []
    if ran:
        about = results["about"]
        clips = " or ".join(f"{seen:,}" for seen in sorted({row["clips_seen"] for row in ran}))
        counts = sorted({len(row["seeds"]) for row in ran})
        params = sorted({row["params"] for row in ran})
        size = " to ".join(f"{bound / 1e6:.2f} M" for bound in sorted({params[0], params[-1]}))
        teachers = ", ".join(sorted({row["settings"]["teacher.name"] for row in ran if row.get(COSINE)}))
        notes.append(
            f"ours: students of {size} parameters from {teachers or 'labels alone'}, {clips} clips seen in each run "
            f"(scale {about['scale']:g}), {' or '.join(map(str, counts))} "
            f"{'seed' if counts == [1] else 'seeds, mean ± deviation'}; bank {about['bank']}"
        )
        if results["metrics"]:
            scores = ", ".join(f"{task} {metric}" for task, metric in results["metrics"].items())
            notes.append(f"scores in %: {scores}")
        if about["changes"]:
            changes = flatten(about["changes"]).items()
            changed = ", ".join(f"{key} {'null' if value is None else value}" for key, value in changes)
            notes.append(f"changed from the grid: {changed}")
    if results["source"] is not None:
        missing = [task for task in results["tasks"] if task not in _beside(results)]
        if missing:
            notes.append(
                f"the paper has no {', '.join(missing)}: its figures and ours are of unlike tasks, so compare how the "
                "lines differ, not their heights"
            )
        notes.append(f"paper: S-SONDO, arXiv 2604.24933; {paper}")
    notes += [f"failed: {cell}: {reason}" for cell, reason in results["failures"].items()]
    return notes


def _csv(results: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([results["rows_are"], "score", "paper", "ours", "deviation", "difference", "seeds"])
    for row in results["rows"]:
        found = row["ours"] | ({COSINE: row[COSINE]} if COSINE in row else {})
        for name in dict.fromkeys([*row["paper"], *found]):
            ours = found.get(name, {})
            writer.writerow(
                [
                    row["variant"],
                    name,
                    row["paper"].get(name),
                    ours.get("mean"),
                    ours.get("deviation"),
                    row.get("difference", {}).get(name),
                    len(row["seeds"]) if ours else None,
                ]
            )
    return text.getvalue()
