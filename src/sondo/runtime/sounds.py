"""What a user hands over as a sound: a path, or an array and its rate. Checked before anything is computed."""

from __future__ import annotations

from os import PathLike
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from sondo.audio.arrays import as_float
from sondo.audio.clips import HIGHEST_HZ, LOWEST_HZ, MIN_CLIP_S
from sondo.audio.errors import AudioError
from sondo.errors import SondoError

Path = str | PathLike[str]


def is_path(sound: Any) -> TypeGuard[Path]:
    """Whether a sound is the path of a file."""
    return isinstance(sound, str | PathLike)


def checked_rate(sample_rate: Any) -> int:
    """A sample rate, once it can be one.

    Raises:
        SondoError: None, not a whole number of Hz, or so low or high that it is no rate of sound, as one in kHz.
    """
    if sample_rate is None:
        raise SondoError("an array needs its sample rate: embed(samples, sample_rate=16000)")
    is_number = isinstance(sample_rate, int | float | np.integer | np.floating) and not isinstance(sample_rate, bool)
    if not is_number or sample_rate % 1:
        raise SondoError(f"a sample rate is a whole number of Hz, such as 16000, not {sample_rate!r}")
    if not LOWEST_HZ <= sample_rate <= HIGHEST_HZ:
        raise SondoError(
            f"a sample rate of {sample_rate:,} Hz is not one of sound: from {LOWEST_HZ:,} to {HIGHEST_HZ:,} Hz "
            "(is it in kHz?)"
        )
    return int(sample_rate)


def checked_samples(sound: Any, sample_rate: Any) -> tuple[NDArray[np.float32], int]:
    """An array of one sound or several as float32, and its rate.

    Shape:
        sound (samples,) or (batch, samples) -> the same.

    Raises:
        SondoError: As `checked_rate`; samples that `as_float` refuses, another shape, or less than 0.1 s.
    """
    rate = checked_rate(sample_rate)
    audio = as_float(sound)
    if audio.ndim not in (1, 2) or (audio.ndim == 2 and not len(audio)):
        raise SondoError(f"sound is an array (samples,) or (batch, samples), not of shape {audio.shape}")
    if audio.shape[-1] < round(MIN_CLIP_S * rate):
        hint = " (is it (samples, channels)? Average the channels)" if audio.ndim == 2 and audio.shape[1] < 9 else ""
        raise AudioError(
            f"{audio.shape[-1] / rate:.4g} s of sound in an array of shape {audio.shape} at {rate} Hz: "
            f"at least {MIN_CLIP_S:g} s is needed{hint}"
        )
    return audio, rate
