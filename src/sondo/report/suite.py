"""The table of several models on several tasks, in the form of the paper's Table 1: screen, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from sondo.claim import write_json
from sondo.screen import tell, tell_table

if TYPE_CHECKING:
    from sondo.reproduce.paper import PaperTable

_TITLE = "linear probe, ± half the 95 % interval"
_METRICS = {"map": "mAP", "accuracy": "Acc (%)"}
_IN_LATEX = str.maketrans(
    {letter: f"\\{letter}" for letter in "&%_#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
)
_FIELDS = ("score", "ci95_low", "ci95_high", "knn", "retention", "retention_low", "retention_high")


def show_suite(results: Mapping[str, Any]) -> None:
    """Print the table, and below it what to know about it.

    Args:
        results: What `sondo.evaluate.run.evaluate_suite` says, with `paper` from `beside_paper` where that is wanted.
    """
    header, lines = _cells(results)
    table = Table(title=_TITLE, title_justify="left")
    for index, name in enumerate(header):
        table.add_column(Text(name), justify="right" if index else "left")
    for line in lines:
        table.add_row(*map(Text, line))
    tell_table(table)
    for note in _notes(results):
        tell(note)


def write_suite(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `evaluation.json` (everything), `.csv` (a line for each model and task) and `.tex` (the table).

    Args:
        results: As for `show_suite`.
        folder: Where to.

    Returns:
        The files.
    """
    paths = [folder / f"evaluation{suffix}" for suffix in (".json", ".csv", ".tex")]
    write_json(paths[0], results)
    paths[1].write_text(_csv(results), encoding="utf-8")
    paths[2].write_text(_latex(results), encoding="utf-8")
    return paths


def beside_paper(table: PaperTable, tasks: Sequence[str], *, all_tasks: Sequence[str]) -> dict[str, Any]:
    """The paper's lines, for the tasks that were scored here; none where it has none of them.

    Args:
        table: The paper's table; scores in percent.
        tasks: What was scored.
        all_tasks: Those that the published average is over. Where some are lacking here, the average is taken anew
            over the others, so that it stands beside ours.
    """
    rows = []
    for row in table.rows:
        shared = [task for task in tasks if task in row.scores]
        if not shared:
            continue
        whole = set(shared) == set(all_tasks)
        mean = sum(row.scores[task] for task in shared) / len(shared)
        rows.append(
            {
                "model": row.name,
                "params": None if row.params_millions is None else round(row.params_millions * 1e6),
                "tasks": {task: {"percent": row.scores[task], "half": row.ci95.get(task)} for task in shared},
                "average": row.scores.get("average") if whole else mean,
                "kept": row.kept_percent if whole else None,
            }
        )
    return {"title": table.title, "source": table.source, "note": table.note, "rows": rows}


