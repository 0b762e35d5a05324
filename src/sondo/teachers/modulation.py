"""The built-in teacher: what the ear's models measure, with nothing to download."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sondo.audio.logmel import LogMelConfig, hann_window, mel_filterbank
from sondo.errors import SondoError
from sondo.teachers import modulation_scaling as scaling
from sondo.teachers.modulation_spectrum import (
    NUM_RATES,
    NUM_SCALES,
    POWER_OFFSET,
    WINDOW_FRAMES,
    band_statistics,
    modulation_spectrum,
    rate_centres_hz,
    scale_centres,
)

VERSION = 1
"""Raised whenever the vector of the same sound changes."""
FRONT_END = LogMelConfig(hop=320, num_mels=64)
"""64 bands, 100 frames per second."""
_MIN_SAMPLES = FRONT_END.sample_rate // 10
_BLOCK_FRAMES = 256


class ModulationTeacher:
    """Log-mel statistics and modulation spectrum, scaled by `sondo.teachers.modulation_scaling`.

    The vector holds 64 means, 64 deviations, 64 maxima, 64 mean absolute changes (low band first), then 12 x 24 values
    of the modulation spectrum (scale by scale, `scales_cycles_per_band`, in each the rates `rates_hz`).

    Source:
        Elliott & Theunissen 2009, see `sondo.teachers.modulation_spectrum`.
    """

    sample_rate = FRONT_END.sample_rate
    embedding_dim = 4 * FRONT_END.num_mels + NUM_SCALES * NUM_RATES
    num_params = 0
    licence = "MIT"
    source = "sondo; Elliott & Theunissen 2009"

    def __init__(self, name: str = "modulation") -> None:
        self.name = name
        self.fingerprint = _fingerprint()
        self.rates_hz = rate_centres_hz(FRONT_END.sample_rate / FRONT_END.hop)
        self.scales_cycles_per_band = scale_centres(FRONT_END.num_mels)
        self._window = torch.from_numpy(hann_window(FRONT_END.n_fft))
        self._filters = torch.from_numpy(mel_filterbank(FRONT_END)).T.contiguous()
        self._statistics_centre = torch.from_numpy(scaling.statistics_centre(FRONT_END.num_mels))
        self._statistics_deviation = torch.tensor(scaling.STATISTICS_DEVIATION).unsqueeze(-1)
        self._spectrum_centre = torch.from_numpy(scaling.spectrum_centre())

    @torch.no_grad()
    def embed(self, audio: Tensor) -> Tensor:
        """Embed sound of any length from 0.1 s.

        Args:
            audio: Mono sound at 32 kHz, float32 in [-1, 1].

        Shape:
            audio (batch, samples) -> (batch, 544).

        Raises:
            SondoError: Another shape, or fewer than 0.1 s.
        """
        statistics, spectrum = self.measure(audio)
        statistics = statistics - self._statistics_centre.to(audio.device)
        statistics = _soften(statistics, (-1,)) / self._statistics_deviation.to(audio.device)
        spectrum = _soften(spectrum - self._spectrum_centre.to(audio.device), (-2, -1)) / scaling.SPECTRUM_DEVIATION
        return torch.cat([statistics.flatten(1), spectrum.flatten(1)], 1)

    @torch.no_grad()
    def measure(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """The raw measurements, in natural logarithms of power.

        Shape:
            audio (batch, samples) -> (batch, 4, 64) and (batch, NUM_SCALES, NUM_RATES).

        Raises:
            SondoError: Another shape, or fewer than 0.1 s.
        """
        if audio.ndim != 2 or audio.shape[1] < _MIN_SAMPLES:
            raise SondoError(
                f"teacher {self.name} takes sound of shape (batch, samples) with {_MIN_SAMPLES} samples (0.1 s) or "
                f"more, not {tuple(audio.shape)}"
            )
        with _one_thread():
            log_mel = self._log_mel(audio.float())
            return band_statistics(log_mel), modulation_spectrum(log_mel)

    def _log_mel(self, audio: Tensor) -> Tensor:
        """The log-mel of `FRONT_END`, in blocks that bound the memory: (batch, samples) -> (batch, 64, frames)."""
        window, filters = self._window.to(audio.device), self._filters.to(audio.device)
        framed = audio.unfold(-1, FRONT_END.n_fft, FRONT_END.hop)
        mels = audio.new_empty(audio.shape[0], framed.shape[1], FRONT_END.num_mels)
        for start in range(0, framed.shape[1], _BLOCK_FRAMES):
            block = slice(start, start + _BLOCK_FRAMES)
            spectrum = torch.fft.rfft(framed[:, block] * window)
            mels[:, block] = (spectrum.real.square() + spectrum.imag.square()) @ filters
        return torch.log(mels + FRONT_END.log_offset).transpose(-1, -2)


def make_modulation_teacher(
    name: str, *, checkpoint: str | None = None, sample_rate: int | None = None
) -> ModulationTeacher:
    """Make the teacher for `sondo.teachers.create`.

    Args:
        name: Its name.
        checkpoint: Refused: there are no weights.
        sample_rate: Its own rate in Hz, 32000, or nothing.

    Raises:
        SondoError: A checkpoint, or another sample rate.
    """
    if checkpoint is not None:
        raise SondoError(f"teacher {name} has no weights to load: leave the checkpoint {checkpoint} out")
    if sample_rate not in (None, FRONT_END.sample_rate):
        raise SondoError(f"teacher {name} hears at {FRONT_END.sample_rate} Hz, not {sample_rate}: leave the rate out")
    return ModulationTeacher(name)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch's operations on the calling thread.

    They are so short that threads waiting for one another cost up to ten times the work wherever a core is busy, with
    decoding for instance; and the result does not depend on the number of cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _soften(values: Tensor, over: tuple[int, ...]) -> Tensor:
    """Leave `COMMON_SHIFT_WEIGHT` of what the values have in common."""
    return values - (1 - scaling.COMMON_SHIFT_WEIGHT) * values.mean(over, keepdim=True)


def _fingerprint() -> str:
    what = {
        "version": VERSION,
        "front_end": FRONT_END.to_dict(),
        "spectrum": [WINDOW_FRAMES, NUM_SCALES, NUM_RATES, POWER_OFFSET],
        "scaling": scaling.settings(),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
