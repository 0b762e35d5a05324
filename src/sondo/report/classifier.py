"""What a classifier's report looks like on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from sondo.report.tables import METRIC_NAMES
from sondo.screen import tell, tell_table

_MOST_CLASSES, _MOST_MISTAKES = 60, 3


def show_classifier(report: dict[str, Any]) -> None:
    """Classes with what was found of them among held-out clips, the score, and where the file lies.

    Args:
        report: As it lies beside the file; a published head has no score.
    """
    rows = report.get("by_class", [])
    if rows:
        _show_classes(rows, f"{report['head']} head on {report['student']}: held-out clips")
        low, high = report["ci95"]
        # The table adds up all clips, the score is taken in each fold.
        folds = len(report["per_fold"])
        mean = f", mean over {folds} folds" if folds > 1 else ""
        score = f"{METRIC_NAMES[report['metric']]} {100 * report['score']:.1f}{mean}"
        tell(f"{score} (95 % interval {100 * low:.1f} to {100 * high:.1f})")
        if report["note"]:
            tell(report["note"])
        _tell_mistakes(report)
    if report.get("picture"):
        tell(f"confusion matrix: {report['picture']}")
    _tell_file(report, num_classes=len(report["classes"]), compared_with=report["compared"]["with"])
    tell(f"licence of the student: {report['licence']}")


def _show_classes(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """A line for each class, as `sondo.classifier.held_out.class_table` gives them."""
    table = Table(title=title, title_justify="left")
    has_thresholds = "threshold" in rows[0]
    for name in ("class", "clips", "found", "false alarms", "F1", *(["threshold"] if has_thresholds else [])):
        table.add_column(name, justify="left" if name == "class" else "right")
    for row in rows[:_MOST_CLASSES]:
        counts = [str(row[name]) for name in ("clips", "found", "false_alarms")]
        more = [f"{row['threshold']:.3f}"] if has_thresholds else []
        table.add_row(row["label"], *counts, f"{row['f1']:.2f}", *more)
    tell_table(table)
    if len(rows) > _MOST_CLASSES:
        tell(f"and {len(rows) - _MOST_CLASSES} more classes, in the report")


def _tell_mistakes(found: Mapping[str, Any]) -> None:
    """The first of what `sondo.classifier.held_out.surest_mistakes` gives."""
    mistakes = found.get("mistakes", [])[:_MOST_MISTAKES]
    if mistakes:
        tell("surest mistakes, where a label may be wrong:")
    for mistake in mistakes:
        sure = f"{100 * mistake['probability']:.0f} %"
        tell(f"  {mistake['path']}: labelled {mistake['label']}, taken for {mistake['told']} ({sure} sure)")


def show_finetuned(summary: dict[str, Any]) -> None:
    """Scores of the parts, and where the file lies.

    Args:
        summary: As in `summary.json`.
    """
    clips = summary["clips"]
    tell(f"weights of epoch {summary['epoch']}, trained on {clips['train']} clips")
    for part, remark in (("valid", "it chose the epoch, so it flatters"), ("test", "kept back until now")):
        if part in summary:
            low, high = summary[part]["ci95"]
            score = f"{METRIC_NAMES[summary['metric']]} {100 * summary[part]['score']:.1f}"
            if rows := summary[part].get("by_class"):
                _show_classes(rows, f"clips of {part}")
            tell(f"{part}, {clips[part]} clips: {score} (95 % interval {100 * low:.1f} to {100 * high:.1f}); {remark}")
            _tell_mistakes(summary[part])
    if summary["note"]:
        tell(summary["note"])
    if picture := summary["classifier"].get("picture"):
        tell(f"confusion matrix: {picture}")
    _tell_file(summary["classifier"], num_classes=len(summary["classes"]), compared_with="the student in torch")
    tell(f"licence of the student: {summary['student']['licence']}")


def _tell_file(file: dict[str, Any], *, num_classes: int, compared_with: str) -> None:
    compared = file["compared"]
    tell(f"{file['path']}: {file['bytes'] / 1e6:.2f} MB, {num_classes} classes, raw sound in, probabilities out")
    tell(
        f"compared with {compared_with} on {compared['clips']} clips: the first class is the same in "
        f"{compared['same_first_class']}, a probability differs by at most {compared['largest_difference']:.1e}"
    )