def _cells(results: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and lines of text. An absent task has a column, so that nobody takes the table for the whole suite."""
    columns = {name: f"{task['title']}\n{_METRICS[task['metric']]}" for name, task in results["tasks"].items()}
    columns |= {name: f"{name}\nabsent" for name in results["absent"]}
    header = ["", "size", "dim", *columns.values(), "average\n(kept)"]
    lines = []
    for row in results["rows"]:
        scores = [_score(row["tasks"].get(name)) for name in columns]
        lines.append([row["model"], _size(row), str(row["embedding_dim"]), *scores, _average(row["average"])])
        near = [_percent(row["tasks"][name]["knn"]) if name in row["tasks"] else "" for name in columns]
        lines.append([f"  {results['neighbours']} neighbours", "", "", *near, _percent(row["average"]["knn"])])
    for row in results.get("paper", {}).get("rows", ()):
        scores = [_published(row["tasks"].get(name)) for name in columns]
        kept = "" if row["kept"] is None else f" ({row['kept']:.1f} %)"
        average = "" if row["average"] is None else f"{row['average']:.1f}{kept}"
        size = "" if row["params"] is None else f"{row['params'] / 1e6:.1f} M"
        lines.append([f"paper: {row['model']}", size, "", *scores, average])
    return header, lines


def _score(task: Mapping[str, Any] | None) -> str:
    if task is None:
        return "-"
    kept = f" ({100 * task['retention']:.1f} %)" if "retention" in task else ""
    return f"{_percent(task['score'])} ±{_half(task['ci95'])}{kept}"


def _average(average: Mapping[str, Any]) -> str:
    kept = ""
    if "retention" in average:
        kept = f" ({100 * average['retention']:.1f} ±{_half(average['ci95_retention'])} %)"
    return f"{_percent(average['score'])} ±{_half(average['ci95'])}{kept}"


def _published(task: Mapping[str, Any] | None) -> str:
    if task is None:
        return "-"
    return f"{task['percent']:.1f}" + ("" if task["half"] is None else f" ±{task['half']:.1f}")


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _half(interval: Sequence[float]) -> str:
    return f"{50 * (interval[1] - interval[0]):.1f}"


def _size(row: Mapping[str, Any]) -> str:
    if row["params"]:
        return f"{row['params'] / 1e6:.2f} M"
    return "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.2f} MB"


def _notes(results: Mapping[str, Any]) -> list[str]:
    """What the table does not say by itself."""
    notes = [f"{task['title']}: {task['note']}" for task in results["tasks"].values() if task["note"]]
    notes += [f"absent: {name}, {reason}" for name, reason in results["absent"].items()]
    if results["seeds"]:
        notes.append(f"intervals hold {results['seeds']} draws of the training clips too")
    teachers = sorted({row["baseline"] for row in results["rows"] if row["baseline"] is not None})
    if teachers:
        notes.append(f"kept (%): of {' or '.join(teachers)}; its interval, with those of each task, is in the JSON")
    notes += dict.fromkeys(  # once for all students of a teacher
        f"{results['tasks'][name]['title']}: {row['baseline']} cannot be told from chance "
        f"({_percent(task['chance'])}), so what is kept of it says nothing"
        for row in results["rows"]
        for name, task in row["tasks"].items()
        if task.get("at_chance")
    )
    paper = results.get("paper")
    if paper is not None and not paper["rows"]:
        notes.append(f"paper: S-SONDO, arXiv 2604.24933, {paper['title']}; it has none of these tasks")
    elif paper is not None:
        notes.append(
            f"paper: S-SONDO, arXiv 2604.24933, {paper['title']}; {paper['source']}. {paper['note']} Its probe is not "
            "published for all tasks and is not ours."
        )
        if results["absent"] or results["suite"] is None:
            notes.append("paper: its averages are taken over the tasks that were scored here, not over all seven")
    return notes


def _csv(results: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source", "model", "params", "embedding_dim", "task", "metric", *_FIELDS])
    for row in results["rows"]:
        about = ["sondo", row["model"], row["params"], row["embedding_dim"]]
        for name, task in [*row["tasks"].items(), ("average", row["average"])]:
            kept = task.get("ci95_retention", [None, None])
            values = [task["score"], *task["ci95"], task["knn"], task.get("retention"), *kept]
            writer.writerow([*about, name, task.get("metric"), *values])
    for row in results.get("paper", {}).get("rows", ()):
        about = ["paper", row["model"], row["params"], None]
        for name, task in row["tasks"].items():
            score, half = task["percent"] / 100, task["half"]
            ends = [None, None] if half is None else [round(score - half / 100, 6), round(score + half / 100, 6)]
            metric = results["tasks"][name]["metric"]
            writer.writerow([*about, name, metric, round(score, 6), *ends, *[None] * (len(_FIELDS) - 3)])
        if row["average"] is not None:
            kept = None if row["kept"] is None else round(row["kept"] / 100, 6)
            writer.writerow([*about, "average", None, round(row["average"] / 100, 6), *[None] * 3, kept, None, None])
    return text.getvalue()


def _latex(results: Mapping[str, Any]) -> str:
    """A `tabular` for booktabs."""
    header, lines = _cells(results)
    first = " & ".join(_escaped(name.partition("\n")[0]) for name in header)
    second = " & ".join(_escaped(name.partition("\n")[2]) for name in header)
    body = "\n".join(" & ".join(_escaped(cell) for cell in line) + r" \\" for line in lines)
    notes = "\n".join(f"% {note}" for note in (_TITLE, *_notes(results)))
    begin = r"\begin{tabular}{l" + "r" * (len(header) - 1) + "}"
    rows = (notes, begin, r"\toprule", rf"{first} \\", rf"{second} \\", r"\midrule", body, r"\bottomrule")
    return "\n".join((*rows, r"\end{tabular}", ""))


def _escaped(text: str) -> str:
    return text.translate(_IN_LATEX)
