"""What a fine-tuned classifier says of the parts that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.classifier.held_out import class_table, confusion_matrix, surest_mistakes
from sondo.classifier.picture import draw_if_can
from sondo.evaluate import Task
from sondo.evaluate.metrics import metric_value
from sondo.evaluate.score import TestPart, score_interval
from sondo.in_threads import in_order
from sondo.runtime import OnnxClassifier
from sondo.screen import track

PARTS = ("valid", "test")


def score_parts(task: Task, parts: Sequence[str], classifier: OnnxClassifier) -> dict[str, dict[str, Any]]:
    """The exported classifier's score on the whole files of each part, and of the last part each class's.

    Args:
        task: Clips with labels.
        parts: Part of each clip: `train`, `valid` or `test`.
        classifier: The file.

    Returns:
        By part `score` and `ci95`; of the last one, which is `test` where there is one,
        for `valid` chose the epoch, `by_class` and `mistakes` too, and with one label for each clip `confusion`.
    """
    there = [part for part in PARTS if part in parts]
    return {part: _score(task, parts, classifier, part, by_class=part == there[-1]) for part in there}


def _score(
    task: Task, parts: Sequence[str], classifier: OnnxClassifier, part: str, *, by_class: bool
) -> dict[str, Any]:
    clips = np.flatnonzero([of == part for of in parts])
    probabilities: list[NDArray[np.float32]] = []
    paths = [task.paths[clip] for clip in clips]
    with (
        track(f"classify {part}", total=len(clips)) as line,
        in_order(classifier.probabilities, paths, at_once=classifier.at_once) as outcomes,
    ):
        for outcome in outcomes:
            probabilities.append(outcome.result())
            line.advance()
    decision = np.stack(probabilities).astype(np.float64)
    targets = task.targets()[clips]
    score = metric_value(decision, targets, metric=task.metric)
    found: dict[str, Any] = {"score": score, "ci95": list(score_interval(task, [TestPart(clips, decision)], [score]))}
    if by_class:
        thresholds = np.array(classifier.thresholds) if classifier.multi_label else None
        found["by_class"] = class_table(task, clips, decision, thresholds)
        found["mistakes"] = surest_mistakes(task, clips, decision, thresholds)
    if by_class and not classifier.multi_label:
        found["confusion"] = confusion_matrix(task, clips, decision).tolist()
    return found


def draw_last(task: Task, scores: Mapping[str, Mapping[str, Any]], path: Path) -> dict[str, str]:
    """The confusion matrix of `score_parts` as a picture, where there is one: `picture`, or nothing."""
    for part, found in scores.items():
        if "confusion" in found:
            counts = np.array(found["confusion"])
            title = f"{task.name}: {counts.trace()} of {counts.sum()} clips of {part} right"
            return draw_if_can(counts, task.classes, path, title=title)
    return {}
