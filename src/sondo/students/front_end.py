"""The torch form of the log-mel front-end, on the constants of `sondo.audio.logmel`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sondo.audio.logmel import LogMelConfig, hann_window, mel_filterbank


class LogMel(nn.Module):
    """Log-mel spectrogram: power STFT without centring, mel filters, `log(mel + offset)`. Always in float32.

    Args:
        config: The settings.

    Shape:
        - input: (..., samples) float32 in [-1, 1], at `config.sample_rate`
        - output: (..., mels, frames), frames = 1 + (samples - n_fft) // hop
    """

    window: Tensor
    filters: Tensor

    def __init__(self, config: LogMelConfig | None = None) -> None:
        super().__init__()
        self.config = config or LogMelConfig()
        self.register_buffer("window", torch.from_numpy(hann_window(self.config.n_fft)).float(), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filterbank(self.config)).float(), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """See the class."""
        with torch.autocast(audio.device.type, enabled=False):
            frames = audio.float().unfold(-1, self.config.n_fft, self.config.hop) * self.window
            spectrum = torch.fft.rfft(frames)
            power = spectrum.real.square() + spectrum.imag.square()
            return torch.log(power @ self.filters.T + self.config.log_offset).transpose(-1, -2)
