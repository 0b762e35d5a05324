"""BYOL-A as a teacher for experiments: 512 values from a published checkpoint of 0.6 M parameters.

    git clone https://github.com/nttcslab/byol-a
    export BYOL_A=byol-a/pretrained_weights/AudioNTT2020-BYOLA-64x96d512.pth
    PYTHONPATH=benchmarks sondo teach --bank B.lance --teacher byol_a:make --teacher.label byol_a

Licence: the weights are NTT's, for evaluation only, not to be passed on; neither may a student that they taught.

Source: Niizumi et al. 2021 (arXiv 2103.06695); layers and tensor names of github.com/nttcslab/byol-a (3e65c92),
`byol_a/models.py`; front-end of its `config.yaml`; mean and deviation of its README's example.
"""

import os

import numpy as np
import torch
from torch import Tensor, nn

SAMPLE_RATE, N_FFT, HOP, NUM_MELS, LOWEST_HZ, HIGHEST_HZ = 16000, 1024, 160, 64, 60.0, 7800.0
LOG_MEAN, LOG_DEVIATION = -5.4919195, 5.0389895
WIDTH, VALUES = 64, 512


def htk_mel_filters() -> Tensor:
    """Triangles on the HTK mel scale, not normalised: (bins, mels)."""
    mel = 2595 * np.log10(1 + np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)
    edges_hz = 700 * (10 ** (np.linspace(*mel, NUM_MELS + 2) / 2595) - 1)
    bins_hz = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    slope = edges_hz[None] - bins_hz[:, None]
    step = np.diff(edges_hz)
    filters = np.maximum(0, np.minimum(-slope[:, :-2] / step[:-1], slope[:, 2:] / step[1:]))
    return torch.tensor(filters, dtype=torch.float32)


class ByolA(nn.Module):
    """Three convolutions and two linear layers over time; maximum plus mean over time."""

    name = "byol_a"
    sample_rate = SAMPLE_RATE
    embedding_dim = VALUES
    licence = "NTT evaluation licence (no redistribution)"

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (1, WIDTH, WIDTH):
            layers += [nn.Conv2d(channels, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.fc = nn.Sequential(
            nn.Linear(WIDTH * NUM_MELS // 8, VALUES), nn.ReLU(), nn.Dropout(), nn.Linear(VALUES, VALUES), nn.ReLU()
        )
        self.register_buffer("filters", htk_mel_filters(), persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    @property
    def num_params(self) -> int:
        """Parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    @torch.no_grad()
    def embed(self, audio: Tensor) -> Tensor:
        """(batch, samples) -> (batch, 512)."""
        spectrum = torch.stft(audio, N_FFT, HOP, window=self.window, return_complex=True).abs().square()
        log_mel = (torch.einsum("bft,fm->bmt", spectrum, self.filters) + torch.finfo(torch.float32).eps).log()
        maps = self.features(((log_mel - LOG_MEAN) / LOG_DEVIATION)[:, None])
        steps: Tensor = self.fc(maps.permute(0, 3, 2, 1).flatten(2))
        return steps.amax(1) + steps.mean(1)


def make() -> ByolA:
    """The teacher, its weights from the file that BYOL_A names."""
    teacher = ByolA()
    weights = torch.load(os.environ["BYOL_A"], map_location="cpu", weights_only=True)
    teacher.load_state_dict(weights)
    return teacher.eval()
