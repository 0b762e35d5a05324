"""95 % confidence intervals: over folds (Student's t), or over test clips (bootstrap) where there is one split."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sondo.errors import require

Floats = NDArray[np.float64]
LEVEL = 0.95
NUM_RESAMPLES = 2000


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float


def fold_interval(per_fold: Sequence[float]) -> Interval:
    """Mean ± t · s / √folds, cut at 0 and 1. Folds share training clips, so that it is a little too narrow."""
    values = np.asarray(per_fold, dtype=np.float64)
    half = _half_width(values)
    return Interval(max(0.0, float(values.mean()) - half), min(1.0, float(values.mean()) + half))


def share_interval(share: float, count: int) -> Interval:
    """Wilson's interval of a share of `count` clips, which has a width also where all of them are right.

    Source:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.
    """
    spread = NormalDist().inv_cdf((1 + LEVEL) / 2) ** 2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = float(np.sqrt(spread * (share * (1 - share) + spread / 4))) / (1 + spread)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def fold_ratio_interval(teacher: Sequence[float], student: Sequence[float]) -> Interval:
    """Interval of the retention R = mean(student) / mean(teacher) from pairs of folds.

    The ratio is linearised: R ± t · s(e) / √folds with the residuals e = (student - R · teacher) / mean(teacher). What
    a fold's difficulty adds to both cancels, and the interval is centred on the retention that is reported (the mean
    of the ratios per fold is not that figure).

    Source:
        W. G. Cochran, Sampling Techniques, chapter 6 (ratio estimates).
    """
    first, second = np.asarray(teacher, dtype=np.float64), np.asarray(student, dtype=np.float64)
    ratio = float(second.mean() / first.mean())
    half = _half_width((second - ratio * first) / first.mean())
    return Interval(max(0.0, ratio - half), ratio + half)


def bootstrap_weights(
    num_clips: int,
    *,
    groups: Sequence[str] | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int | Sequence[int] = 0,
) -> Floats:
    """How often each clip is drawn in each resample; clips of one group are drawn together.

    Two models that are scored with the same weights are compared in pairs.

    Shape:
        Output: (num_resamples, num_clips).
    """
    group_of_clip = np.arange(num_clips) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    num_groups = int(group_of_clip.max()) + 1
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(num_groups, np.full(num_groups, 1.0 / num_groups), size=num_resamples)
    return draws[:, group_of_clip].astype(np.float64)


def bootstrap_interval(values: Floats, score: float, *, highest: float = 1.0) -> Interval:
    """The middle 95 % of the resampled values, moved so that their mean is the score; from 0 to `highest`.

    Average precision rises where a positive is drawn twice, and a class that lost its positives drops out of the mean,
    so that resamples lie above the score. Unmoved, the interval covers the expected mAP of other test clips in 78 to
    94 % of the cases of `tests/evaluate/test_intervals.py`, and can leave the score itself out; moved, in 95 to 97 %.
    For an accuracy nothing moves.

    Args:
        values: The metric on each resample.
        score: The metric on the clips themselves.
        highest: What the metric can be at most.
    """
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - values.mean() + score
    return Interval(max(0.0, float(low)), min(highest, float(high)))


def widened(interval: Interval, centre: float, per_seed: Sequence[float]) -> Interval:
    """An interval that also holds what another draw of the training clips would change.

    Folds share training clips and a bootstrap of the test part keeps the probe, so that neither knows of it. The two
    half widths are added as independent errors.

    Args:
        interval: Around `centre`.
        centre: The value that is reported.
        per_seed: The value of probes that were fitted on training clips drawn anew; none, and nothing changes.
    """
    if len(per_seed) < 2:
        return interval
    spread = np.asarray(per_seed, dtype=np.float64)
    half = _quantile(len(spread)) * float(spread.std(ddof=1))
    return Interval(
        max(0.0, centre - float(np.hypot(centre - interval.low, half))),
        centre + float(np.hypot(interval.high - centre, half)),
    )


def mean_interval(intervals: Sequence[Interval], weights: Sequence[float]) -> float:
    """Half width of the interval of a weighted mean of independent values.

    Args:
        intervals: Of the values.
        weights: Of the values; they add up to one for a mean.
    """
    halves = [(one.high - one.low) / 2 for one in intervals]
    return float(np.sqrt(sum((weight * half) ** 2 for weight, half in zip(weights, halves, strict=True))))


def _half_width(values: Floats) -> float:
    return _quantile(len(values)) * float(values.std(ddof=1)) / float(np.sqrt(len(values)))


def _quantile(count: int) -> float:
    """Of Student's distribution, for a deviation that was estimated from `count` values."""
    require("scipy", extra="train", why="Confidence intervals need scipy")
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, count - 1))
