"""Sound that is already in memory: dtype, channels and rate made what the models take."""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from sondo.audio.errors import AudioError

LARGEST_FLOAT = 256.0
"""A float sample above this is an integer that was only cast; sound far above full scale is below it."""
_INT_OFFSET_AND_SCALE = {"int8": (0, 2**7), "uint8": (128, 2**7), "int16": (0, 2**15), "int32": (0, 2**31)}


def as_float(sound: Any) -> NDArray[np.float32]:
    """Samples as float32 in [-1, 1]: integers are divided by their full scale, floats are taken as they are.

    Raises:
        AudioError: Another dtype, a sample that is not finite, or floats that are plainly unscaled integers.
    """
    audio: NDArray[Any] = np.asarray(sound)
    if audio.dtype.name in _INT_OFFSET_AND_SCALE:
        offset, scale = _INT_OFFSET_AND_SCALE[audio.dtype.name]
        return np.asarray((audio.astype(np.float64) - offset) / scale, dtype=np.float32)
    if audio.dtype.kind != "f":
        raise AudioError(
            f"samples of dtype {audio.dtype} are not sound that sondo knows: give floats in [-1, 1], or int16, int32, "
            "int8 or uint8"
        )
    audio = np.asarray(audio, dtype=np.float32)
    if not np.isfinite(audio).all():
        raise AudioError(f"{np.count_nonzero(~np.isfinite(audio)):,} of {audio.size:,} samples are not finite numbers")
    if audio.size and (peak := float(np.abs(audio).max())) > LARGEST_FLOAT:
        raise AudioError(
            f"float samples up to {peak:g} are not in [-1, 1]: these look like integers that were only cast "
            "(for 16-bit sound, divide by 32768, or give the integers)"
        )
    return audio


def resample(audio: NDArray[np.float32], sample_rate_in: int, sample_rate_out: int) -> NDArray[np.float32]:
    """Change the rate of a whole piece at once (soxr, high quality).

    Shape:
        audio (samples,) -> (round(samples * sample_rate_out / sample_rate_in),).
    """
    if sample_rate_in == sample_rate_out:
        return audio
    out = soxr.resample(audio, sample_rate_in, sample_rate_out, quality="HQ")
    length = round(len(audio) * sample_rate_out / sample_rate_in)
    return np.asarray(out if len(out) == length else np.pad(out[:length], (0, max(0, length - len(out)))), np.float32)


def to_mono_at(audio: Any, sample_rate_in: int, sample_rate_out: int) -> NDArray[np.float32]:
    """Mix an array down to mono and change its rate.

    Args:
        audio: Samples as `as_float` takes them.
        sample_rate_in: Its rate in Hz.
        sample_rate_out: The wanted rate in Hz.

    Shape:
        audio (samples,) or (channels, samples) -> (round(samples * sample_rate_out / sample_rate_in),).

    Raises:
        AudioError: What `as_float` refuses, or an array of another rank.
    """
    audio = as_float(audio)
    if audio.ndim not in (1, 2) or 0 in audio.shape:
        raise AudioError(f"sound is an array (samples,) or (channels, samples), not of shape {audio.shape}")
    mono = audio if audio.ndim == 1 else audio.mean(axis=0, dtype=np.float32)
    return resample(mono, sample_rate_in, sample_rate_out)


def fill_up(sound: NDArray[np.float32], num_samples: int) -> NDArray[np.float32]:
    """Sound of a length: zeros behind a shorter one, the middle of a longer one.

    Shape:
        (samples,) -> (num_samples,).
    """
    start = max(0, (len(sound) - num_samples) // 2)
    cut = sound[start : start + num_samples]
    return np.pad(cut, (0, num_samples - len(cut)))
