"""The solver against scikit-learn's, tightly, and what it minimises against a formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sondo.evaluate.probe import fit_path, fit_probe


def clips(num_clips=150, dim=20, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(num_clips, dim)) @ rng.normal(size=(dim, dim)) + 5
    logits = (vectors - 5) @ rng.normal(size=(dim, classes)) / 6 + 2 * rng.normal(size=(num_clips, classes))
    return vectors, logits


@pytest.mark.parametrize("value", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("dim", [20, 300])
def test_every_class_of_several_is_scikit_learns_regression(value, dim):
    vectors, logits = clips(dim=dim)
    targets = (logits > np.quantile(logits, [0.5, 0.7, 0.8, 0.9, 0.95], axis=0).diagonal()).astype(np.int64)
    index = np.arange(150)
    probe = fit_probe(vectors, targets, train=index[:120], inner=(), num_classes=5, metric="map", grid=(value,))
    scaler = StandardScaler().fit(vectors[:120])
    ours = expit(probe.decision(vectors[120:]))
    for column in range(5):
        model = LogisticRegression(C=value, tol=1e-8, max_iter=2000)
        model.fit(scaler.transform(vectors[:120]), targets[:120, column])
        assert ours[:, column] == pytest.approx(model.predict_proba(scaler.transform(vectors[120:]))[:, 1], abs=2e-3)


@pytest.mark.parametrize("value", [1e-3, 1.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_one_class_of_several_is_scikit_learns_multinomial_regression(value, classes):
    vectors, logits = clips(classes=classes)
    targets = logits.argmax(axis=1)
    index = np.arange(150)
    probe = fit_probe(vectors, targets, train=index, inner=(), num_classes=classes, metric="accuracy", grid=(value,))
    standard = StandardScaler().fit_transform(vectors)
    expected = LogisticRegression(C=value, tol=1e-8, max_iter=2000).fit(standard, targets).predict_proba(standard)
    odds = np.exp(probe.decision(vectors))
    assert odds / odds.sum(axis=1, keepdims=True) == pytest.approx(expected, abs=2e-3)


def test_on_a_path_each_penalty_has_its_own_regression():
    vectors, logits = clips(classes=4)
    targets, train = logits.argmax(axis=1), np.arange(120)
    scaler = StandardScaler().fit(vectors[:120])
    for value, probe in zip(
        (1e-3, 1e-1, 1.0), fit_path(vectors, targets, train=train, num_classes=4, grid=(1e-3, 1e-1, 1.0)), strict=True
    ):
        assert probe.inverse_regularisation == value
        model = LogisticRegression(C=value, tol=1e-8, max_iter=2000).fit(scaler.transform(vectors[:120]), targets[:120])
        odds = np.exp(probe.decision(vectors[120:]))
        expected = model.predict_proba(scaler.transform(vectors[120:]))
        assert odds / odds.sum(axis=1, keepdims=True) == pytest.approx(expected, abs=2e-3)


def test_what_nobody_judged_is_left_out_of_the_loss():
    vectors, logits = clips(dim=6, classes=1)
    targets = (logits > 0).astype(np.int64)
    targets[::3] = -1
    index = np.arange(150)
    probe = fit_probe(vectors, targets, train=index, inner=(), num_classes=1, metric="map", grid=(0.5,))
    standard = StandardScaler().fit_transform(vectors)
    judged = targets[:, 0] >= 0

    def objective(weights):
        odds = standard[judged] @ weights[:-1] + weights[-1]
        return 0.5 * (np.logaddexp(0, odds) - targets[judged, 0] * odds).sum() + 0.5 * (weights[:-1] ** 2).sum()

    best = minimize(objective, np.zeros(7), method="BFGS", options={"gtol": 1e-7}).x
    assert np.append(probe.weight[:, 0], probe.bias[0]) == pytest.approx(best, abs=2e-3)
    as_negatives = np.where(targets == -1, 0, targets)
    other = fit_probe(vectors, as_negatives, train=index, inner=(), num_classes=1, metric="map", grid=(0.5,))
    assert abs(other.bias[0] - probe.bias[0]) > 0.2


def test_single_precision_gives_the_same_probe(monkeypatch):
    vectors, logits = clips(dim=40)
    targets = (logits > 1).astype(np.int64)
    settings = {"train": np.arange(150), "inner": (), "num_classes": 5, "metric": "map", "grid": (0.1,)}
    double = fit_probe(vectors, targets, **settings).decision(vectors)
    monkeypatch.setattr("sondo.evaluate.probe._SINGLE_PRECISION_FROM", 0)
    assert fit_probe(vectors.astype(np.float32), targets, **settings).decision(vectors) == pytest.approx(
        double, abs=5e-3
    )


def test_a_value_that_never_changes_and_one_that_is_huge_do_no_harm():
    vectors, logits = clips(dim=5, classes=3)
    targets = logits.argmax(axis=1)
    strange = np.column_stack([vectors, np.full(150, 3.7), vectors[:, 0] * 1e12]).astype(np.float32)
    probe = fit_probe(strange, targets, train=np.arange(150), inner=(), num_classes=3, metric="accuracy", grid=(1.0,))
    decision = probe.decision(strange)
    assert np.isfinite(decision).all()
    assert (decision.argmax(axis=1) == targets).mean() > 0.5
    assert probe.weight[5] == pytest.approx([0, 0, 0], abs=1e-6)


def test_larger_values_are_left_out_once_two_in_a_row_gain_nothing():
    rng = np.random.default_rng(0)
    vectors, targets = rng.normal(size=(90, 60)), np.arange(90) % 2
    index = np.arange(90)
    inner = [(index[index % 3 != k], index[index % 3 == k]) for k in range(3)]
    settings = {"train": index, "inner": inner, "num_classes": 2, "metric": "accuracy"}
    chosen = fit_probe(vectors, targets, grid=(1e-4, 1e-3, 1e-2), **settings).inverse_regularisation
    best_first = fit_probe(vectors, targets, grid=(chosen, 1.0, 10.0, 1e30), **settings)
    assert best_first.inverse_regularisation in (chosen, 1.0, 10.0)
