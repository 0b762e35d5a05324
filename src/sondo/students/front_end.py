"""The log-mel front-end as a torch module, on the window and filterbank of `sondo.audio.logmel`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sondo.audio.errors import AudioError
from sondo.audio.logmel import LogMelConfig, hann_window, mel_filterbank


class LogMel(nn.Module):
    """Log-mel spectrogram, in float32 even under autocast and after `half()`, whose range a power spectrum exceeds.

    Its window and filters follow from `config` and are no part of a state dict.

    Args:
        config: The front-end's parameters.

    Shape:
        audio (..., samples) -> (..., num_mels, frames) with ``frames = 1 + (samples - n_fft) // hop``.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, config: LogMelConfig | None = None) -> None:
        super().__init__()
        self.config = config or LogMelConfig()
        self.register_buffer("window", torch.from_numpy(hann_window(self.config.n_fft)), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filterbank(self.config)), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> LogMel:
        """What `to`, `half` and the like call: the device changes, the numbers stay as they are."""
        window, filters = self.window, self.filters
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.window, self.filters = window.to(self.window.device), filters.to(self.filters.device)
        return self

    def forward(self, audio: Tensor) -> Tensor:
        """Transform sound.

        Args:
            audio: Samples in [-1, 1] at `config.sample_rate`.

        Raises:
            AudioError: Fewer samples than one FFT window.
        """
        config, num_samples = self.config, audio.shape[-1]
        if num_samples < config.n_fft:
            raise AudioError(f"{num_samples} samples are too short for a log-mel: at least {config.n_fft} needed")
        with torch.autocast(audio.device.type, enabled=False):
            rows = audio.float().reshape(-1, num_samples)
            spectrum = torch.stft(rows, config.n_fft, config.hop, window=self.window, center=False, return_complex=True)
            power = spectrum.real.square() + spectrum.imag.square()
            log_mel = torch.log(self.filters @ power + config.log_offset)
        return log_mel.reshape(*audio.shape[:-1], *log_mel.shape[1:])
