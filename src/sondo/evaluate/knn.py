"""Nearest neighbours beside the probe: what the space says by its distances, with nothing fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.evaluate.intervals import Interval
from sondo.evaluate.metrics import metric_value
from sondo.evaluate.probe import moments
from sondo.evaluate.score import TestPart, score_interval
from sondo.evaluate.splits import partitions
from sondo.evaluate.task import Task

NUM_NEIGHBOURS = 10
_ROWS_PER_STEP = 512


def knn_score(task: Task, vectors: NDArray[np.floating[Any]]) -> tuple[float, Interval]:
    """Score of the vote of the nearest training clips by cosine, on the same folds or test split as the probe.

    Vectors are standardised on the training part. A neighbour's vote weighs as much as its similarity, where that is
    positive; a neighbour that nobody judged for a class has none.

    Args:
        task: The task.
        vectors: One embedding per clip, in the order of ``task.paths``.

    Shape:
        vectors: (clips, embedding_dim).

    Returns:
        The score, and its 95 % interval.
    """
    targets = task.targets()
    values, parts = [], []
    for part in partitions(task):
        decision = _votes(vectors, part.train, part.test, targets, num_classes=len(task.classes))
        values.append(metric_value(decision, targets[part.test], metric=task.metric))
        parts.append(TestPart(part.test, decision))
    return float(np.mean(values)), score_interval(task, parts, values)


def _votes(
    vectors: NDArray[np.floating[Any]],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    targets: NDArray[np.int64],
    *,
    num_classes: int,
) -> NDArray[np.float64]:
    """Share of the neighbours' votes for each class, (test clips, classes)."""
    mean, scale = (value.astype(vectors.dtype) for value in moments(vectors, train))
    known = _unit(vectors[train], mean, scale)
    labels = targets[train]
    if labels.ndim == 1:
        labels = np.eye(num_classes, dtype=np.int64)[labels]
    count = min(NUM_NEIGHBOURS, len(train))
    votes = np.zeros((len(test), num_classes))
    for first in range(0, len(test), _ROWS_PER_STEP):
        some = test[first : first + _ROWS_PER_STEP]
        similarity = _unit(vectors[some], mean, scale) @ known.T
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        weight = np.maximum(np.take_along_axis(similarity, nearest, axis=1), 0)[..., None]
        of_nearest = labels[nearest]
        judged = (weight * (of_nearest >= 0)).sum(axis=1)
        votes[first : first + len(some)] = (weight * (of_nearest == 1)).sum(axis=1) / np.maximum(judged, 1e-12)
    return votes


def _unit(
    vectors: NDArray[np.floating[Any]], mean: NDArray[np.floating[Any]], scale: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Standardise and scale to length one, in place: `vectors` is a copy, which may be large."""
    vectors -= mean
    vectors /= scale
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors
