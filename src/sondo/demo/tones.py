"""Families of sound with a pitch: machines, signals, strings, voices and animals."""

from __future__ import annotations

import numpy as np

from sondo.demo.synthesis import (
    SAMPLE_RATE,
    Audio,
    Random,
    decay,
    harmonics,
    log_uniform,
    place,
    random_onsets,
    regular_onsets,
    shaped_noise,
    slow_curve,
    times,
    tone,
    unit_peak,
)


def engine(rng: Random, num_samples: int) -> Audio:
    """A rough low tone with overtones that shudders with each ignition."""
    speed_hz = log_uniform(rng, 30, 80) * np.exp(0.06 * slow_curve(rng, num_samples, rate_hz=1.5))
    partials = np.arange(1, 40) ** -rng.uniform(0.5, 1.2) * rng.uniform(0.3, 1, 39)
    audio = unit_peak(harmonics(speed_hz, partials))
    shudder = tone(speed_hz * np.float32(0.25), num_samples)
    noise = shaped_noise(rng, num_samples, centre_hz=log_uniform(rng, 300, 2000), octaves=1.2)
    depth = np.float32(rng.uniform(0.2, 0.6))
    return np.asarray((audio + np.float32(rng.uniform(0.1, 0.5)) * noise) * (1 + depth * shudder), dtype=np.float32)


def hum(rng: Random, num_samples: int) -> Audio:
    """The steady tone of a machine, two of which beat against each other."""
    frequency_hz = log_uniform(rng, 90, 240)
    partials = np.arange(1, 30) ** -rng.uniform(0.5, 1.4) * rng.uniform(0.2, 1, 29)
    first = np.full(num_samples, frequency_hz, dtype=np.float32)
    second = np.full(num_samples, frequency_hz + rng.uniform(0.5, 4), dtype=np.float32)
    return harmonics(first, partials) + np.float32(rng.uniform(0.3, 1)) * harmonics(second, partials)


def _signal(rng: Random, frequency_hz: Audio) -> Audio:
    return harmonics(frequency_hz, np.array([1.0, rng.uniform(0, 0.6), rng.uniform(0, 0.6), rng.uniform(0, 0.3)]))


def siren(rng: Random, num_samples: int) -> Audio:
    """A tone that glides up and down smoothly."""
    phase = times(num_samples) * np.float32(log_uniform(rng, 0.5, 2.5)) + np.float32(rng.uniform(0, 1))
    glide = np.abs(2 * np.mod(phase, 1) - 1) if rng.random() < 0.5 else 0.5 + 0.5 * np.sin(2 * np.pi * phase)
    octaves = np.float32(rng.uniform(0.4, 1.2))
    return _signal(rng, (log_uniform(rng, 500, 1100) * 2 ** (octaves * glide)).astype(np.float32))


def alarm(rng: Random, num_samples: int) -> Audio:
    """A tone in the range of a siren that jumps between two pitches."""
    phase = times(num_samples) * np.float32(log_uniform(rng, 1.0, 5.0)) + np.float32(rng.uniform(0, 1))
    jump = (np.mod(phase, 1) < rng.uniform(0.35, 0.65)).astype(np.float32)
    octaves = np.float32(rng.uniform(0.4, 1.2))
    return _signal(rng, (log_uniform(rng, 500, 1100) * 2 ** (octaves * jump)).astype(np.float32))


def bell(rng: Random, num_samples: int) -> Audio:
    """Partials that are no multiples of one pitch and die away slowly, struck a few times."""
    ratios = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.1, 5.4]) * np.exp(rng.normal(0, 0.02, 10))
    frequency_hz, ring_s = log_uniform(rng, 350, 1200), log_uniform(rng, 0.8, 3.5)
    gains = rng.uniform(0.2, 1, 10)
    struck = np.zeros(num_samples, dtype=np.float32)
    for ratio, gain in zip(ratios, gains, strict=True):
        fade = decay(num_samples, ring_s / ratio**0.5, attack_s=0.002)
        struck += np.float32(gain) * tone(frequency_hz * ratio, num_samples, phase=rng.uniform(0, 6)) * fade
    audio = np.zeros(num_samples, dtype=np.float32)
    for onset in regular_onsets(rng, num_samples / SAMPLE_RATE, rate_hz=log_uniform(rng, 0.6, 2.5), jitter=0.03):
        place(audio, struck * np.float32(rng.uniform(0.6, 1)), onset)
    return audio


