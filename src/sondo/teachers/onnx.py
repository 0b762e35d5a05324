"""A teacher in an ONNX file that takes audio."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sondo.errors import SondoError, require

RATE_KEY = "sondo.sample_rate"


class OnnxTeacher:
    """Runs a file from sound (batch, samples), (batch, 1, samples) or (samples) to (batch, dim).

    An output (batch, time, dim) is averaged over time. A file with a fixed batch of 1, or without a batch, gets one
    sound at a time.

    Args:
        name: Its name.
        path: The file.
        sample_rate: Rate in Hz of the sound it takes; from its metadata `sondo.sample_rate` when left out.

    Raises:
        SondoError: The file is missing or broken, does not say its rate, or takes or gives something else.
    """

    def __init__(self, name: str, path: Path, *, sample_rate: int | None = None) -> None:
        self.name = name
        self.path = path
        self._session = _open(path)
        metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.sample_rate = _rate(path, metadata.get(RATE_KEY), sample_rate)
        self.licence = metadata.get("sondo.licence", "unknown")
        self.source = str(path)
        params = metadata.get("sondo.num_params", "")
        self.num_params = int(params) if params.isdecimal() else 0
        self.fingerprint = _fingerprint(path, self.sample_rate)
        self._input = _only_input(path, self._session)
        self._rank = len(self._input.shape)
        fixed = self._input.shape[-1]
        self._fixed_samples = fixed if isinstance(fixed, int) and fixed > 0 else None
        self._one_by_one = self._rank == 1 or self._input.shape[0] == 1
        self._output = self._session.get_outputs()[0].name
        noise = np.random.default_rng(0).standard_normal(self._fixed_samples or self.sample_rate)
        self.embedding_dim = int(self._run(0.1 * noise[None].astype(np.float32)).shape[1])

    @torch.no_grad()
    def embed(self, audio: Tensor) -> Tensor:
        """Run the file.

        Shape:
            audio (batch, samples) -> (batch, embedding_dim).

        Raises:
            SondoError: The file takes sound of another length, or fails, or gives another shape.
        """
        sound = audio.detach().cpu().float().numpy()
        if self._fixed_samples is not None and sound.shape[1] != self._fixed_samples:
            raise SondoError(
                f"{self.path} takes sound of {self._fixed_samples} samples alone, not of {sound.shape[1]}: "
                "export it with a free length, or ingest clips of that length"
            )
        vectors = self._run(sound)
        if vectors.shape != (len(sound), self.embedding_dim):
            raise SondoError(
                f"{self.path} gave vectors of shape {vectors.shape} for {len(sound)} sounds: expected "
                f"({len(sound)}, {self.embedding_dim})"
            )
        return torch.from_numpy(vectors)

    def _run(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [sound[index : index + 1] for index in range(len(sound))] if self._one_by_one else [sound]
        return np.concatenate([self._run_part(part) for part in parts])

    def _run_part(self, part: NDArray[np.float32]) -> NDArray[np.float32]:
        fed = {1: part[0], 2: part}.get(self._rank, part[:, None])
        try:
            output = np.asarray(self._session.run([self._output], {self._input.name: fed})[0])
        except Exception as error:  # onnxruntime has a dozen classes of errors, none of them public
            raise SondoError(f"{self.path} fails on sound of shape {fed.shape}: {error}") from error
        if self._rank == 1:
            output = output[None] if output.ndim < 3 and not (output.ndim == 2 and output.shape[0] == 1) else output
        if output.ndim == 3:
            output = output.mean(axis=1)
        if output.ndim != 2 or len(output) != len(part) or output.dtype.kind != "f":
            raise SondoError(
                f"the first output of {self.path}, {self._output}, has shape {output.shape} and type {output.dtype} "
                f"for sound of shape {fed.shape}: expected floats (batch, dim) or (batch, time, dim)"
            )
        return output.astype(np.float32)


def make_onnx_teacher(name: str, *, checkpoint: str | None = None, sample_rate: int | None = None) -> OnnxTeacher:
    """Make the teacher for `sondo.teachers.create`.

    Args:
        name: Its name.
        checkpoint: The .onnx file.
        sample_rate: Rate in Hz of the sound it takes, for a file that does not say it.

    Raises:
        SondoError: No file is named, or it cannot teach.
    """
    if checkpoint is None:
        raise SondoError(f"teacher {name} needs a checkpoint: the .onnx file that takes audio")
    return OnnxTeacher(name, Path(checkpoint), sample_rate=sample_rate)


def _open(path: Path) -> Any:
    if not path.is_file():
        raise SondoError(f"there is no ONNX file {path}")
    runtime = require("onnxruntime", extra="train", why="An ONNX teacher needs onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen classes of errors, none of them public
        raise SondoError(f"{path} cannot be opened as an ONNX file: {error}") from error


def _rate(path: Path, own: str | None, wanted: int | None) -> int:
    if own is None and wanted is None:
        raise SondoError(
            f"{path} does not say what sample rate it takes (no {RATE_KEY} in its metadata): give the option "
            "sample_rate"
        )
    if own is None:
        return int(wanted or 0)
    if not own.isdecimal() or int(own) < 1:
        raise SondoError(f"{path} says {RATE_KEY} = {own!r} in its metadata: expected a whole number of Hz")
    if wanted is not None and wanted != int(own):
        raise SondoError(f"{path} says that it takes {own} Hz, and the option sample_rate says {wanted}")
    return int(own)


def _only_input(path: Path, session: Any) -> Any:
    inputs = session.get_inputs()
    shapes = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
    wanted = "expected one input of float32 sound, (batch, samples), (batch, 1, samples) or (samples)"
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) not in (1, 2, 3):
        raise SondoError(f"{path} does not take audio: {wanted}, found {shapes}")
    shape = inputs[0].shape
    fixed_batch = shape[0] if len(shape) > 1 and isinstance(shape[0], int) else 1
    if fixed_batch > 1 or (len(shape) == 3 and shape[1] not in (1, None) and not isinstance(shape[1], str)):
        raise SondoError(f"{path} does not take one mono sound at a time: {wanted}, found {shapes}")
    return inputs[0]


def _fingerprint(path: Path, sample_rate: int) -> str:
    """SHA-256 of the file, of the weights that it keeps in files beside it, and of the rate it is run at."""
    digest = hashlib.sha256(str(sample_rate).encode())
    for part in (path, *_weights_beside(path)):
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _weights_beside(path: Path) -> list[Path]:
    onnx = require("onnx", extra="train", why="An ONNX teacher needs onnx")
    weights = onnx.load(str(path), load_external_data=False).graph.initializer
    places = {entry.value for weight in weights for entry in weight.external_data if entry.key == "location"}
    return [path.parent / place for place in sorted(places)]
