"""Families of sound made of noise and short events: weather, water, steps and ticks."""

from __future__ import annotations

import numpy as np

from sondo.demo.synthesis import (
    SAMPLE_RATE,
    Audio,
    Random,
    decay,
    log_uniform,
    place,
    random_onsets,
    regular_onsets,
    shaped_noise,
    slow_curve,
    times,
    tone,
)


def _click(rng: Random, *, centre_hz: float, octaves: float, length_s: float) -> Audio:
    """A short burst of noise in a band that dies away."""
    num_samples = max(64, int(length_s * SAMPLE_RATE))
    burst = shaped_noise(rng, num_samples, centre_hz=centre_hz, octaves=octaves)
    return burst * decay(num_samples, length_s, attack_s=0.0005)


def rain(rng: Random, num_samples: int) -> Audio:
    """A hiss with many small drops."""
    centre_hz = log_uniform(rng, 2500, 6500)
    audio = shaped_noise(rng, num_samples, centre_hz=centre_hz, octaves=1.6) * np.float32(rng.uniform(0.1, 0.4))
    drops = [
        _click(rng, centre_hz=centre_hz * log_uniform(rng, 0.5, 2), octaves=0.5, length_s=rng.uniform(0.004, 0.02))
        for _ in range(8)
    ]
    for onset in random_onsets(rng, num_samples / SAMPLE_RATE, rate_hz=log_uniform(rng, 40, 250)):
        place(audio, drops[rng.integers(8)] * np.float32(rng.uniform(0.1, 1)), onset)
    return audio


def wind(rng: Random, num_samples: int) -> Audio:
    """Noise whose strength and pitch wander."""
    low = shaped_noise(rng, num_samples, centre_hz=log_uniform(rng, 150, 700), octaves=rng.uniform(0.5, 1.0))
    high = shaped_noise(rng, num_samples, centre_hz=log_uniform(rng, 400, 1500), octaves=rng.uniform(0.3, 0.7))
    gust = slow_curve(rng, num_samples, rate_hz=rng.uniform(0.8, 3))
    gain = np.float32(rng.uniform(0.2, 0.8))
    return np.asarray(low * np.exp(0.6 * gust) + gain * high * np.exp(1.0 * gust), dtype=np.float32)


def waves(rng: Random, num_samples: int) -> Audio:
    """Noise that swells slowly and breaks off faster, again and again."""
    seconds = times(num_samples)
    phase = np.mod(seconds * np.float32(rng.uniform(0.35, 0.9)) + np.float32(rng.uniform(0, 1)), 1)
    turn = np.float32(rng.uniform(0.55, 0.8))
    swell = np.where(phase < turn, phase / turn, (1 - phase) / (1 - turn)).astype(np.float32)
    noise = shaped_noise(rng, num_samples, centre_hz=log_uniform(rng, 350, 1600), octaves=rng.uniform(1.0, 1.8))
    return np.asarray(noise * (np.float32(0.05) + swell ** np.float32(rng.uniform(1.2, 2.5))), dtype=np.float32)


def clock(rng: Random, num_samples: int) -> Audio:
    """Ticks in a steady beat, every second one a little different."""
    centre_hz = log_uniform(rng, 1200, 6000)
    ticks = [
        _click(
            rng, centre_hz=centre_hz * factor, octaves=rng.uniform(0.15, 0.5), length_s=log_uniform(rng, 0.008, 0.06)
        )
        for factor in (1.0, log_uniform(rng, 0.75, 1.35))
    ]
    audio = np.zeros(num_samples, dtype=np.float32)
    rate_hz = log_uniform(rng, 1.5, 6.0)
    for beat, onset in enumerate(regular_onsets(rng, num_samples / SAMPLE_RATE, rate_hz=rate_hz, jitter=0.01)):
        place(audio, ticks[beat % 2], onset)
    return audio


def footsteps(rng: Random, num_samples: int) -> Audio:
    """A dull heel and a rustling sole, one to three times per second."""
    audio = np.zeros(num_samples, dtype=np.float32)
    heel_hz, sole_hz = log_uniform(rng, 70, 400), log_uniform(rng, 800, 5000)
    sole_gain = np.float32(log_uniform(rng, 0.15, 0.9))
    rate_hz = rng.uniform(1.3, 3.0)
    gap = int(rng.uniform(0.06, 0.14) * SAMPLE_RATE)
    for onset in regular_onsets(rng, num_samples / SAMPLE_RATE, rate_hz=rate_hz, jitter=0.03):
        loud = np.float32(rng.uniform(0.6, 1))
        place(audio, loud * _click(rng, centre_hz=heel_hz, octaves=0.6, length_s=0.12), onset)
        place(audio, loud * sole_gain * _click(rng, centre_hz=sole_hz, octaves=0.8, length_s=0.14), onset + gap)
    return audio


def drums(rng: Random, num_samples: int) -> Audio:
    """Bass drum, snare drum and cymbal in a pattern of sixteen steps."""
    audio = np.zeros(num_samples, dtype=np.float32)
    step = 60 / rng.uniform(80, 170) / 4
    length = int(0.25 * SAMPLE_RATE)
    sweep = rng.uniform(45, 80) + rng.uniform(80, 250) * np.exp(-times(length) / np.float32(0.03))
    bass = tone(sweep.astype(np.float32), length) * decay(length, 0.3)
    snare = _click(rng, centre_hz=log_uniform(rng, 1000, 4500), octaves=1.2, length_s=rng.uniform(0.1, 0.25))
    cymbal = _click(rng, centre_hz=log_uniform(rng, 5000, 11000), octaves=0.4, length_s=rng.uniform(0.03, 0.12))
    pattern = rng.random((3, 16)) < np.array([[0.12], [0.08], [0.45]])
    pattern[0, [0, 8]] = True
    pattern[1, [4, 12]] = True
    gains = np.array([1.0, log_uniform(rng, 0.3, 1.0), log_uniform(rng, 0.1, 0.6)], dtype=np.float32)
    first = int(rng.integers(16))
    for count in range(int(num_samples / SAMPLE_RATE / step) + 1):
        onset = int(count * step * SAMPLE_RATE)
        for drum, gain, hits in zip((bass, snare, cymbal), gains, pattern, strict=True):
            if hits[(first + count) % 16]:
                place(audio, drum * gain * np.float32(rng.uniform(0.7, 1)), onset)
    return audio
