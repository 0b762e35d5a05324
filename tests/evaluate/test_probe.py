"""The linear probe: what it is fitted on, and that the test part cannot reach it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sondo.evaluate.probe import GRID, fit_probe


def blobs(num_clips=90, dim=6, classes=3, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.arange(num_clips) % classes
    return rng.normal(size=(classes, dim))[targets] * 2 + spread * rng.normal(size=(num_clips, dim)), targets


@pytest.mark.parametrize("dim", [6, 200])
@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_standardised_logistic_regression(dim, classes):
    vectors, targets = blobs(dim=dim, classes=classes)
    index = np.arange(90)
    probe = fit_probe(
        vectors, targets, train=index[:60], inner=[], num_classes=classes, metric="accuracy", grid=(0.01,)
    )
    scaler = StandardScaler().fit(vectors[:60])
    model = LogisticRegression(C=0.01, tol=1e-8, max_iter=2000).fit(scaler.transform(vectors[:60]), targets[:60])
    expected = model.predict_proba(scaler.transform(vectors[60:]))
    decision = probe.decision(vectors[60:])
    odds = np.exp(decision - decision.max(axis=1, keepdims=True))
    assert odds / odds.sum(axis=1, keepdims=True) == pytest.approx(expected, abs=2e-3)


def test_the_test_part_changes_neither_the_choice_nor_the_probe():
    vectors, targets = blobs(spread=3.0, dim=40)
    train = np.arange(60)
    inner = [(train[20:], train[:20]), (train[:40], train[40:])]
    settings = {"train": train, "inner": inner, "num_classes": 3, "metric": "accuracy"}
    first = fit_probe(vectors, targets, **settings)
    other_vectors, other_targets = vectors.copy(), targets.copy()
    other_targets[60:] = np.random.default_rng(5).permutation(targets[60:])
    other_vectors[60:] = 1e6
    second = fit_probe(other_vectors, other_targets, **settings)
    assert first.inverse_regularisation == second.inverse_regularisation
    for name in ("mean", "scale", "weight", "bias"):
        assert (getattr(first, name) == getattr(second, name)).all()


def test_the_inner_parts_choose():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(120, 80))
    targets = (vectors[:, 0] + 1.5 * rng.normal(size=120) > 0).astype(np.int64)
    index = np.arange(120)
    inner = [(index[index % 5 != k], index[index % 5 == k]) for k in range(5)]
    noisy = fit_probe(vectors, targets, train=index, inner=inner, num_classes=2, metric="accuracy")
    assert noisy.inverse_regularisation in GRID
    assert noisy.inverse_regularisation <= 0.1
    tie = fit_probe(*blobs(spread=0.01), train=index[:90], inner=[(index[:60], index[60:90])], num_classes=3,
                    metric="accuracy")  # fmt: skip
    assert tie.inverse_regularisation == GRID[0]


def test_several_labels_and_classes_that_training_lacks():
    vectors, targets = blobs(spread=0.3)
    several = np.stack([targets == 0, targets != 2, np.zeros(90, bool), np.ones(90, bool)], axis=1).astype(np.int64)
    index = np.arange(90)
    probe = fit_probe(
        vectors, several, train=index[:60], inner=[(index[:40], index[40:60])], num_classes=4, metric="map", grid=(1.0,)
    )
    decision = probe.decision(vectors[60:])
    assert ((decision[:, :2] > 0) == several[60:, :2]).mean() > 0.95
    assert (decision[:, 2] == -np.inf).all()
    single = fit_probe(vectors, targets, train=np.flatnonzero(targets < 2), inner=[], num_classes=3, metric="accuracy",
                       grid=(1.0,))  # fmt: skip
    assert set(single.decision(vectors).argmax(axis=1)) == {0, 1}
