"""Scores of embeddings on a task, and what a student keeps of its teacher's."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.evaluate.intervals import (
    Floats,
    Interval,
    bootstrap_interval,
    bootstrap_weights,
    fold_interval,
    fold_ratio_interval,
    share_interval,
    widened,
)
from sondo.evaluate.metrics import metric_value, resampled_values
from sondo.evaluate.probe import GRID, Index, fit_probe
from sondo.evaluate.splits import Partition, partitions
from sondo.evaluate.task import Metric, Task
from sondo.screen import Line, say, track

_NO_WIDTH = 1e-9  # what rounding leaves of folds of one accuracy


@dataclass(frozen=True, eq=False)
class TestPart:
    """What the probe said about one test part: `clips` (n,) of the task, `decision` (n, classes)."""

    clips: Index
    decision: Floats

    __test__ = False  # the name is no test for pytest


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbeResult:
    """The score of one model on one task.

    Attributes:
        metric: ``"accuracy"`` or ``"map"``.
        score: Mean over folds, or the value on the test split, in [0, 1].
        ci95: 95 % interval of it, as `score_interval` has it.
        per_fold: Value of each fold; one value where there is one split.
        chosen_c: The inverse regularisation that was chosen for each fold.
        interval: What its spread is that of, ``"folds"`` or ``"bootstrap"``.
        per_seed: The score of probes that were fitted on training clips drawn anew; the intervals are the wider for it.
        parts: Decisions on each test part, for confusion matrices and paired comparisons.
    """

    metric: Metric
    score: float
    ci95: Interval
    per_fold: tuple[float, ...]
    chosen_c: tuple[float, ...]
    interval: str
    parts: tuple[TestPart, ...] = field(repr=False)
    per_seed: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON takes them, without the decisions."""
        return {
            "metric": self.metric,
            "score": self.score,
            "ci95": list(self.ci95),
            "per_fold": list(self.per_fold),
            "chosen_c": list(self.chosen_c),
            "interval": self.interval,
            **({"per_seed": list(self.per_seed)} if self.per_seed else {}),
        }


