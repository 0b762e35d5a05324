"""Arrays as sound."""

import numpy as np
import pytest

from sondo.audio.arrays import as_float, resample, to_mono_at
from sondo.audio.errors import AudioError


@pytest.mark.parametrize(
    ("dtype", "values", "want"),
    [
        ("int16", [-32768, 0, 16384], [-1.0, 0.0, 0.5]),
        ("int32", [-(2**31), 0, 2**30], [-1.0, 0.0, 0.5]),
        ("uint8", [0, 128, 192], [-1.0, 0.0, 0.5]),
        ("float64", [-1.0, 0.0, 0.5], [-1.0, 0.0, 0.5]),
    ],
)
def test_scaling(dtype, values, want):
    got = as_float(np.array(values, dtype))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.float32(want))


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros(4, np.int64), "int64"),
        (np.zeros(4, bool), "bool"),
        (np.zeros(4, complex), "complex"),
        (np.array(["a"]), "dtype"),
        (np.array([0.0, np.nan, np.inf]), "2 of 3 samples"),
        (np.array([0.0, 12000.0]), "divide by 32768"),
    ],
)
def test_what_is_no_sound(audio, message):
    with pytest.raises(AudioError, match=message):
        as_float(audio)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 96000, 192000])
def test_a_tone_keeps_frequency_amplitude_phase_and_length(rate):
    time = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    out = resample(tone, rate, 32000)
    assert out.shape == (32000,)
    want = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(32000) / 32000)
    np.testing.assert_allclose(out[2000:-2000], want[2000:-2000], atol=1e-4)


def test_what_lies_above_the_new_range_is_removed():
    tone = np.sin(2 * np.pi * 20000 * np.arange(96000) / 96000).astype(np.float32)
    assert np.abs(resample(tone, 96000, 32000)[2000:-2000]).max() < 1e-4


def test_channels_are_averaged():
    left = np.random.default_rng(0).standard_normal(3000).astype(np.float32)
    np.testing.assert_allclose(to_mono_at(np.stack([left, -left]), 16000, 16000), 0.0)
    np.testing.assert_allclose(to_mono_at(np.stack([left, 0 * left]), 16000, 16000), left / 2)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 2, 100)])
def test_shapes_that_are_no_sound(shape):
    with pytest.raises(AudioError, match="shape"):
        to_mono_at(np.zeros(shape, np.float32), 16000, 32000)
