"""The signal of the golden log-mel vectors. The order of the draws is part of the recipe: change nothing."""

import math

import numpy as np


def golden_waveform(sample_rate: int, seconds: float, seed: int) -> np.ndarray:
    """A logarithmic chirp, five decaying tones, low noise and a gap of silence, on the grid of 16-bit samples."""
    count = round(sample_rate * seconds)
    length = count / sample_rate
    draw = np.random.default_rng(seed)
    time = np.arange(count, dtype=np.float64) / sample_rate
    low, high = draw.uniform(40.0, 200.0), draw.uniform(0.60, 0.95) * sample_rate / 2
    if draw.uniform() < 0.5:
        low, high = high, low
    rate = math.log(high / low) / length
    signal = 0.5 * np.sin(2 * np.pi * low * np.expm1(rate * time) / rate)
    for _ in range(5):
        onset = draw.uniform(0.0, 0.8) * length
        hz = math.exp(draw.uniform(math.log(80.0), math.log(0.4 * sample_rate)))
        decay, level, phase = draw.uniform(0.5, 6.0), draw.uniform(0.2, 0.6), draw.uniform(0.0, 2 * np.pi)
        local = time - onset
        tone = np.exp(-decay * np.maximum(local, 0.0)) * np.sin(2 * np.pi * hz * local + phase)
        signal += np.where(local >= 0.0, level * tone, 0.0)
    signal += 0.01 * draw.standard_normal(count)
    gap = int(draw.uniform(0.2, 0.8) * count)
    signal[gap : gap + count // 25] = 0.0
    signal *= 0.9 / np.max(np.abs(signal))
    return (np.rint(signal * 32768.0) / 32768.0).astype(np.float32)
