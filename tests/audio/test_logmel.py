"""The numpy log-mel against golden vectors, formulas and physical laws."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from sondo.audio.logmel import LogMelConfig, hann_window, log_mel, mel_filterbank
from sondo.errors import SondoError

GOLDEN = Path(__file__).parent.parent / "golden"
CASE = json.loads((GOLDEN / "frontend_logmel.json").read_text())


@pytest.fixture(scope="module", params=sorted(CASE["runs"]))
def golden_run(request):
    run = dict(CASE["runs"][request.param])
    mean_abs, seed, batch = run.pop("mean_abs"), run.pop("seed"), run.pop("batch")
    waveform = runpy.run_path(str(GOLDEN / "frontend_signal.py"))["golden_waveform"]
    audio = np.stack([waveform(**run, seed=seed + row) for row in range(batch)])
    assert np.abs(audio.astype(np.float64)).mean() == pytest.approx(mean_abs, rel=1e-9)
    with np.load(GOLDEN / "frontend_logmel.npz") as stored:
        want = {key.split(".")[1]: stored[key] for key in stored if key.startswith(request.param + ".")}
    return log_mel(audio), want


@pytest.mark.parametrize(
    ("output", "cut"),
    [
        ("logmel", lambda mel: mel[:, ::8, ::16]),
        ("logmel_first_frames", lambda mel: mel[:, :, :2]),
        ("logmel_mean_spectrum", lambda mel: mel.mean(axis=2)),
    ],
)
def test_log_mel_equals_the_golden_vectors(golden_run, output, cut):
    got, want = golden_run
    assert got.dtype == np.float32
    assert np.abs(cut(got) - want[output]).max() <= CASE["outputs"][output]["max_abs"]


def test_log_mel_equals_scipy_in_float64():
    audio = np.random.default_rng(0).standard_normal(32000).astype(np.float32) * 0.2
    config = LogMelConfig()
    window = scipy.signal.get_window("hann", 1024)
    frames = np.stack([audio[start : start + 1024] * window for start in range(0, 32000 - 1023, 512)])
    power = np.abs(np.fft.rfft(frames.astype(np.float64))) ** 2
    want = np.log(mel_filterbank(config).astype(np.float64) @ power.T + 1e-3)
    np.testing.assert_allclose(log_mel(audio), want, atol=2e-4)


def test_a_tone_peaks_in_the_band_around_its_frequency():
    config = LogMelConfig()
    filters = mel_filterbank(config)
    bins_hz = np.arange(513) * 31.25
    for hz in (250.0, 1000.0, 4000.0, 12000.0):
        tone = 0.5 * np.sin(2 * np.pi * hz * np.arange(16000) / 32000)
        band = int(log_mel(tone.astype(np.float32)).mean(axis=1).argmax())
        centre = float((filters[band] * bins_hz).sum() / filters[band].sum())
        assert abs(centre - hz) <= max(32.0, 0.06 * hz)


def test_ten_times_the_amplitude_adds_log_100_and_silence_is_the_offset():
    noise = np.random.default_rng(1).standard_normal(32000).astype(np.float32)
    loud = log_mel(10 * noise) - log_mel(noise)
    np.testing.assert_allclose(loud, np.log(100.0), atol=2e-2)
    np.testing.assert_allclose(log_mel(np.zeros(5000, np.float32)), np.log(1e-3), atol=1e-6)


def test_one_hop_of_delay_moves_the_frames_by_one():
    audio = np.random.default_rng(2).standard_normal(40000).astype(np.float32)
    np.testing.assert_allclose(log_mel(audio)[:, 1:], log_mel(audio[512:]), atol=1e-4)


def test_batches_and_long_sound_give_the_same_as_pieces():
    audio = np.random.default_rng(3).standard_normal((2, 3, 320000)).astype(np.float32)[..., :200000]
    batch = log_mel(audio)
    assert batch.shape == (2, 3, 128, 389)
    np.testing.assert_allclose(batch[1, 2], log_mel(audio[1, 2]), atol=1e-5)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1023, 0), (1024, 1), (1535, 1), (1536, 2), (320000, 624)])
def test_number_of_frames(samples, frames):
    assert LogMelConfig().num_frames(samples) == frames


def test_filterbank_has_unit_area_and_stays_inside_its_limits():
    config = LogMelConfig(num_mels=40)
    filters = mel_filterbank(config)
    assert filters.shape == (40, 513)
    assert filters.dtype == np.float32
    np.testing.assert_allclose(filters[10:].sum(axis=1) * 31.25, 1.0, rtol=0.05)
    bins_hz = np.arange(513) * 31.25
    assert not filters[:, bins_hz <= 50].any()
    below = LogMelConfig(num_mels=40, f_max_hz=8000.0)
    assert not mel_filterbank(below)[:, bins_hz >= 8000].any()


def test_hann_is_periodic():
    window = hann_window(1024)
    assert window[0] == 0
    np.testing.assert_allclose(window[:512] + window[512:], 1.0, atol=1e-6)


def test_config_round_trip_and_hash():
    config = LogMelConfig(num_mels=64)
    assert LogMelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert LogMelConfig(f_min_hz=50).hash() == LogMelConfig().hash() != config.hash()
    assert len(config.hash()) == 12


@pytest.mark.parametrize(
    "change", [{"n_fft": 1000}, {"hop": 0}, {"hop": 2048}, {"f_max_hz": 16001.0}, {"num_mels": 0}, {"log_offset": 0.0}]
)
def test_settings_that_cannot_work_are_named(change):
    with pytest.raises(SondoError, match=next(iter(change))):
        LogMelConfig(**change)


def test_from_dict_refuses_unknown_and_missing_settings():
    values = LogMelConfig().to_dict()
    values["n_mels"] = values.pop("num_mels")
    with pytest.raises(SondoError, match=r"unknown \['n_mels'\], missing \['num_mels'\]"):
        LogMelConfig.from_dict(values)


@pytest.mark.parametrize("audio", [np.zeros(1023, np.float32), np.zeros(4000, np.int16), np.float32(0)])
def test_log_mel_refuses_short_and_integer_sound(audio):
    with pytest.raises(SondoError, match="log_mel"):
        log_mel(audio)
