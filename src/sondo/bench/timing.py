"""Latency: models take turns, so that what else the machine does hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_ROUNDS = 5
MAX_ROUNDS = 50
BUDGET_S = 30.0
"""Rounds beyond `MIN_ROUNDS` are made up to this time, for all models of a line of the table together."""


class Latency(NamedTuple):
    """Seconds of each call, and how many times those of the reference in the same round, where there is one."""

    median_s: float
    p95_s: float
    num_calls: int
    ratio: float | None


def take_turns(calls: Sequence[Callable[[], object]], *, has_reference: bool) -> list[Latency]:
    """Call each in turn, round after round, and measure.

    Args:
        calls: What is measured. Each is called once before anything counts.
        has_reference: Whether the last is what the others are compared with: the ratio is the median over rounds.
    """
    for call in calls:
        call()
    rounds: list[list[float]] = []
    begin = time.perf_counter()
    while len(rounds) < MIN_ROUNDS or (len(rounds) < MAX_ROUNDS and time.perf_counter() - begin < BUDGET_S):
        # every other round backwards, so that nobody always comes behind the same one
        order = range(len(calls)) if len(rounds) % 2 == 0 else reversed(range(len(calls)))
        seconds = dict.fromkeys(range(len(calls)), 0.0)
        for number in order:
            start = time.perf_counter()
            calls[number]()
            seconds[number] = time.perf_counter() - start
        rounds.append(list(seconds.values()))
    return summarise(np.array(rounds), has_reference=has_reference)


def summarise(seconds: NDArray[np.float64], *, has_reference: bool) -> list[Latency]:
    """Medians, 95th percentiles, and ratios to the last column.

    Shape:
        seconds (rounds, calls).
    """
    ratios = np.median(seconds / seconds[:, -1:], axis=0) if has_reference else None
    return [
        Latency(
            median_s=float(np.median(column)),
            p95_s=float(np.percentile(column, 95)),
            num_calls=len(column),
            ratio=None if ratios is None else float(ratios[number]),
        )
        for number, column in enumerate(seconds.T)
    ]
