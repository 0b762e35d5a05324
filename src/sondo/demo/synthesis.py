"""Building blocks of synthetic sound: shaped noise, tones, decays, events, and the room around them (numpy alone)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
Random = np.random.Generator
SAMPLE_RATE = 32_000
_LONGEST_ECHO_S = 0.6


def times(num_samples: int) -> Audio:
    """Seconds at each sample."""
    return np.arange(num_samples, dtype=np.float32) / np.float32(SAMPLE_RATE)


def log_uniform(rng: Random, low: float, high: float) -> float:
    """A random number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def shaped_noise(rng: Random, num_samples: int, *, centre_hz: float, octaves: float, tilt_db: float = 0.0) -> Audio:
    """Gaussian noise with a bell-shaped band on a logarithmic axis, of peak 1.

    Args:
        rng: Source of the noise.
        num_samples: Length.
        centre_hz: Middle of the band.
        octaves: Standard deviation of the bell.
        tilt_db: Slope in dB per octave on top of the band.
    """
    spectrum = np.fft.rfft(rng.standard_normal(num_samples, dtype=np.float32))
    distance = _octaves_from(num_samples, centre_hz)
    gain = np.exp(-0.5 * (distance / octaves) ** 2) * 10 ** (tilt_db * distance / 20)
    return unit_peak(np.fft.irfft(spectrum * gain.astype(np.float32), num_samples).astype(np.float32))


def slow_curve(rng: Random, num_samples: int, *, rate_hz: float) -> Audio:
    """A smooth random curve through about `rate_hz` independent values per second, mean 0 and deviation 1."""
    num_points = max(4, int(num_samples / SAMPLE_RATE * rate_hz) + 4)
    points = rng.standard_normal(num_points).astype(np.float32)
    position = np.linspace(0, num_points - 1.001, num_samples, dtype=np.float32)
    index = position.astype(np.int64)
    blend = (0.5 - 0.5 * np.cos(np.pi * (position - index))).astype(np.float32)
    return np.asarray(points[index] * (1 - blend) + points[index + 1] * blend, dtype=np.float32)


def tone(frequency_hz: Audio | float, num_samples: int, *, phase: float = 0.0) -> Audio:
    """A sine whose frequency may change with every sample."""
    if isinstance(frequency_hz, np.ndarray):
        angle = 2 * np.pi * np.cumsum(frequency_hz, dtype=np.float64) / SAMPLE_RATE
        base = np.mod(angle, 2 * np.pi).astype(np.float32)
    else:
        base = np.float32(2 * np.pi * frequency_hz) * times(num_samples)
    return np.asarray(np.sin(base + np.float32(phase)), dtype=np.float32)


def harmonics(frequency_hz: Audio, amplitudes: NDArray[np.floating]) -> Audio:
    """A tone with overtones at whole multiples; those above 15 kHz are left out.

    Shape:
        frequency_hz: (samples,). amplitudes: (partials,), first for the fundamental. Output: (samples,).
    """
    angle = 2 * np.pi * np.cumsum(frequency_hz, dtype=np.float64) / SAMPLE_RATE
    base = np.mod(angle, 2 * np.pi).astype(np.float32)
    # sin(k x) by the recurrence sin((k+1) x) = 2 cos(x) sin(k x) - sin((k-1) x): one sine for all partials.
    twice_cos = 2 * np.cos(base)
    before, current = np.zeros_like(base), np.sin(base)
    total = np.zeros_like(base)
    highest = float(frequency_hz.max())
    for number, amplitude in enumerate(amplitudes, start=1):
        if number * highest > 15_000:
            break
        total += np.float32(amplitude) * current
        before, current = current, twice_cos * current - before
    return total


def decay(num_samples: int, time_s: float, *, attack_s: float = 0.001) -> Audio:
    """An envelope that rises linearly and then falls by 60 dB in `time_s`."""
    seconds = times(num_samples)
    rise = np.minimum(1, seconds / np.float32(attack_s))
    return np.asarray(rise * np.exp(np.float32(-6.9 / time_s) * seconds), dtype=np.float32)


