"""Accuracy and mean average precision, with weights per clip so that one pass serves all resamples of a bootstrap.

A clip that nobody judged for a class (target -1) counts neither for nor against that class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sondo.evaluate.task import Metric

Floats = NDArray[np.float64]
_WEIGHTS_PER_STEP = 4_000_000


def metric_value(decision: Floats, targets: NDArray[np.int64], *, metric: Metric) -> float:
    """The metric of one test part, in [0, 1].

    Shape:
        decision: (clips, classes), higher is more likely. targets: (clips,) for accuracy; (clips, classes) of 1, 0 and
        -1 (not judged) for map.
    """
    return float(resampled_values(decision, targets, np.ones((1, len(decision))), metric=metric)[0])


def resampled_values(decision: Floats, targets: NDArray[np.int64], weights: Floats, *, metric: Metric) -> Floats:
    """The metric once per row of `weights`, the number of times that each clip counts.

    Shape:
        decision: (clips, classes). weights: (resamples, clips). Output: (resamples,).
    """
    if metric == "accuracy":
        correct = (decision.argmax(axis=1) == targets).astype(np.float64)
        return np.asarray(weights @ correct / weights.sum(axis=1))
    return mean_average_precision(decision, targets, weights)


def mean_average_precision(decision: Floats, targets: NDArray[np.int64], weights: Floats) -> Floats:
    """Mean over classes of the average precision; a class without a positive clip is left out.

    Average precision is the sum over thresholds of precision times the gain in recall, with no interpolation; clips
    with equal scores are one threshold.

    Shape:
        decision, targets: (clips, classes). weights: (resamples, clips). Output: (resamples,).
    """
    step = max(1, _WEIGHTS_PER_STEP // max(1, weights.shape[1]))
    blocks = [_mean_of_classes(decision, targets, weights[i : i + step]) for i in range(0, len(weights), step)]
    return np.concatenate(blocks)


def _mean_of_classes(decision: Floats, targets: NDArray[np.int64], weights: Floats) -> Floats:
    total = np.zeros(len(weights))
    counted = np.zeros(len(weights))
    for scores, target in zip(decision.T, targets.T, strict=True):
        judged = np.flatnonzero(target >= 0)
        if not len(judged):
            continue
        order = judged[np.argsort(-scores[judged], kind="stable")]
        ranked = scores[order]
        last_of_equals = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        weight = weights[:, order]
        true_positives = np.cumsum(weight * target[order], axis=1)[:, last_of_equals]
        retrieved = np.cumsum(weight, axis=1)[:, last_of_equals]
        num_positive = true_positives[:, -1]
        precision = true_positives / np.maximum(retrieved, 1e-12)
        gained = np.diff(true_positives, axis=1, prepend=0.0)
        present = num_positive > 0
        average = (precision * gained).sum(axis=1) / np.where(present, num_positive, 1.0)
        total += np.where(present, average, 0.0)
        counted += present
    return np.asarray(total / np.maximum(counted, 1))