@dataclass(frozen=True, kw_only=True)
class TaskComparison:
    """Student beside teacher on one task; scores are in [0, 1], retention is student / teacher.

    Attributes:
        chance: The score of whoever answers the same for every clip, as `chance_level` has it.
    """

    task: str
    metric: Metric
    teacher: float
    student: float
    ci95_teacher: Interval
    ci95_student: Interval
    retention: float
    ci95_retention: Interval
    chance: float

    @property
    def is_at_chance(self) -> bool:
        """Whether the teacher cannot be told from chance, so that the retention says nothing."""
        return self.ci95_teacher.low <= self.chance

    def told(self, teacher: str = "the teacher") -> TaskComparison:
        """The same; where the retention says nothing, the user is told so.

        Args:
            teacher: Its name.
        """
        if self.is_at_chance:
            say(
                f"{self.task}: {teacher} scores {100 * self.teacher:.1f} ({100 * self.ci95_teacher.low:.1f} to "
                f"{100 * self.ci95_teacher.high:.1f}), which cannot be told from {100 * self.chance:.1f}, the score of "
                "one answer for every clip: the share of it that a student keeps says nothing"
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """The entry of ``summary.json`` for this task."""
        return {
            "metric": self.metric,
            "teacher": self.teacher,
            "student": self.student,
            "ci95_teacher": list(self.ci95_teacher),
            "ci95_student": list(self.ci95_student),
            "retention": self.retention,
            "ci95_retention": list(self.ci95_retention),
            "chance": self.chance,
            "at_chance": self.is_at_chance,
        }


def evaluate_vectors(
    task: Task, vectors: NDArray[np.floating], *, grid: Sequence[float] = GRID, seeds: int = 0
) -> ProbeResult:
    """Probe the embeddings of a task's clips on its folds or its test split.

    The probe has no chance in it: the same vectors give the same score. What a `seed` changes is the draw of the
    training clips.

    Args:
        task: The task.
        vectors: One embedding per clip, in the order of ``task.paths``.
        grid: Values of C to choose from, rising.
        seeds: Probes that are fitted besides, on training clips drawn anew with replacement; 0, or 2 and more.

    Shape:
        vectors: (clips, embedding_dim).

    Raises:
        SondoError: The number of vectors is not that of the clips, or a vector is not finite.
    """
    assert seeds != 1, "one seed has no spread"
    vectors = _checked(task, vectors)
    divided = partitions(task)
    with track(f"{task.name}: probe", total=len(divided) * len(grid), unit="fits") as line:
        probed = [
            _probe_part(task, vectors, part, number=number, grid=grid, seeds=seeds, line=line)
            for number, part in enumerate(divided)
        ]
    targets, parts = task.targets(), [part for part, _, _ in probed]
    values = [metric_value(part.decision, targets[part.clips], metric=task.metric) for part in parts]
    score = float(np.mean(values))
    per_seed = tuple(float(np.mean(of_seed)) for of_seed in zip(*(drawn for _, _, drawn in probed), strict=True))
    interval = score_interval(task, parts, values)
    return ProbeResult(
        metric=task.metric,
        score=score,
        ci95=widened(interval, score, per_seed),
        per_fold=tuple(values),
        chosen_c=tuple(chosen for _, chosen, _ in probed),
        interval="folds" if len(values) > 1 else "bootstrap",
        parts=tuple(parts),
        per_seed=per_seed,
    )


def _probe_part(
    task: Task,
    vectors: NDArray[np.floating],
    part: Partition,
    *,
    number: int,
    grid: Sequence[float],
    seeds: int,
    line: Line,
) -> tuple[TestPart, float, list[float]]:
    """What is said of a test part, the C that was chosen, and the metric of probes on training clips drawn anew."""
    targets, left = task.targets(), len(grid)

    def advance() -> None:
        nonlocal left
        left -= 1
        line.advance()

    fit = functools.partial(fit_probe, vectors, targets, num_classes=len(task.classes), metric=task.metric)
    probe = fit(train=part.train, inner=part.inner, grid=grid, advance=advance)
    line.advance(left)  # weaker penalties are not tried once they have stopped to help
    found = TestPart(part.test, probe.decision(vectors[part.test]))
    drawn = []
    for seed in range(seeds):
        train = _drawn_anew(task, part.train, seed=(seed, number))
        other = fit(train=train, inner=(), grid=(probe.inverse_regularisation,))
        drawn.append(metric_value(other.decision(vectors[part.test]), targets[part.test], metric=task.metric))
    return found, probe.inverse_regularisation, drawn


def score_interval(task: Task, parts: Sequence[TestPart], values: Sequence[float]) -> Interval:
    """95 % interval of the mean of a metric over test parts: over folds, or by bootstrap over the clips of one split.

    Folds of one accuracy, and clips that are all right, have no spread to estimate it from, and are no certainty: the
    interval is then Wilson's for as many clips, or groups of them.

    Args:
        task: The task.
        parts: What was said of each test part.
        values: The metric on each.
    """
    score = float(np.mean(values))
    interval = fold_interval(values) if len(values) > 1 else bootstrap_interval(_resampled(task, parts[0]), score)
    if task.metric != "accuracy" or interval.high - interval.low > _NO_WIDTH:
        return interval
    clips = np.concatenate([part.clips for part in parts])
    return share_interval(score, len(clips) if task.groups is None else len({task.groups[clip] for clip in clips}))


def _checked(task: Task, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    vectors = np.asarray(vectors)
    if vectors.dtype not in (np.float32, np.float64):
        vectors = vectors.astype(np.float64)
    if vectors.ndim != 2 or len(vectors) != len(task):
        raise SondoError(f"Task {task.name!r} has {len(task)} clips, but the vectors have the shape {vectors.shape}.")
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise SondoError(
            f"Task {task.name!r}: {len(broken)} vectors hold NaN or infinity, first that of {task.paths[broken[0]]}."
        )
    return vectors


def _drawn_anew(task: Task, train: Index, *, seed: tuple[int, int]) -> Index:
    """As many training clips, with replacement; those of a group together."""
    groups = None if task.groups is None else [task.groups[clip] for clip in train]
    times = bootstrap_weights(len(train), groups=groups, num_resamples=1, seed=seed)[0]
    return np.repeat(train, times.astype(np.int64))


def compare(task: Task, teacher_vectors: NDArray[np.floating], student_vectors: NDArray[np.floating]) -> TaskComparison:
    """Probe teacher and student on the same clips and folds.

    Shape:
        teacher_vectors: (clips, teacher_dim). student_vectors: (clips, student_dim).
    """
    return compare_results(task, evaluate_vectors(task, teacher_vectors), evaluate_vectors(task, student_vectors))


def compare_results(task: Task, teacher: ProbeResult, student: ProbeResult) -> TaskComparison:
    """Put two results on the same task side by side, with a paired interval of the retention.

    Raises:
        SondoError: The teacher scores 0, so that there is nothing to retain.
    """
    assert len(teacher.per_fold) == len(student.per_fold), "two results on one task"
    if teacher.score <= 0:
        raise SondoError(f"Task {task.name!r}: the teacher scores 0, so that the retention is not defined.")
    retention = student.score / teacher.score
    if teacher.interval == "folds":
        interval = fold_ratio_interval(teacher.per_fold, student.per_fold)
    else:
        of_teacher, of_student = _resampled(task, teacher.parts[0]), _resampled(task, student.parts[0])
        drawn = of_teacher > 0
        interval = bootstrap_interval(of_student[drawn] / of_teacher[drawn], retention, highest=math.inf)
    if _has_no_spread(teacher) and _has_no_spread(student):  # to estimate it from, and no certainty either
        theirs, ours = (score_interval(task, result.parts, result.per_fold) for result in (teacher, student))
        interval = Interval(ours.low / theirs.high, ours.high / theirs.low)
    ratios = [ours / theirs for theirs, ours in zip(teacher.per_seed, student.per_seed, strict=True) if theirs > 0]
    return TaskComparison(
        task=task.name,
        metric=task.metric,
        teacher=teacher.score,
        student=student.score,
        ci95_teacher=teacher.ci95,
        ci95_student=student.ci95,
        retention=retention,
        ci95_retention=widened(interval, retention, ratios),
        chance=chance_level(task, teacher.parts),
    )


def _has_no_spread(result: ProbeResult) -> bool:
    """Whether all folds have one score, or all clips of one split are right."""
    if result.interval == "folds":
        return max(result.per_fold) - min(result.per_fold) < _NO_WIDTH
    return result.score == 1.0


def chance_level(task: Task, parts: Sequence[TestPart]) -> float:
    """What one answer for every clip scores: accuracy of the commonest class, or mean share of clips that have a class.

    Args:
        task: The task.
        parts: Its test parts; what was said of them plays no part.
    """
    targets = task.targets()
    return float(np.mean([_same_for_all(targets[part.clips], task) for part in parts]))


def _same_for_all(targets: NDArray[np.int64], task: Task) -> float:
    shares = (
        np.bincount(targets, minlength=len(task.classes)) if task.metric == "accuracy" else np.zeros(targets.shape[1])
    )
    return metric_value(np.tile(shares.astype(np.float64), (len(targets), 1)), targets, metric=task.metric)


def _resampled(task: Task, part: TestPart) -> Floats:
    """The metric on each resample of the test clips; the resamples are the same for every model."""
    groups = None if task.groups is None else [task.groups[clip] for clip in part.clips]
    weights = bootstrap_weights(len(part.clips), groups=groups)
    return resampled_values(part.decision, task.targets()[part.clips], weights, metric=task.metric)
