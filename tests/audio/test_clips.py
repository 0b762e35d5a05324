"""Where clips lie."""

import numpy as np
import pytest

from sondo.audio.clips import plan_clips
from sondo.errors import SondoError


@pytest.mark.parametrize(
    ("duration_s", "want"),
    [
        (0.0, []),
        (0.099, []),
        (0.1, [(0.0, 0.1)]),
        (9.99, [(0.0, 9.99)]),
        (10.0, [(0.0, 10.0)]),
        (10.5, [(0.0, 10.0)]),
        (11.0, [(0.0, 10.0), (10.0, 1.0)]),
        (30.0, [(0.0, 10.0), (10.0, 10.0), (20.0, 10.0)]),
    ],
)
def test_plan(duration_s, want):
    assert plan_clips(duration_s) == want


def test_clips_tile_the_sound_for_any_length():
    for duration_s in np.random.default_rng(0).uniform(0.1, 500.0, 300):
        clips = plan_clips(float(duration_s), window_s=7.3, min_remainder_s=0.5)
        assert [offset for offset, _ in clips] == pytest.approx([7.3 * index for index in range(len(clips))])
        assert all(length == 7.3 for _, length in clips[:-1])
        lost = duration_s - sum(length for _, length in clips)
        assert -1e-9 < lost < 0.5


@pytest.mark.parametrize("duration_s", [44100 * 20 / 44100, 0.1 * 200, 20.0000000001, 19.9999999999])
def test_rounding_makes_no_sliver(duration_s):
    assert len(plan_clips(duration_s, min_remainder_s=0.0)) == 2


@pytest.mark.parametrize("arguments", [{"duration_s": -1.0}, {"duration_s": float("nan")}])
def test_impossible_durations(arguments):
    with pytest.raises(SondoError, match="length"):
        plan_clips(**arguments)


def test_impossible_window():
    with pytest.raises(SondoError, match="window"):
        plan_clips(5.0, window_s=0.0)
