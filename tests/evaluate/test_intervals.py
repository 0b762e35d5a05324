"""Intervals against scipy's formulas and known cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sondo.evaluate.intervals import (
    Interval,
    bootstrap_interval,
    bootstrap_weights,
    fold_interval,
    fold_ratio_interval,
    mean_interval,
    share_interval,
    widened,
)
from sondo.evaluate.metrics import metric_value, resampled_values


def test_fold_interval_is_the_t_interval_of_scipy():
    values = [0.8, 0.85, 0.78, 0.9, 0.82]
    expected = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert fold_interval(values) == pytest.approx(expected)


def test_fold_interval_stays_between_0_and_1():
    assert fold_interval([0.9, 1.0, 1.0]).high == 1.0
    assert fold_interval([0.0, 0.1]).low == 0.0


@pytest.mark.parametrize(("right", "count"), [(9, 9), (0, 5), (45, 50)])
def test_share_interval_is_wilsons_of_scipy(right, count):
    expected = stats.binomtest(right, count).proportion_ci(method="wilson")
    assert share_interval(right / count, count) == pytest.approx((expected.low, expected.high))


def test_retention_interval_cancels_what_both_models_share():
    teacher = np.array([0.6, 0.7, 0.8, 0.9])
    assert fold_ratio_interval(teacher, 0.9 * teacher) == pytest.approx((0.9, 0.9))
    student = 0.9 * teacher + np.array([0.01, -0.01, 0.01, -0.01])
    low, high = fold_ratio_interval(teacher, student)
    ratios = stats.t.interval(0.95, 3, loc=np.mean(student / teacher), scale=stats.sem(student / teacher))
    assert (low + high) / 2 == pytest.approx(student.mean() / teacher.mean())
    assert (low, high) == pytest.approx(ratios, abs=0.005)


def test_bootstrap_of_a_share_is_the_binomial_interval():
    correct = np.repeat([1.0, 0.0], [80, 20])
    weights = bootstrap_weights(100, num_resamples=4000)
    assert (weights.sum(axis=1) == 100).all()
    low, high = bootstrap_interval(weights @ correct / 100, 0.8)
    expected = stats.binom.ppf([0.025, 0.975], 100, 0.8) / 100
    assert (low, high) == pytest.approx(expected, abs=0.011)


def test_bootstrap_stays_between_0_and_1_but_for_a_retention():
    values = np.array([0.9, 1.0, 1.0, 0.99])
    assert bootstrap_interval(values, 1.0).high == 1.0
    assert bootstrap_interval(values, 1.0, highest=np.inf).high > 1.0
    assert bootstrap_interval(values - 0.9, 0.0).low == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_clips", "classes", "share", "signal"), [(100, 20, 0.06, 1.5), (200, 50, 0.03, 1.5), (500, 10, 0.1, 1.0)]
)
def test_bootstrap_of_map_holds_its_score_and_covers_what_other_test_clips_give(num_clips, classes, share, signal):
    random = np.random.default_rng(0)
    weights = bootstrap_weights(num_clips, num_resamples=400)
    scores, intervals, unmoved = [], [], []
    for _ in range(150):
        targets = (random.random((num_clips, classes)) < share).astype(np.int64)
        targets[0] = 1  # every class is there
        decision = random.standard_normal(targets.shape) + signal * targets
        scores.append(metric_value(decision, targets, metric="map"))
        values = resampled_values(decision, targets, weights, metric="map")
        intervals.append(bootstrap_interval(values, scores[-1]))
        unmoved.append(np.quantile(values, [0.025, 0.975]))
    assert all(low < score < high for (low, high), score in zip(intervals, scores, strict=True))
    covered, before = (np.mean([low <= np.mean(scores) <= high for low, high in of]) for of in (intervals, unmoved))
    assert 0.95 <= round(covered, 2) <= 0.97
    assert 0.78 <= round(before, 2) <= 0.94


def test_bootstrap_draws_groups_whole():
    groups = ["a", "a", "b", "c", "c", "c"]
    weights = bootstrap_weights(6, groups=groups, num_resamples=50)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3:5] == weights[:, 5:]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_draws_of_the_training_clips_add_as_an_independent_error():
    per_seed = [0.78, 0.80, 0.84]
    half = stats.t.ppf(0.975, 2) * np.std(per_seed, ddof=1)
    low, high = widened(Interval(0.7, 0.95), 0.8, per_seed)
    assert low == pytest.approx(0.8 - np.sqrt(0.1**2 + half**2))
    assert high == pytest.approx(0.8 + np.sqrt(0.15**2 + half**2))
    assert widened(Interval(0.7, 0.95), 0.8, ()) == (0.7, 0.95)


def test_the_interval_of_a_mean_of_independent_values():
    assert mean_interval([Interval(0.5, 0.7), Interval(0.2, 0.5)], [0.5, 0.5]) == pytest.approx(
        np.sqrt((0.5 * 0.1) ** 2 + (0.5 * 0.15) ** 2)
    )
