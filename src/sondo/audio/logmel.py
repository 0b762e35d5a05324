"""The log-mel front-end of the students, in numpy: parameters, filterbank, window and transform.

The torch front-end and the exported files are built from the arrays made here, so there is one definition.

Source:
    El Adlouni et al. 2026 (arXiv 2604.24933), section 3; the filterbank is that of Slaney's Auditory Toolbox (1998).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError

_BLOCK_FRAMES = 256
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


@dataclass(frozen=True)
class LogMelConfig:
    """Parameters of the log-mel: Hann window as long as the FFT, not centred, power, ``log(mel + log_offset)``.

    Args:
        sample_rate: Rate of the sound in Hz.
        n_fft: Samples of the FFT and of its window, a power of two.
        hop: Samples from one frame to the next.
        num_mels: Number of mel bands.
        f_min_hz: Lower edge of the first band.
        f_max_hz: Upper edge of the last band, at most half the sample rate.
        log_offset: Added to the mel power before the logarithm.

    Raises:
        SondoError: Values that contradict each other.
    """

    sample_rate: int = 32000
    n_fft: int = 1024
    hop: int = 512
    num_mels: int = 128
    f_min_hz: float = 50.0
    f_max_hz: float = 16000.0
    log_offset: float = 1e-3

    def __post_init__(self) -> None:
        wrong = []
        if self.n_fft < 2 or self.n_fft & (self.n_fft - 1):
            wrong.append(f"n_fft={self.n_fft} is not a power of two")
        if not 0 < self.hop <= self.n_fft:
            wrong.append(f"hop={self.hop} is not between 1 and n_fft={self.n_fft}")
        if self.num_mels < 1:
            wrong.append(f"num_mels={self.num_mels} is below 1")
        if not 0 <= self.f_min_hz < self.f_max_hz <= self.sample_rate / 2:
            wrong.append(
                f"f_min_hz={self.f_min_hz:g}, f_max_hz={self.f_max_hz:g} do not lie in order between 0 and half the "
                f"sample rate {self.sample_rate}"
            )
        if not self.log_offset > 0:
            wrong.append(f"log_offset={self.log_offset} is not above 0")
        if wrong:
            raise SondoError(f"these log-mel settings cannot work: {'; '.join(wrong)}")

    def num_frames(self, num_samples: int) -> int:
        """Frames of a sound: ``1 + (num_samples - n_fft) // hop``, and 0 when it is shorter than one window."""
        return 0 if num_samples < self.n_fft else 1 + (num_samples - self.n_fft) // self.hop

    def to_dict(self) -> dict[str, int | float]:
        """The parameters as plain numbers, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LogMelConfig:
        """The opposite of `to_dict`.

        Raises:
            SondoError: A parameter is missing or unknown, or no number.
        """
        names = {field.name: int if field.type == "int" else float for field in fields(cls)}
        if set(values) != set(names):
            unknown, missing = sorted(set(values) - set(names)), sorted(set(names) - set(values))
            raise SondoError(f"log-mel settings do not fit: unknown {unknown or 'none'}, missing {missing or 'none'}")
        bad = [name for name in names if isinstance(values[name], bool) or not isinstance(values[name], int | float)]
        if bad:
            raise SondoError(f"log-mel settings that are no numbers: {', '.join(bad)}")
        numbers: dict[str, Any] = {name: kind(values[name]) for name, kind in names.items()}
        return cls(**numbers)

    def hash(self) -> str:
        """Twelve hexadecimal digits that stay the same for the same parameters, on every machine."""
        text = json.dumps({name: repr(float(value)) for name, value in self.to_dict().items()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class MelBands(Protocol):
    """What a filterbank is made from; a `LogMelConfig`, or another front-end with an FFT of any length."""

    @property
    def sample_rate(self) -> int:
        """Hz."""

    @property
    def n_fft(self) -> int:
        """Samples of the FFT."""

    @property
    def num_mels(self) -> int:
        """Number of bands."""

    @property
    def f_min_hz(self) -> float:
        """Lower edge of the first band."""

    @property
    def f_max_hz(self) -> float:
        """Upper edge of the last band."""


def mel_filterbank(config: MelBands) -> NDArray[np.float32]:
    """Triangles on Slaney's mel scale, each of unit area (in Hz), computed in float64.

    Shape:
        -> (num_mels, n_fft // 2 + 1).
    """
    low, high = _hz_to_mel(np.array([config.f_min_hz, config.f_max_hz]))
    edges_hz = _mel_to_hz(np.linspace(low, high, config.num_mels + 2))
    bins_hz = np.arange(config.n_fft // 2 + 1) * (config.sample_rate / config.n_fft)
    lower, centre, upper = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - lower) / (centre - lower)
    falling = (upper - bins_hz) / (upper - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (upper - lower)), dtype=np.float32)


def hann_window(n_fft: int) -> NDArray[np.float32]:
    """The periodic Hann window: its first value is 0 and copies shifted by half its length add up to 1.

    Shape:
        -> (n_fft,).
    """
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft), dtype=np.float32)


def log_mel(audio: NDArray[np.float32], *, config: LogMelConfig | None = None) -> NDArray[np.float32]:
    """Log-mel spectrogram of sound at the rate of the front-end.

    Args:
        audio: Samples in [-1, 1]; float32 (other floats are converted).
        config: The front-end; the default one when left out.

    Shape:
        audio (..., samples) -> (..., num_mels, frames) with ``frames = 1 + (samples - n_fft) // hop``.

    Raises:
        SondoError: Samples are not floats, or fewer than one FFT window.
    """
    config = config or LogMelConfig()
    audio = np.asarray(audio)
    if audio.dtype.kind != "f":
        raise SondoError(f"log_mel takes float samples in [-1, 1], not {audio.dtype}")
    frames = config.num_frames(audio.shape[-1] if audio.ndim else 0)
    if not frames:
        raise SondoError(f"log_mel needs at least {config.n_fft} samples, not an array of shape {audio.shape}")
    rows = audio.astype(np.float32, copy=False).reshape(-1, audio.shape[-1])
    out = np.empty((len(rows), config.num_mels, frames), dtype=np.float32)
    for row, mels in zip(rows, out, strict=True):
        _log_mel_row(row, mels, config)
    return out.reshape(*audio.shape[:-1], config.num_mels, frames)


def _log_mel_row(row: NDArray[np.float32], out: NDArray[np.float32], config: LogMelConfig) -> None:
    """Fill `out` (num_mels, frames) in blocks of frames, which stay in the cache and bound the memory."""
    window, filters = _constants(config)
    framed = np.lib.stride_tricks.sliding_window_view(row, config.n_fft)[:: config.hop]
    for start in range(0, out.shape[1], _BLOCK_FRAMES):
        spectrum = np.fft.rfft(framed[start : start + _BLOCK_FRAMES] * window).astype(np.complex64, copy=False)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        out[:, start : start + _BLOCK_FRAMES] = filters @ power.T
    out += np.float32(config.log_offset)
    np.log(out, out=out)


@lru_cache(maxsize=8)
def _constants(config: LogMelConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return hann_window(config.n_fft), mel_filterbank(config)


def _hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _KNEE_MEL + np.log(np.maximum(hz, _KNEE_HZ) / _KNEE_HZ) / _LOG_STEP
    return np.where(hz < _KNEE_HZ, hz / _LINEAR_HZ_PER_MEL, above)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _KNEE_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _KNEE_MEL) - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _LINEAR_HZ_PER_MEL, above)