def place(target: Audio, event: Audio, at_sample: int) -> None:
    """Add an event to a sound in place; what lies outside is cut."""
    start, stop = max(0, at_sample), min(len(target), at_sample + len(event))
    if stop > start:
        target[start:stop] += event[start - at_sample : stop - at_sample]


def regular_onsets(rng: Random, duration_s: float, *, rate_hz: float, jitter: float) -> Iterable[int]:
    """Sample positions of a steady beat with a random start; `jitter` is the deviation in parts of the period."""
    period = 1 / rate_hz
    beats = np.arange(rng.uniform(0, period), duration_s, period)
    return [int(value * SAMPLE_RATE) for value in beats + rng.normal(0, jitter * period, len(beats))]


def random_onsets(rng: Random, duration_s: float, *, rate_hz: float) -> Iterable[int]:
    """Sample positions of a Poisson process."""
    count = rng.poisson(rate_hz * duration_s)
    return [int(value * SAMPLE_RATE) for value in np.sort(rng.uniform(0, duration_s, count))]


def unit_peak(audio: Audio) -> Audio:
    """Scale to a peak of 1; silence stays silent."""
    peak = float(np.abs(audio).max(initial=0.0))
    return audio if peak < 1e-9 else np.asarray(audio / np.float32(peak), dtype=np.float32)


def record(rng: Random, audio: Audio) -> Audio:
    """What a random microphone in a random room makes of a sound: echo, colour, background noise and level."""
    num_samples = len(audio)
    size = -(-(num_samples + int(_LONGEST_ECHO_S * SAMPLE_RATE)) // 4096) * 4096
    spectrum = np.fft.rfft(audio, size)
    if rng.random() < 0.7:
        length_s = log_uniform(rng, 0.08, _LONGEST_ECHO_S)
        tail = rng.standard_normal(int(length_s * SAMPLE_RATE), dtype=np.float32)
        tail *= decay(len(tail), length_s, attack_s=0.003)
        tail *= np.float32(log_uniform(rng, 0.05, 0.4) / np.sqrt(np.sum(tail**2)))
        tail[0] += 1
        spectrum *= np.fft.rfft(tail, size)
    spectrum *= _colour(rng, size)
    wet = unit_peak(np.fft.irfft(spectrum, size)[:num_samples].astype(np.float32))
    background = shaped_noise(
        rng,
        num_samples,
        centre_hz=log_uniform(rng, 80, 6000),
        octaves=rng.uniform(1.0, 3.0),
        tilt_db=rng.uniform(-3, 1),
    )
    background *= np.exp(np.float32(rng.uniform(0, 0.35)) * slow_curve(rng, num_samples, rate_hz=3))
    ratio_db = rng.uniform(10, 32)
    # Relative to the loudest tenth of the sound, or sparse events would drown.
    loud = np.sqrt(np.quantile(wet[: num_samples // 320 * 320].reshape(-1, 320) ** 2, 0.9, axis=0).mean())
    power = np.sqrt(np.mean(background**2)) + 1e-9
    mixed = unit_peak(wet + background * np.float32(loud / power * 10 ** (-ratio_db / 20)))
    return mixed * np.float32(10 ** (rng.uniform(-15, -1) / 20))


def _colour(rng: Random, size: int) -> Audio:
    """A gain per frequency: a tilt and two broad peaks or dips."""
    distance = _octaves_from(size, 1000.0)
    gain_db = rng.uniform(-1.0, 1.0) * distance
    for _ in range(2):
        centre, width = rng.uniform(-3.5, 3.5), rng.uniform(0.3, 1.2)
        gain_db = gain_db + rng.uniform(-5, 5) * np.exp(-0.5 * ((distance - centre) / width) ** 2)
    return (10 ** (gain_db / 20)).astype(np.float32)


def _octaves_from(num_samples: int, centre_hz: float) -> Audio:
    """Distance of each bin of a real transform from a frequency, in octaves; the lowest bins count as 20 Hz."""
    frequencies = np.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE).astype(np.float32)
    return np.asarray(np.log2(np.maximum(frequencies, 20) / np.float32(centre_hz)), dtype=np.float32)
