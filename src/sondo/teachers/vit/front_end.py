"""The log-mel of MATPAC and M2D: 16 kHz, windows of 25 ms each 10 ms, 80 bands, normalised by two fixed numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sondo.audio.logmel import hann_window, mel_filterbank

SAMPLE_RATE = 16000
NUM_BANDS = 80
WINDOW = 400
HOP = 160
LOG_OFFSET = 2.0**-23
"""Added to the power before the logarithm: the spacing of float32 at 1, which is what both published codes add."""


@dataclass(frozen=True)
class _Bands:
    """What `mel_filterbank` reads; not a `LogMelConfig`, whose FFT is a power of two."""

    sample_rate: int = SAMPLE_RATE
    n_fft: int = WINDOW
    num_mels: int = NUM_BANDS
    f_min_hz: float = 50.0
    f_max_hz: float = 8000.0


class NormalisedLogMel(nn.Module):
    """``(log(mel + 2^-23) - mean) / std`` of the power spectrum, in float32 even under autocast.

    Args:
        mean: Subtracted from the logarithm.
        std: The difference is divided by it.
        centred: Frame t is centred on sample 160 t and the ends are mirrored (M2D); otherwise it starts there (MATPAC).

    Shape:
        audio (batch, samples) -> (batch, 80, frames), ``frames = 1 + samples // 160`` when centred, else
        ``1 + (samples - 400) // 160``.

    Source:
        MATPAC: aurianworld/matpac, `matpac/preprocess.py`; M2D: nttcslab/m2d, `examples/portable_m2d.py`.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, *, mean: float, std: float, centred: bool) -> None:
        super().__init__()
        self.mean, self.std, self.centred = mean, std, centred
        self.register_buffer("window", torch.from_numpy(hann_window(WINDOW)), persistent=False)
        filters = torch.from_numpy(mel_filterbank(_Bands()))
        self.register_buffer("filters", filters, persistent=False)

    @property
    def min_samples(self) -> int:
        """The shortest sound that gives a frame."""
        return WINDOW // 2 + 1 if self.centred else WINDOW

    def num_frames(self, num_samples: int) -> int:
        """Frames of a sound of at least `min_samples` samples."""
        return 1 + (num_samples if self.centred else num_samples - WINDOW) // HOP

    def forward(self, audio: Tensor) -> Tensor:
        """Transform sound at 16 kHz, samples in [-1, 1]."""
        with torch.autocast(audio.device.type, enabled=False):
            spectrum = torch.stft(
                audio.float(),
                WINDOW,
                HOP,
                window=self.window.float(),
                center=self.centred,
                pad_mode="reflect",
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            return (torch.log(self.filters.float() @ power + LOG_OFFSET) - self.mean) / self.std