def plucked(rng: Random, num_samples: int) -> Audio:
    """Notes of a plucked string.

    Source:
        K. Karplus and A. Strong, Digital Synthesis of Plucked-String and Drum Timbres, 1983; a whole period is
        averaged at once.
    """
    audio = np.zeros(num_samples, dtype=np.float32)
    root_hz = log_uniform(rng, 100, 400)
    scale = np.array([0, 2, 4, 7, 9, 12, 14, 16])
    rate_hz = log_uniform(rng, 1.2, 6)
    stretch = np.float32(rng.uniform(0.985, 0.999))
    for onset in regular_onsets(rng, num_samples / SAMPLE_RATE, rate_hz=rate_hz, jitter=0.02):
        period = round(SAMPLE_RATE / (root_hz * 2 ** (scale[rng.integers(8)] / 12)))
        num_periods = min(num_samples - max(0, onset), int(0.9 * SAMPLE_RATE)) // period
        string = rng.uniform(-1, 1, period).astype(np.float32)
        note = np.empty((max(0, num_periods), period), dtype=np.float32)
        for row in note:
            row[:] = string
            string = stretch * np.float32(0.5) * (string + np.roll(string, 1))
        place(audio, note.ravel() * np.float32(rng.uniform(0.5, 1)), onset)
    return audio


def _chirps(rng: Random, num_samples: int, *, rising: bool) -> Audio:
    """Whistles that glide over half an octave to an octave and a half."""
    audio = np.zeros(num_samples, dtype=np.float32)
    low_hz, octaves = log_uniform(rng, 1400, 3500), rng.uniform(0.5, 1.5)
    length_s, rate_hz = log_uniform(rng, 0.06, 0.35), log_uniform(rng, 1.5, 5)
    for onset in random_onsets(rng, num_samples / SAMPLE_RATE, rate_hz=rate_hz):
        length = int(length_s * rng.uniform(0.8, 1.25) * SAMPLE_RATE)
        glide = np.linspace(0, 1, length, dtype=np.float32)
        glide = glide if rising else 1 - glide
        frequency_hz = (low_hz * rng.uniform(0.9, 1.1) * 2 ** (octaves * glide)).astype(np.float32)
        window = np.sin(np.pi * np.linspace(0, 1, length, dtype=np.float32))
        place(audio, tone(frequency_hz, length) * window * np.float32(rng.uniform(0.5, 1)), onset)
    return audio


def chirps_rising(rng: Random, num_samples: int) -> Audio:
    """Whistles that rise, as of a bird."""
    return _chirps(rng, num_samples, rising=True)


def chirps_falling(rng: Random, num_samples: int) -> Audio:
    """The same whistles falling: they differ from the rising ones in the order of time alone."""
    return _chirps(rng, num_samples, rising=False)


def crickets(rng: Random, num_samples: int) -> Audio:
    """A high tone in fast pulses, a few pulses to a call."""
    carrier_hz = log_uniform(rng, 3000, 7000) * np.exp(0.004 * slow_curve(rng, num_samples, rate_hz=8))
    pulse_hz, call_hz = log_uniform(rng, 20, 70), log_uniform(rng, 1.2, 4)
    seconds = times(num_samples)
    pulses = np.maximum(0, np.sin(2 * np.pi * pulse_hz * seconds)).astype(np.float32)
    call = np.mod(seconds * np.float32(call_hz) + np.float32(rng.uniform(0, 1)), 1) < rng.uniform(0.4, 0.8)
    return np.asarray(tone(carrier_hz.astype(np.float32), num_samples) * pulses * call, dtype=np.float32)


_FORMANTS_HZ = np.array(
    [[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480], [570, 840, 2410], [490, 1350, 1690]]
)


def vowels(rng: Random, num_samples: int) -> Audio:
    """A buzzing voice with three resonances per syllable, a few syllables per second.

    Source:
        Resonances after G. E. Peterson and H. L. Barney, Control Methods Used in a Study of the Vowels, 1952.
    """
    pitch_hz = log_uniform(rng, 90, 320) * np.exp(0.12 * slow_curve(rng, num_samples, rate_hz=3))
    buzz = harmonics(pitch_hz, np.arange(1, 36) ** -0.7)
    audio = np.zeros(num_samples, dtype=np.float32)
    rate_hz, tract = rng.uniform(2, 5), rng.uniform(0.9, 1.25)
    length = int(SAMPLE_RATE / rate_hz * rng.uniform(0.6, 0.95))
    window = np.hanning(length).astype(np.float32) ** np.float32(0.5)
    frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    for onset in regular_onsets(rng, num_samples / SAMPLE_RATE, rate_hz=rate_hz, jitter=0.06):
        part = buzz[max(0, onset) : max(0, onset) + length]
        if len(part) < length:
            continue
        gain = np.full(len(frequencies), 0.01)
        for centre, height in zip(_FORMANTS_HZ[rng.integers(6)] * tract, (1.0, 0.5, 0.25), strict=True):
            gain += height / (1 + ((frequencies - centre) / (60 + 0.05 * centre)) ** 2)
        spoken = np.fft.irfft(np.fft.rfft(part) * gain.astype(np.float32), length).astype(np.float32)
        place(audio, spoken * window, onset)
    return audio
