"""The demo's own sound: labelled, varied, the same for a seed, and safe to make again."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sondo.demo import FAMILIES, make_demo_sound, synthesise
from sondo.demo.synthesis import SAMPLE_RATE, decay, harmonics, shaped_noise, slow_curve, tone
from sondo.errors import SondoError


def test_enough_families():
    assert len(FAMILIES) >= 12
    assert {"rain", "engine", "siren", "bell", "plucked", "drums", "vowels"} <= set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_clip_is_sound_and_the_same_each_time(family):
    first = synthesise(family, 3, duration_s=1.5, seed=1)
    assert first.shape == (48000,)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert 0.1 < np.abs(first).max() < 1
    assert (first == synthesise(family, 3, duration_s=1.5, seed=1)).all()
    for number, seed in ((4, 1), (3, 2)):
        assert not np.allclose(first, synthesise(family, number, duration_s=1.5, seed=seed))


def test_unknown_family():
    with pytest.raises(SondoError, match=r"called 'piano'.*There are: rain"):
        synthesise("piano", 0)


@pytest.mark.slow
def test_the_folder_is_labelled_and_folds_are_balanced(tmp_path):
    manifest = make_demo_sound(tmp_path / "sound", clips_per_family=5, duration_s=1.0)
    rows = list(csv.DictReader(manifest.open()))
    assert Counter(row["label"] for row in rows) == {family: 5 for family in FAMILIES}
    assert Counter((row["label"], row["fold"]) for row in rows).most_common(1)[0][1] == 1
    info = soundfile.info(manifest.parent / rows[0]["path"])
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (SAMPLE_RATE, 1, 32000, "PCM_16")

    kept = manifest.parent / rows[0]["path"]
    lost = manifest.parent / rows[1]["path"]
    bytes_before, written_before = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    manifest.unlink()
    assert make_demo_sound(tmp_path / "sound", clips_per_family=5, duration_s=1.0) == manifest
    assert lost.read_bytes() == bytes_before
    assert kept.stat().st_mtime_ns == written_before

    make_demo_sound(tmp_path / "sound", clips_per_family=6, duration_s=1.0, seed=1)
    assert len(list(csv.DictReader(manifest.open()))) == 6 * len(FAMILIES)
    assert len(list((tmp_path / "sound" / "audio").iterdir())) == 6 * len(FAMILIES)
    assert lost.read_bytes() != bytes_before


def test_what_was_interrupted_at_the_start_goes_on(tmp_path, monkeypatch):
    mkdir = Path.mkdir

    def killed(self, *args, **kwargs):
        mkdir(self, *args, **kwargs)
        if self.name == "audio":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", killed)
        with pytest.raises(KeyboardInterrupt):
            make_demo_sound(tmp_path / "sound", clips_per_family=5, duration_s=1.0)
    assert make_demo_sound(tmp_path / "sound", clips_per_family=5, duration_s=1.0).is_file()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "audio").mkdir()
    with pytest.raises(SondoError, match="did not make"):
        make_demo_sound(tmp_path)
    assert list((tmp_path / "audio").iterdir()) == []


def test_too_little_is_refused(tmp_path):
    with pytest.raises(SondoError, match="clips_per_family is 2"):
        make_demo_sound(tmp_path, clips_per_family=2)
    with pytest.raises(SondoError, match=r"duration_s is 0\.2"):
        make_demo_sound(tmp_path, duration_s=0.2)


def peak_hz(audio):
    return np.abs(np.fft.rfft(audio)).argmax() * SAMPLE_RATE / len(audio)


def test_building_blocks_have_the_pitch_and_the_decay_that_they_name():
    rng = np.random.default_rng(0)
    assert peak_hz(tone(1000.0, 32000)) == 1000
    assert peak_hz(tone(np.full(32000, 500, dtype=np.float32), 32000)) == pytest.approx(500, abs=1)
    constant = np.full(32000, 440, dtype=np.float32)
    spectrum = np.abs(np.fft.rfft(harmonics(constant, np.array([1.0, 0.5, 0.25])))) / 16000
    assert spectrum[[440, 880, 1320, 1760]] == pytest.approx([1.0, 0.5, 0.25, 0.0], abs=0.02)
    assert decay(32000, 1.0)[-1] == pytest.approx(1e-3, rel=0.02)
    noise = shaped_noise(rng, 32000, centre_hz=2000, octaves=0.3)
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert power[1000:4000].sum() > 0.95 * power.sum()
    curve = np.concatenate([slow_curve(rng, 32000, rate_hz=20) for _ in range(20)])
    assert (curve.mean(), curve.std()) == pytest.approx((0, 0.87), abs=0.15)
