"""The windows of a whole sound."""

import numpy as np
import pytest

from sondo.audio.errors import AudioError
from sondo.audio.logmel import LogMelConfig, log_mel
from sondo.audio.windows import average_windows, window_frames


@pytest.mark.parametrize(
    ("num_samples", "want"),
    [
        (3200, [(0, 3200, 5)]),
        (320000, [(0, 320000, 624)]),
        (320000 + 3071, [(0, 320000, 624)]),
        (320000 + 3072, [(0, 320000, 624), (320000, 323072, 5)]),
        (800000, [(0, 320000, 624), (320000, 640000, 624), (640000, 800000, 311)]),
    ],
)
def test_windows(num_samples, want):
    assert window_frames(num_samples) == want


def test_too_short():
    with pytest.raises(AudioError, match=r"too short.*0\.1 s"):
        window_frames(3000)


def test_windows_of_samples_are_windows_of_frames():
    audio = np.random.default_rng(0).standard_normal(700000).astype(np.float32)
    whole = log_mel(audio)
    for index, (start, stop, frames) in enumerate(window_frames(len(audio))):
        part = whole[:, 625 * index : 625 * index + 624]
        assert part.shape[1] == frames
        np.testing.assert_allclose(log_mel(audio[start:stop]), part, atol=1e-5)


def test_other_front_end():
    config = LogMelConfig(sample_rate=16000, n_fft=512, hop=256, f_max_hz=8000.0)
    assert window_frames(170000, config=config, window_samples=160000) == [(0, 160000, 624), (160000, 170000, 38)]


def test_average_is_weighted_by_frames():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    np.testing.assert_allclose(average_windows(vectors, [624, 156]), [0.8, 0.2])
