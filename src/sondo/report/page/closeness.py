"""A student beside its teachers on clips of its bank: where they agree, where they do not, and who is near whom."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.bank import Bank
from sondo.distill.alignment import cosines, embed_rows, rows_to_compare, with_direction
from sondo.distill.cluster import bank_vectors
from sondo.distill.cluster_picture import project
from sondo.evaluate.probe import moments
from sondo.report.page.notes import RunNotes
from sondo.screen import say
from sondo.students import load, load_projectors

NUM_NEIGHBOURS = 10
NUM_FARTHEST = 8
_LEAST_CLIPS = NUM_NEIGHBOURS + 2


@dataclass(frozen=True, kw_only=True)
class FarClip:
    """A clip that student and teacher hear differently.

    Args:
        name: Its file and, of a long file, its beginning.
        label: Its labels, or nothing.
        cosine: Of the student's mapped vector to the teacher's.
        nearest_to_teacher: The clip that the teacher finds most like it.
        nearest_to_student: The clip that the student finds most like it.
        log_mel: (mels, frames).
    """

    name: str
    label: str
    cosine: float
    nearest_to_teacher: str
    nearest_to_student: str
    log_mel: NDArray[np.float16]


@dataclass(frozen=True, kw_only=True)
class Closeness:
    """What a sample of the bank shows.

    Args:
        on: `held-out clips` or `training clips`.
        names: Name of each clip.
        labels: All labels of each clip.
        cosines: By teacher, (clips,) cosine of each clip; empty where labels alone were learned.
        same_neighbours: Share of each clip's nearest ten by the first teacher that are among the student's, on average;
            None for a few clips, or without a teacher.
        by_chance: What that share would be for neighbours at random.
        student_map: (clips, 2): the student's vectors laid out in the plane.
        teacher_map: The same of the first teacher; None without one.
        farthest: The clips of the lowest cosine to the first teacher, the lowest first.
    """

    on: str
    names: Sequence[str]
    labels: Sequence[Sequence[str]]
    cosines: dict[str, NDArray[np.float32]]
    same_neighbours: float | None
    by_chance: float
    student_map: NDArray[np.float32]
    teacher_map: NDArray[np.float32] | None
    farthest: Sequence[FarClip]


def measure_closeness(notes: RunNotes, bank: Bank, *, allow_code: bool = False) -> Closeness:
    """Hear a sample of the bank's clips with the student, and set it beside what the teachers said.

    The clips are those of the run's own `alignment`, but for those to which another teacher gave a zero vector.
    Neighbours and maps are of vectors whose values have been standardised over these clips, as the probe does.

    Args:
        notes: The run.
        bank: Its bank.
        allow_code: Import the module that the student's folder names, for a student that is a function of your own.

    Raises:
        SondoError: No student that can be read.
    """
    folder = notes.folder / "student"
    student = load(folder, allow_code=allow_code)
    lacking = [str(teacher["teacher"]) for teacher in notes.teachers if bank.num_missing(str(teacher["column"]))]
    if lacking:
        say(f"{bank.path} has grown, and clips lack a vector of {', '.join(lacking)}: the report leaves that out")
    taught = [
        (str(teacher["column"]), projector)
        for teacher, projector in zip(notes.teachers, load_projectors(folder), strict=True)
        if bank.num_missing(str(teacher["column"])) == 0  # a bank that has grown since lacks some
    ]
    rows, on = rows_to_compare(bank)
    rows = with_direction(bank, [column for column, _ in taught], rows)
    vectors = embed_rows(bank, rows, student)
    clips = bank.take(rows, ["uri", "offset_s", "labels"]).to_pylist()
    names = _names([clip["uri"] for clip in clips], [clip["offset_s"] for clip in clips])
    labels = [tuple(clip["labels"] or ()) for clip in clips]
    targets = [bank_vectors(bank, column, rows) for column, _ in taught]
    close = {
        column.removeprefix("teacher."): cosines(vectors, target, projector)
        for (column, projector), target in zip(taught, targets, strict=True)
    }
    nearest = _nearest(vectors)
    theirs = _nearest(targets[0]) if targets else None
    farthest: list[FarClip] = []
    if theirs is not None and len(rows) > 1:
        farthest = _farthest(bank, rows, names, labels, next(iter(close.values())), theirs=theirs, own=nearest)
    return Closeness(
        on=on,
        names=names,
        labels=labels,
        cosines=close,
        same_neighbours=None if theirs is None or len(rows) < _LEAST_CLIPS else same_neighbours(theirs, nearest),
        by_chance=NUM_NEIGHBOURS / max(len(rows) - 1, 1),
        student_map=project(_standardised(vectors), "tsne"),
        teacher_map=project(_standardised(targets[0]), "tsne") if targets else None,
        farthest=farthest,
    )


def _farthest(
    bank: Bank,
    rows: NDArray[np.int64],
    names: Sequence[str],
    labels: Sequence[Sequence[str]],
    close: NDArray[np.float32],
    *,
    theirs: NDArray[np.int64],
    own: NDArray[np.int64],
) -> list[FarClip]:
    """The clips of the lowest cosine; `theirs` and `own` are the nearest clips by the teacher and by the student."""
    far = np.argsort(close, kind="stable")[:NUM_FARTHEST]
    return [
        FarClip(
            name=names[clip],
            label=", ".join(labels[clip]),
            cosine=float(close[clip]),
            nearest_to_teacher=names[theirs[clip, 0]],
            nearest_to_student=names[own[clip, 0]],
            log_mel=log_mel,
        )
        for clip, log_mel in zip(far, bank.log_mels(rows[far]), strict=True)
    ]


def same_neighbours(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Mean share of each row of `first`, (clips, neighbours), that stands in the same row of `second`."""
    shared = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(first, second, strict=True)]
    return float(np.mean(shared))


def _nearest(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest clips of each by cosine of standardised vectors, the nearest first; (clips, at most ten)."""
    values = _standardised(vectors)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    likeness = values @ values.T
    np.fill_diagonal(likeness, -np.inf)
    most = min(NUM_NEIGHBOURS, max(len(values) - 1, 0))
    return np.argsort(-likeness, axis=1, kind="stable")[:, :most]


def _standardised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    mean, scale = moments(vectors, np.arange(len(vectors)))
    return np.asarray((vectors - mean) / scale, dtype=np.float32)


def _names(addresses: Sequence[str], offsets_s: Sequence[float]) -> list[str]:
    """Files as they lie below the folder that all have in common, and where in a long one a clip begins."""
    above = os.path.commonpath([str(Path(address).parent) for address in addresses])
    return [
        f"{os.path.relpath(address, above)}{f' at {offset:g} s' if offset else ''}"
        for address, offset in zip(addresses, offsets_s, strict=True)
    ]
