"""sondo's models behind the HEAR API, as a module that HEAR's tools load by its name.

    hear-validator sondo.hear --model runs/first
    python -m heareval.embeddings.runner sondo.hear --model runs/first

    model = sondo.hear.load_model("runs/first")
    sondo.hear.get_scene_embeddings(audio, model)                       # (sounds, scene_embedding_size)
    embeddings, times_ms = sondo.hear.get_timestamp_embeddings(audio, model)

A timestamp's embedding is that of the sound around it: a window of one second every 50 ms. So it has every value of the
student's read-out, and works for exported files and students of one's own too. The price is twenty seconds of sound to
embed for every second of the clip. The columns of the last map (`Student.frames`) cost one, but are half a second apart
and know of the ten seconds around them: stretched to 50 ms they told a linear probe less of what sounds when
(`benchmarks/timestamps.py`, which also compares windows from 0.3 s to 1 s).

May import: `sondo.integrations.module`, `sondo.audio`, `sondo.errors`, numpy, torch.

Source: HEAR 2021 (Turian et al. 2022, arXiv 2203.03022), its common API.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sondo.audio.arrays import resample
from sondo.errors import SondoError
from sondo.integrations.module import LoadedModule, to_numpy
from sondo.runtime import Model

SAMPLE_RATES = (16000, 22050, 32000, 44100, 48000)
"""Hz that the API allows."""
HOP_MS = 50
"""From one timestamp to the next, in milliseconds: the most that HEAR advises."""
WINDOW_S = 1.0
"""Sound around a timestamp that its embedding is made of, in seconds."""

_WINDOWS_AT_ONCE = 64


class HearModel(LoadedModule):
    """A model with the attributes of the HEAR API.

    Args:
        model: A model, or what `sondo.load` takes.
        sample_rate: Hz that it is given sound at; the model's own when left out.

    Raises:
        SondoError: No such model, or a rate that HEAR does not allow.
    """

    def __init__(self, model: Model | str | Path, *, sample_rate: int | None = None) -> None:
        super().__init__(model)
        self.sample_rate = self.model.sample_rate if sample_rate is None else sample_rate
        self.scene_embedding_size = self.timestamp_embedding_size = self.model.embedding_dim
        if self.sample_rate not in SAMPLE_RATES:
            raise SondoError(
                f"HEAR knows no sample rate of {self.sample_rate} Hz: load_model(path, sample_rate=...) takes one of "
                f"{', '.join(map(str, SAMPLE_RATES))}, and resamples"
            )

    def forward(self, audio: Tensor) -> Tensor:
        """The scene embeddings."""
        return get_scene_embeddings(audio, self)


def load_model(model_file_path: str | Path = "", *, sample_rate: int | None = None) -> HearModel:
    """Open a model.

    Args:
        model_file_path: What `sondo.load` takes: the folder of a run or of a student, an `.onnx` file, a published
            checkpoint or its name. There is no default model.
        sample_rate: Present the model at this rate, 16000, 22050, 32000, 44100 or 48000 Hz, and resample inside; its
            own when left out. HEAR's tools do not pass it on: for them, put a module of your own with a `load_model`
            that does around this one.

    Raises:
        SondoError: No path, nothing there, nothing that sondo knows, or another rate.
    """
    if not str(model_file_path):
        raise SondoError(
            "sondo.hear has no default model: give one, load_model('runs/first') or --model runs/first on the "
            "command line of HEAR's tools"
        )
    return HearModel(model_file_path, sample_rate=sample_rate)


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """One embedding for each sound, as `model.embed` of `sondo.load` gives it.

    Args:
        audio: Samples in [-1, 1] at `model.sample_rate`, at least 0.1 s.
        model: What `load_model` gave.

    Shape:
        (sounds, samples) -> (sounds, scene_embedding_size) float32, on the device of `audio`.

    Raises:
        SondoError: Another shape, sound that is too short, or samples that are no finite numbers or integers.
    """
    vectors = model.model.embed(_batch(audio), sample_rate=model.sample_rate)
    return torch.from_numpy(vectors).to(audio.device)


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """An embedding every 50 ms from the sound's start to its end: of the second around, silence beyond the edges.

    Args:
        audio: As for `get_scene_embeddings`.
        model: What `load_model` gave.

    Returns:
        The embeddings, and their times in milliseconds, both float32 and on the device of `audio`. A window's middle
        is the sample nearest to its time, so nothing drifts in long sound.

    Shape:
        (sounds, samples) -> (sounds, T, timestamp_embedding_size), (sounds, T), with
        ``T = 1 + floor(20 * samples / sample_rate)``.

    Raises:
        SondoError: Another shape, or samples that are no finite numbers or integers.
    """
    batch = _batch(audio)
    times_ms = HOP_MS * np.arange(1 + 1000 * batch.shape[1] // (HOP_MS * model.sample_rate))
    each = [_around(row, times_ms, model) for row in batch]
    times = torch.from_numpy(times_ms).to(device=audio.device, dtype=torch.float32)
    return torch.from_numpy(np.stack(each)).to(audio.device), times.repeat(len(batch), 1)


def _batch(audio: Tensor) -> NDArray[np.float32]:
    samples = to_numpy(audio)
    if samples.ndim != 2 or len(samples) == 0:
        raise SondoError(f"HEAR's audio is of shape (sounds, samples), not {samples.shape}")
    return samples


def _around(row: NDArray[np.float32], times_ms: NDArray[np.int64], model: HearModel) -> NDArray[np.float32]:
    """The embedding of the window around each time. (samples,), (T,) -> (T, embedding_dim)."""
    rate = model.model.sample_rate
    sound = resample(row, model.sample_rate, rate)
    length = round(WINDOW_S * rate)
    padded = np.pad(sound, (length // 2, length))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)
    starts = np.round(times_ms * rate / 1000).astype(np.int64)
    blocks = [starts[first : first + _WINDOWS_AT_ONCE] for first in range(0, len(starts), _WINDOWS_AT_ONCE)]
    return np.concatenate([model.model.embed(windows[block], sample_rate=rate) for block in blocks])
