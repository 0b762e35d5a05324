"""A teacher around the audio transformer: how a sound of any length becomes one vector."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sondo.audio.clips import MIN_CLIP_S, WINDOW_S
from sondo.audio.errors import AudioError
from sondo.audio.windows import Compat
from sondo.errors import SondoError
from sondo.teachers.vit.encoder import AudioTransformer, TransformerShape
from sondo.teachers.vit.front_end import SAMPLE_RATE, NormalisedLogMel
from sondo.weights import fill, sha256_of

VERSION = 1
"""Raised whenever the vector of the same sound changes."""
_WINDOW_SAMPLES = round(WINDOW_S * SAMPLE_RATE)
_MIN_SAMPLES = round(MIN_CLIP_S * SAMPLE_RATE)
_GROUP_ROWS = 16
"""Windows that run through the network at once, which bounds the memory whatever the length of a sound."""


class TransformerTeacher:
    """Embeds windows of 10 s and averages them.

    A window becomes a log-mel, filled up with zeros to whole time steps, cut into the chunks that the network was
    trained on (608 frames for the published ones), and encoded; its vector is the mean over its time steps. Up to 10 s
    this is the published way, and both modes give the same.

    Longer sound is where they differ. By default the rest after the last full window is embedded at its own length,
    and windows are averaged by their number of log-mel frames; a rest below 0.1 s is left out; sound below 0.1 s is
    refused. With ``compat="ssondo"`` the rest is filled up with zeros to a full window and weighs as much as one, and
    anything that gives one frame is embedded.

    Args:
        name: What names it.
        front_end: Its log-mel.
        encoder: The network.
        compat: Whose way with sound above 10 s: ours (None) or that of the published S-SONDO code.
        fingerprint: A hash of weights and settings.
        licence: Licence of the weights, which the student inherits.
        source: Where they come from.

    Source:
        S-SONDO (arXiv 2604.24933), `extract_teachers_knowledge/models_wrappers.py` at f89abf2.
    """

    sample_rate = SAMPLE_RATE

    def __init__(
        self,
        name: str,
        *,
        front_end: NormalisedLogMel,
        encoder: AudioTransformer,
        compat: Compat,
        fingerprint: str,
        licence: str,
        source: str,
    ) -> None:
        self.name, self.compat = name, compat
        self.fingerprint, self.licence, self.source = fingerprint, licence, source
        self.embedding_dim = encoder.shape.rows * encoder.shape.width
        self.num_params = sum(parameter.numel() for parameter in encoder.parameters())
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._front_end = front_end.eval().to(self._device)
        self._encoder = encoder.eval().requires_grad_(False).to(self._device)

    def embed(self, audio: Tensor) -> Tensor:
        """Embed sound.

        Args:
            audio: Mono sound at 16 kHz, float32 in [-1, 1].

        Shape:
            audio (batch, samples) -> (batch, embedding_dim).

        Raises:
            AudioError: Fewer samples than 0.1 s (with compat: than one frame).
            SondoError: Another shape.
        """
        vectors_BWD, frames = self._embed_windows(audio)
        weights_W = torch.tensor(frames, dtype=torch.float64)
        weights_W = (weights_W / weights_W.sum()).to(vectors_BWD)
        return torch.einsum("bwd,w->bd", vectors_BWD, weights_W).to(audio.device)

    def _embed_windows(self, audio: Tensor) -> tuple[Tensor, list[int]]:
        """Vectors of the windows, (batch, windows, embedding_dim), and what each weighs."""
        self._check(audio)
        sound = audio.to(self._device, torch.float32)
        if self.compat and sound.shape[1] > _WINDOW_SAMPLES:
            sound = torch.nn.functional.pad(sound, (0, -sound.shape[1] % _WINDOW_SAMPLES))
        num_full, rest = divmod(sound.shape[1], _WINDOW_SAMPLES)
        full, last = sound[:, : num_full * _WINDOW_SAMPLES], sound[:, num_full * _WINDOW_SAMPLES :]
        vectors, frames = [], [self._front_end.num_frames(_WINDOW_SAMPLES)] * num_full
        if num_full:
            vectors.append(self._run(full.reshape(-1, _WINDOW_SAMPLES)).reshape(len(sound), num_full, -1))
        if rest >= _MIN_SAMPLES or not num_full:
            vectors.append(self._run(last).unsqueeze(1))
            frames.append(self._front_end.num_frames(rest))
        return torch.cat(vectors, dim=1), frames

    def _run(self, sound: Tensor) -> Tensor:
        """Sound of at most one window, (rows, samples) -> (rows, embedding_dim)."""
        groups = torch.split(sound, _GROUP_ROWS)
        return torch.cat([self._encoder(self._front_end(group)).mean(dim=1) for group in groups])

    def _check(self, audio: Tensor) -> None:
        if audio.ndim != 2 or not len(audio):
            raise SondoError(f"teacher {self.name} takes sound of shape (batch, samples), not {tuple(audio.shape)}")
        fewest = self._front_end.min_samples if self.compat else _MIN_SAMPLES
        if audio.shape[1] < fewest:
            raise AudioError(
                f"{audio.shape[1]} samples at {SAMPLE_RATE} Hz are too short for teacher {self.name}: at least "
                f"{fewest} needed"
            )


def make_teacher(
    name: str,
    *,
    tensors: Mapping[str, Tensor],
    shape: TransformerShape,
    chunk_frames: int,
    front_end: NormalisedLogMel,
    path: Path,
    compat: Compat,
    licence: str,
    source: str,
) -> TransformerTeacher:
    """Make a teacher of the tensors of a file.

    Raises:
        SondoError: The tensors are not those of a network of this shape, or compat is unknown.
    """
    if compat not in (None, "ssondo"):
        raise SondoError(f"compat is {compat!r}: give ssondo, or leave it out")
    encoder = AudioTransformer(shape, chunk_frames=chunk_frames)
    fill(encoder, tensors, path=path, what=f"a transformer of width {shape.width} with {shape.depth} blocks")
    settings = {
        "version": VERSION,
        "file": sha256_of(path),
        "compat": compat,
        "chunk_frames": chunk_frames,
        "front_end": [front_end.mean, front_end.std, front_end.centred],
    }
    return TransformerTeacher(
        name,
        front_end=front_end,
        encoder=encoder,
        compat=compat,
        fingerprint=hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        licence=licence,
        source=source,
    )
