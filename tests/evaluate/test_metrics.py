"""Metrics against values by hand and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from sondo.evaluate.metrics import metric_value, resampled_values


def test_average_precision_by_hand():
    decision = np.array([[0.9], [0.8], [0.7], [0.6]])
    targets = np.array([[1], [0], [1], [0]])
    assert metric_value(decision, targets, metric="map") == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_average_precision_equals_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(1)
    decision = np.round(rng.normal(size=(60, 4)), 1)
    targets = (rng.random((60, 4)) < 0.3).astype(np.int64)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=5).astype(float)
    expected = [
        np.mean([average_precision_score(targets[:, k], decision[:, k], sample_weight=w) for k in range(4)])
        for w in weights
    ]
    assert resampled_values(decision, targets, weights, metric="map") == pytest.approx(expected)


def test_a_class_without_positives_is_left_out():
    decision = np.array([[0.9, 0.1], [0.1, 0.2]])
    assert metric_value(decision, np.array([[1, 0], [0, 0]]), metric="map") == pytest.approx(1.0)


def test_accuracy_with_an_unknown_class_at_minus_infinity():
    decision = np.array([[0.0, -np.inf], [1.0, -np.inf], [0.0, 1.0]])
    assert metric_value(decision, np.array([0, 1, 1]), metric="accuracy") == pytest.approx(2 / 3)


def test_what_nobody_judged_changes_nothing():
    rng = np.random.default_rng(2)
    decision, targets = rng.normal(size=(80, 3)), (rng.random((80, 3)) < 0.4).astype(np.int64)
    unknown = rng.random((80, 3)) < 0.5
    expected = np.mean(
        [average_precision_score(targets[~unknown[:, k], k], decision[~unknown[:, k], k]) for k in range(3)]
    )
    assert metric_value(decision, np.where(unknown, -1, targets), metric="map") == pytest.approx(expected)
    nothing = np.column_stack([targets, np.full(80, -1)])
    assert metric_value(np.column_stack([decision, decision[:, 0]]), nothing, metric="map") == pytest.approx(
        metric_value(decision, targets, metric="map")
    )
