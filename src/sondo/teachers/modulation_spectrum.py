"""The two measurements behind the `modulation` teacher: statistics per band and the modulation power spectrum.

Source:
    T. M. Elliott, F. E. Theunissen: "The Modulation Transfer Function for Speech Intelligibility", PLoS Computational
    Biology 5(3), 2009: the squared 2-D Fourier transform of the log spectrogram. Our deviations: mel bands instead of
    linear frequency, windows of about a second that are averaged, pooling into few scales and rates, the two
    directions of a sweep taken together.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WINDOW_FRAMES = 128
"""Frames of a window of the modulation spectrum, 1.28 s at 100 frames per second."""
NUM_SCALES = 12
NUM_RATES = 24
POWER_OFFSET = 1e-3
"""Added to modulation power before the logarithm: the power of a flicker of the log-mel by 3 %."""
_WINDOWS_PER_BLOCK = 64


def band_statistics(log_mel: Tensor) -> Tensor:
    """Mean, standard deviation, maximum, and mean absolute change from frame to frame, of each band.

    Shape:
        log_mel (batch, bands, frames), two frames or more -> (batch, 4, bands).
    """
    change = (log_mel[..., 1:] - log_mel[..., :-1]).abs().mean(-1)
    deviation = log_mel.std(-1, correction=0)
    return torch.stack([log_mel.mean(-1), deviation, log_mel.amax(-1), change], -2)


def modulation_spectrum(log_mel: Tensor) -> Tensor:
    """Log of the modulation power, pooled over scale and rate, averaged over windows.

    Each window of `WINDOW_FRAMES` frames (all of the sound when that is shorter) loses its mean, is tapered in time,
    zero-padded and transformed; its power is divided by the energy of the taper. So the axes are the same for every
    length, and a texture has the same density whether it is short or long. Windows overlap by half or more and are
    spread so that the first begins and the last ends with the sound.

    Shape:
        log_mel (batch, bands, frames) -> (batch, NUM_SCALES, NUM_RATES).
    """
    bands, frames = log_mel.shape[-2:]
    length = min(frames, WINDOW_FRAMES)
    starts = _window_starts(frames, length)
    taper = torch.hann_window(length + 2, periodic=False, dtype=log_mel.dtype, device=log_mel.device)[1:-1]
    windows = log_mel.unfold(-1, length, 1)
    total = log_mel.new_zeros(log_mel.shape[0], bands // 2 + 1, WINDOW_FRAMES // 2 + 1)
    for first in range(0, len(starts), _WINDOWS_PER_BLOCK):
        block = windows[:, :, starts[first : first + _WINDOWS_PER_BLOCK]]
        block = (block - block.mean((1, 3), keepdim=True)) * taper
        spectrum = torch.fft.fft(torch.fft.rfft(block, n=WINDOW_FRAMES), dim=1)
        total += _without_direction((spectrum.real.square() + spectrum.imag.square()).sum(2))
    power = total / (len(starts) * bands * taper.square().sum())
    pool_scale, pool_rate = (pool.to(log_mel) for pool in _pools(bands))
    return torch.log(pool_scale @ power @ pool_rate.T + POWER_OFFSET)


def scale_centres(bands: int) -> NDArray[np.float64]:
    """Centre of each pooled scale, in cycles per band.

    Shape:
        -> (NUM_SCALES,), from 0 to 0.5.
    """
    return _centres(bands // 2, NUM_SCALES) / bands


def rate_centres_hz(frames_per_s: float) -> NDArray[np.float64]:
    """Centre of each pooled rate, in Hz.

    Shape:
        -> (NUM_RATES,), from 0 to half of `frames_per_s`.
    """
    return _centres(WINDOW_FRAMES // 2, NUM_RATES) * frames_per_s / WINDOW_FRAMES


def _window_starts(frames: int, length: int) -> list[int]:
    count = 1 + -(-(frames - length) // (length // 2)) if frames > length else 1
    return [round(float(start)) for start in np.linspace(0, frames - length, count)]


def _without_direction(power: Tensor) -> Tensor:
    """Mean of upward and downward ripples: scales (batch, bands, rates) -> (batch, bands // 2 + 1, rates)."""
    half = power.shape[1] // 2
    upward = power[:, : half + 1]
    downward = torch.cat([power[:, :1], power[:, half:].flip(1)], 1)
    return (upward + downward) / 2


def _centres(last_bin: int, count: int) -> NDArray[np.float64]:
    """Centres from bin 0 to `last_bin`, one bin apart at first and then ever wider: (e^(g i) - 1) / (e^g - 1)."""
    index = np.arange(count)
    low, high = 1e-6, 3.0
    for _ in range(60):
        growth = (low + high) / 2
        low, high = (low, growth) if np.expm1(growth * (count - 1)) > last_bin * np.expm1(growth) else (growth, high)
    centres = np.expm1(low * index) / np.expm1(low)
    return np.asarray(centres * (last_bin / centres[-1]), dtype=np.float64)


@lru_cache(maxsize=4)
def _pools(bands: int) -> tuple[Tensor, Tensor]:
    """Triangles between neighbouring centres, each of sum 1: (NUM_SCALES, scales) and (NUM_RATES, rates)."""
    return _triangles(bands // 2, NUM_SCALES), _triangles(WINDOW_FRAMES // 2, NUM_RATES)


def _triangles(last_bin: int, count: int) -> Tensor:
    centres = _centres(last_bin, count)
    rows = [np.interp(np.arange(last_bin + 1), centres, row) for row in np.eye(count)]
    return torch.from_numpy(np.stack([row / row.sum() for row in rows]).astype(np.float32))
