"""What held-out predictions tell: which classes are taken for which, and from which probability on each counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.classifier.head import Floats
from sondo.evaluate import Task

_MOST_MISTAKES = 20


def confusion_matrix(task: Task, clips: NDArray[np.int64], probabilities: Floats) -> NDArray[np.int64]:
    """Clips by class (rows) and predicted class (columns), for tasks with one label.

    Shape:
        clips (n,), probabilities (n, classes) -> (classes, classes).
    """
    counts = np.zeros((len(task.classes), len(task.classes)), dtype=np.int64)
    np.add.at(counts, (task.targets()[clips], probabilities.argmax(axis=1)), 1)
    return counts


def surest_mistakes(
    task: Task, clips: NDArray[np.int64], probabilities: Floats, thresholds: Floats | None
) -> list[dict[str, Any]]:
    """Clips that were taken for a class that they are not labelled with, the surest answer first.

    Among them are wrong labels, and with several labels of a clip those that were forgotten.

    Args:
        task: The task.
        clips: (n,) which of its clips were asked about.
        probabilities: (n, classes) what was said of them.
        thresholds: For several labels, (classes,); None where the most probable class is the answer.

    Returns:
        Of at most 20 answers `path`, `label` (all of the clip's, joined by `;`, or `none`), `told` and `probability`.
    """
    targets = task.targets()[clips]
    if thresholds is None:
        told = probabilities.argmax(axis=1)
        rows = np.flatnonzero(told != targets)
        columns = told[rows]
    else:
        rows, columns = np.nonzero((targets == 0) & (probabilities >= thresholds))  # what nobody judged is no mistake
    surest = np.argsort(-probabilities[rows, columns], kind="stable")[:_MOST_MISTAKES]
    return [
        {
            "path": str(task.paths[clips[row]]),
            "label": ";".join(task.label_sets[clips[row]]) or "none",
            "told": task.classes[column],
            "probability": float(probabilities[row, column]),
        }
        for row, column in zip(rows[surest], columns[surest], strict=True)
    ]


def best_thresholds(probabilities: Floats, targets: NDArray[np.int64]) -> Floats:
    """For each class the threshold of the highest F1; of equal ones the highest.

    Between the two probabilities that it separates, it is their middle. A class without a positive clip gets 0.5.

    Shape:
        probabilities, targets: (clips, classes) -> (classes,).
    """
    thresholds = np.full(probabilities.shape[1], 0.5)
    for column, (scores, positive) in enumerate(zip(probabilities.T, targets.T, strict=True)):
        if not positive.any():
            continue
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        found = np.cumsum(positive[order])
        f1 = 2 * found / (np.arange(1, len(ranked) + 1) + positive.sum())
        f1[:-1][ranked[:-1] == ranked[1:]] = -1.0  # equal probabilities cannot be told apart
        best = int(np.argmax(f1))
        below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
        thresholds[column] = (ranked[best] + below) / 2
    return thresholds


def class_table(
    task: Task, clips: NDArray[np.int64], probabilities: Floats, thresholds: Floats | None
) -> list[dict[str, Any]]:
    """For each class its clips, how many were found, how many others were taken for it, and what follows from these.

    Args:
        task: The task.
        clips: (n,) which of its clips were asked about.
        probabilities: (n, classes) what was said of them.
        thresholds: For several labels, (classes,); None where the most probable class is the answer.

    Returns:
        For each class `label`, `clips`, `found`, `false_alarms`, `precision`, `recall`, `f1`, and with several labels
        `threshold`.
    """
    targets = task.targets()[clips]
    every = np.arange(len(task.classes))
    truth = targets.astype(bool) if thresholds is not None else targets[:, None] == every
    answer = probabilities >= thresholds if thresholds is not None else probabilities.argmax(axis=1)[:, None] == every
    rows = []
    for column, label in enumerate(task.classes):
        there = int(truth[:, column].sum())
        found = int((truth & answer)[:, column].sum())
        false_alarms = int((~truth & answer)[:, column].sum())
        row = {
            "label": label,
            "clips": there,
            "found": found,
            "false_alarms": false_alarms,
            "precision": found / max(found + false_alarms, 1),
            "recall": found / max(there, 1),
            "f1": 2 * found / max(found + false_alarms + there, 1),
        }
        rows.append(row if thresholds is None else row | {"threshold": float(thresholds[column])})
    return rows
