"""Thresholds and counts from held-out predictions, by hand and against scikit-learn."""

from pathlib import Path

import numpy as np
import pytest

from sondo.classifier.held_out import best_thresholds, class_table, confusion_matrix, surest_mistakes
from sondo.evaluate import Task


def test_the_threshold_of_the_highest_f1():
    scores = np.array([[0.9], [0.8], [0.6], [0.4], [0.1]])
    # F1 of the first n: 2/3, 4/4 with both positives found, then 4/5 and less: between 0.8 and 0.6
    assert best_thresholds(scores, np.array([[1], [1], [0], [0], [0]])) == pytest.approx([0.7])
    assert best_thresholds(scores, np.array([[0], [0], [0], [0], [0]])) == pytest.approx([0.5])
    assert best_thresholds(scores, np.array([[1], [1], [1], [1], [1]])) == pytest.approx([0.05])


def test_equal_probabilities_are_not_parted():
    assert best_thresholds(np.array([[0.8], [0.8], [0.2]]), np.array([[1], [0], [0]])) == pytest.approx([0.5])


def test_no_threshold_is_better():
    metrics = pytest.importorskip("sklearn.metrics", reason="needs the extra train")
    random = np.random.default_rng(0)
    targets = (random.uniform(size=(60, 3)) < 0.3).astype(np.int64)
    scores = np.clip(0.3 * targets + 0.7 * random.uniform(size=(60, 3)), 0, 1).round(2)
    found = best_thresholds(scores, targets)
    for column in range(3):
        f1 = metrics.f1_score(targets[:, column], scores[:, column] >= found[column])
        every = [metrics.f1_score(targets[:, column], scores[:, column] >= level) for level in np.linspace(0, 1, 101)]
        assert f1 >= max(every) - 1e-12


def task(labels):
    return Task(
        name="t",
        paths=tuple(Path(f"{number}.wav") for number in range(len(labels))),
        labels=tuple(labels),
        metric="accuracy" if isinstance(labels[0], str) else "map",
        folds=tuple(number % 2 for number in range(len(labels))),
    )


def test_rows_are_true_classes_and_clips_may_come_in_any_order():
    three = task(["a", "b", "c", "a"])
    said = np.array([[0.1, 0.8, 0.1], [0.9, 0.1, 0.0], [0.2, 0.1, 0.7], [0.5, 0.3, 0.2]])
    clips = np.array([3, 0, 2, 1])
    assert confusion_matrix(three, clips, said).tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 1]]
    rows = {row["label"]: row for row in class_table(three, clips, said, None)}
    assert (rows["a"]["clips"], rows["a"]["found"], rows["a"]["false_alarms"]) == (2, 1, 1)
    assert (rows["a"]["precision"], rows["a"]["recall"], rows["a"]["f1"]) == (0.5, 0.5, 0.5)
    assert (rows["b"]["found"], rows["b"]["f1"]) == (0, 0.0)
    assert rows["c"]["f1"] == 1.0


def test_several_labels_count_by_their_thresholds():
    both = task([("a", "b"), ("a",), ("b",)])
    said = np.array([[0.6, 0.2], [0.4, 0.3], [0.1, 0.9]])
    rows = class_table(both, np.arange(3), said, np.array([0.3, 0.25]))
    assert [(row["found"], row["false_alarms"], row["threshold"]) for row in rows] == [(2, 0, 0.3), (1, 1, 0.25)]


def test_the_surest_mistake_comes_first():
    three = task(["a", "b", "c", "a"])
    said = np.array([[0.4, 0.5, 0.1], [0.9, 0.1, 0.0], [0.2, 0.1, 0.7], [0.1, 0.1, 0.8]])
    found = surest_mistakes(three, np.array([3, 0, 2, 1]), said, None)
    assert found == [
        {"path": "1.wav", "label": "b", "told": "c", "probability": 0.8},
        {"path": "3.wav", "label": "a", "told": "b", "probability": 0.5},
    ]


def test_of_several_labels_the_surest_answer_that_is_none_of_them_comes_first():
    both = task([("a", "b"), ("a",), (), ("a", "b")])
    said = np.array([[0.1, 0.9], [0.4, 0.7], [0.8, 0.2], [0.9, 0.9]])
    found = surest_mistakes(both, np.array([0, 1, 2, 3]), said, np.array([0.3, 0.25]))
    assert found == [
        {"path": "2.wav", "label": "none", "told": "a", "probability": 0.8},
        {"path": "1.wav", "label": "a", "told": "b", "probability": 0.7},
    ]
    assert surest_mistakes(both, np.array([1]), said[1:2], np.array([0.3, 0.75])) == []
