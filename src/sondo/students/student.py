"""A student: raw sound in, one embedding out, the same for training and for export."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sondo.audio.logmel import LogMelConfig
from sondo.audio.windows import WINDOW_SAMPLES, window_frames
from sondo.errors import SondoError
from sondo.students.front_end import LogMel
from sondo.students.head import Projector
from sondo.students.readout import AveragePool
from sondo.students.space import space_id


class Student(nn.Module):
    """A backbone behind the log-mel front-end, with an average pool as read-out.

    Args:
        name: Name in the registry.
        backbone: (batch, 1, mels, frames) to a feature map (batch, channels, m, f); has `num_features` and
            `projector_width`.
        settings: What `create` needs to make it again, JSON-able.
        front_end: Log-mel settings.

    Attributes:
        embedding_dim: Numbers in an embedding.
        info: What training noted: teacher, licence, settings. Kept in the folder's `config.json`.

    Shape:
        - input: (batch, samples) float32 in [-1, 1] at 32 kHz, at least 0.1 s
        - output: (batch, embedding_dim)
    """

    def __init__(
        self, name: str, backbone: nn.Module, *, settings: dict[str, Any], front_end: LogMelConfig | None = None
    ) -> None:
        super().__init__()
        self.name, self.settings = name, settings
        self.front_end = LogMel(front_end)
        self.backbone = backbone
        self.readout = AveragePool()
        self.embedding_dim = int(backbone.num_features)  # type: ignore[arg-type]
        self.info: dict[str, Any] = {}

    @property
    def space_id(self) -> str:
        """The space that its vectors lie in, see `sondo.students.space`."""
        return space_id(self)

    def make_projector(self, teacher_dim: int) -> Projector:
        """The mapping head that the paper puts on this student."""
        hidden = int(self.backbone.projector_width)  # type: ignore[arg-type]
        return Projector(self.embedding_dim, hidden_dim=hidden, embedding_dim=teacher_dim)

    def embed_log_mel(self, log_mel: Tensor) -> Tensor:
        """Embed log-mels of one window each.

        Shape:
            - input: (batch, mels, frames)
            - output: (batch, embedding_dim)
        """
        embedding: Tensor = self.readout(self.backbone(log_mel.unsqueeze(1)))
        return embedding

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed sound of any length: windows of 10 s, averaged by their number of frames.

        Args:
            audio: (batch, samples).
            lengths: (batch,) samples of each row that are sound, where a batch is padded. A padded row gives the
                vector that it gives alone.

        Raises:
            SondoError: A row shorter than 0.1 s, or lengths that do not fit.
        """
        if audio.ndim != 2:
            raise SondoError(f"a student takes (batch, samples), this has the shape {tuple(audio.shape)}")
        if lengths is None:
            return self._embed_equal(audio)
        if tuple(lengths.shape) != (len(audio),) or int(lengths.max()) > audio.shape[1]:
            raise SondoError(f"lengths must be ({len(audio)},) with at most {audio.shape[1]} samples each")
        out: Tensor | None = None
        for length in lengths.unique().tolist():
            rows = torch.nonzero(lengths == length).squeeze(1)
            vectors = self._embed_equal(audio[rows, : int(length)])
            out = vectors.new_empty(len(audio), self.embedding_dim) if out is None else out
            out[rows] = vectors
        assert out is not None, "lengths of an empty batch"
        return out

    def _embed_equal(self, audio: Tensor) -> Tensor:
        """Embed rows of one length: full windows as one batch, a last shorter one as another."""
        config = self.front_end.config
        windows = window_frames(audio.shape[1], config=config)
        full = [window for window in windows if window[1] - window[0] == WINDOW_SAMPLES]
        total = torch.zeros(len(audio), self.embedding_dim, device=audio.device)
        if full:
            stacked = audio[:, : len(full) * WINDOW_SAMPLES].reshape(-1, WINDOW_SAMPLES)
            vectors = self.embed_log_mel(self.front_end(stacked)).float().reshape(len(audio), len(full), -1)
            total = total + full[0][2] * vectors.sum(dim=1)
        if len(windows) > len(full):
            start, stop, frames = windows[-1]
            total = total + frames * self.embed_log_mel(self.front_end(audio[:, start:stop])).float()
        return total / sum(frames for _, _, frames in windows)
