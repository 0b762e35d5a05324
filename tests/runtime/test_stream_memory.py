"""A stream that never ends holds no more after a day than after its first minutes."""

import resource
import sys
import tracemalloc

import numpy as np
import pytest
from test_runtime_model import Power

RATE = 8000


def simulate(stream, seconds):
    """Feed pieces of a quarter of a second, as a microphone does; the number of vectors that came."""
    pieces = (0.1 * np.random.default_rng(0).standard_normal((8, RATE // 4))).astype(np.float32)
    return sum(len(stream.feed(pieces[index % 8])) for index in range(round(seconds * 4)))


def peak_bytes():
    """The most memory that the process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize("hours", [pytest.param(0.1, id="minutes"), pytest.param(24, marks=pytest.mark.slow, id="day")])
@pytest.mark.slow
def test_memory_does_not_grow(hours):
    model = Power()
    stream = model.stream(sample_rate=RATE, hop_s=1.0, window_s=1.0)
    assert simulate(stream, 60) == 60
    model.calls.clear()
    tracemalloc.start()
    simulate(stream, 60)
    model.calls.clear()
    early, peak_early = tracemalloc.get_traced_memory()[0], peak_bytes()
    for _ in range(round(hours * 60)):
        assert simulate(stream, 60) == 60
        model.calls.clear()  # what the stand-in remembers is not the stream's
    late, peak_late = tracemalloc.get_traced_memory()[0], peak_bytes()
    tracemalloc.stop()
    assert stream.num_samples == (120 + 60 * round(hours * 60)) * RATE
    assert late - early < 50_000
    assert peak_late - peak_early < 8e6  # the resampler's memory is not Python's
