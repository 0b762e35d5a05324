"""What the page of a run of training shows."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.bank import Bank
from sondo.claim import flatten
from sondo.report.page import pictures
from sondo.report.page.closeness import NUM_NEIGHBOURS, Closeness, measure_closeness
from sondo.report.page.notes import RunNotes, read_notes
from sondo.screen import say

_MOST_LABELS, _MOST_SET_ASIDE = 40, 20


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What a bank holds.

    Args:
        clips: Number of clips.
        sources: Number of files.
        hours: Of sound, all clips together.
        splits: Clips in each split; empty where there are none.
        labels: Clips of each label, the commonest first.
        durations: Picture of the clips' lengths; None where they are all alike.
        set_aside: Files that could not be read, with the reason of each.
    """

    clips: int
    sources: int
    hours: float
    splits: Mapping[str, int]
    labels: Mapping[str, int]
    durations: str | None
    set_aside: Sequence[Mapping[str, Any]]


def run_content(folder: Path, *, allow_code: bool) -> dict[str, Any]:
    """What the template `run.html.j2` shows.

    Args:
        folder: A run of `sondo distill` or `sondo train`.
        allow_code: Import the module that the student's folder names.

    Raises:
        SondoError: No such run, or one in which training has not begun.
    """
    notes = read_notes(folder)
    bank = Bank(notes.bank_path) if Bank.exists(notes.bank_path) else None
    if bank is None:
        say(f"the bank of {notes.folder}, {notes.bank_path}, is not there: the report says nothing of its clips")
    closeness = measure_closeness(notes, bank, allow_code=allow_code) if bank is not None and notes.student else None
    tasks = {name: task for name, task in notes.summary.get("tasks", {}).items() if task.get("teacher") is not None}
    first = str(notes.teachers[0]["teacher"]) if notes.teachers else "teacher"
    return {
        "notes": notes,
        "name": _name(notes),
        "pictures": {
            "scores": pictures.draw_scores(tasks, teacher=first) if tasks else None,
            "curves": pictures.draw_curves(notes.curves) if notes.curves else None,
            "cosines": pictures.draw_cosines(closeness.cosines) if closeness and closeness.cosines else None,
            "maps": _maps(closeness) if closeness else None,
        },
        "last_loss": notes.curves.get("train_loss", [])[-1:],
        "closeness": closeness,
        "by_label": _by_label(closeness) if closeness else [],
        "most_labels": _MOST_LABELS,
        "several_labels": closeness is not None and any(len(labels) > 1 for labels in closeness.labels),
        "num_neighbours": NUM_NEIGHBOURS,
        "log_mel_image": pictures.log_mel_image,
        "sound": _sound(bank) if bank is not None else None,
        "most_set_aside": _MOST_SET_ASIDE,
        "files": [notes.folder / file.name for file in notes.files],
        "settings": _settings(notes),
    }


def _name(notes: RunNotes) -> str:
    """`mobilenetv3 × 0.4`."""
    student = notes.training["student"]
    width = student.get("width_mult")
    return f"{student['name']}{f' × {width:g}' if width else ''}"


def _maps(closeness: Closeness) -> str | None:
    if len(closeness.names) < 3:
        return None
    titles = [", ".join([name, *labels]) for name, labels in zip(closeness.names, closeness.labels, strict=True)]
    maps = {} if closeness.teacher_map is None else {next(iter(closeness.cosines)): closeness.teacher_map}
    first = [labels[0] if labels else "" for labels in closeness.labels]  # a mark has one colour
    return pictures.draw_maps(maps | {"the student": closeness.student_map}, first, titles)


def _by_label(closeness: Closeness) -> list[dict[str, Any]]:
    """Mean cosine to the first teacher of the clips of each label, the lowest first; a clip counts in each of its."""
    values = next(iter(closeness.cosines.values()), None)
    if values is None or not any(closeness.labels):
        return []
    of_label: dict[str, list[float]] = {}
    for labels, value in zip(closeness.labels, values, strict=True):
        for label in labels or ("(no label)",):
            of_label.setdefault(label, []).append(float(value))
    rows = [
        {"label": label, "clips": len(found), "mean": statistics.fmean(found), "lowest": min(found)}
        for label, found in of_label.items()
    ]
    return sorted(rows, key=lambda row: row["mean"])


def _sound(bank: Bank) -> Sound:
    table = bank.read(["duration_s", "split", "labels"])
    seconds = table.column("duration_s").to_numpy()
    splits = Counter(split for split in table.column("split").to_pylist() if split)
    labels = Counter(label for labels in table.column("labels").to_pylist() for label in labels or ())
    return Sound(
        clips=len(bank),
        sources=len(bank.files),
        hours=float(seconds.sum()) / 3600,
        splits=dict(splits),
        labels=dict(labels.most_common()),
        durations=pictures.draw_durations(seconds) if _differ(seconds) else None,
        set_aside=bank.rejected(),
    )


def _differ(seconds: NDArray[np.float64]) -> bool:
    """Whether more than a few clips have another length than the others."""
    low, high = np.quantile(seconds, (0.05, 0.95)) if len(seconds) else (0.0, 0.0)
    return bool(high - low > 0.01 * high)


def _settings(notes: RunNotes) -> dict[str, Any]:
    """Settings by their dotted names: of the whole run, or of the training alone."""
    return flatten(dict(notes.recipe or {name: notes.training[name] for name in ("student", "train", "augment")}))
