"""The vote of the neighbours against scikit-learn's, and the labels that nobody judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, normalize

from sondo.evaluate.knn import knn_score
from sondo.evaluate.task import Task


def make_task(labels, splits, **columns):
    paths = tuple(Path(f"{number}.wav") for number in range(len(labels)))
    metric = "map" if isinstance(labels[0], tuple) else "accuracy"
    return Task(name="t", paths=paths, labels=tuple(labels), splits=tuple(splits), metric=metric, **columns)


def test_it_is_the_weighted_vote_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    vectors = (rng.normal(size=(200, 8)) + 1.5 * np.eye(4, 8)[labels]) * np.arange(1, 9) + 3
    task = make_task([f"c{label}" for label in labels], ["train"] * 140 + ["test"] * 60)
    standard = normalize(StandardScaler().fit(vectors[:140]).transform(vectors))
    model = KNeighborsClassifier(10, metric="cosine", weights=lambda distance: np.maximum(1 - distance, 0))
    expected = model.fit(standard[:140], labels[:140]).score(standard[140:], labels[140:])
    score, interval = knn_score(task, vectors)
    assert score == pytest.approx(expected)
    assert interval.low < score < interval.high
    assert 0.5 < score < 1


def test_a_neighbour_that_nobody_judged_has_no_vote():
    rng = np.random.default_rng(0)
    here, there = np.array([4.0, 0.0, 1.0]), np.array([0.0, 4.0, 1.0])
    vectors = np.concatenate([place + 0.1 * rng.normal(size=(11, 3)) for place in (here, there)])
    # Near the first place one clip was judged, and has the label; near the second half of all judged clips have it.
    labels = [("a",)] + [()] * 9 + [("a",)] + [("a",)] * 5 + [()] * 5 + [()]
    judged = [("a",)] + [()] * 9 + [("a",)] + [("a",)] * 11
    splits = (["train"] * 10 + ["test"]) * 2
    assert knn_score(make_task(labels, splits, judged=tuple(judged)), vectors)[0] == 1.0
    assert knn_score(make_task(labels, splits), vectors)[0] == 0.5


def test_folds_give_an_interval_over_folds():
    rng = np.random.default_rng(1)
    labels = np.arange(120) % 3
    vectors = rng.normal(size=(120, 5)) + 2 * np.eye(3, 5)[labels]
    task = replace(make_task([f"c{label}" for label in labels], ["train"] * 120), splits=None,
                   folds=tuple((np.arange(120) // 3 % 4).tolist()))  # fmt: skip
    score, (low, high) = knn_score(task, vectors)
    assert 0.6 < score < 1
    assert (low + high) / 2 == pytest.approx(score)
