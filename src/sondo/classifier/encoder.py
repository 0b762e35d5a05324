"""The student below a classifier, as an exported file: whatever `sondo.load` takes, exported first where it must be."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.loading import exported_of, load
from sondo.runtime import Model, OnnxClassifier, OnnxModel
from sondo.runtime.one_window import OneWindowModel
from sondo.screen import say
from sondo.weights import located

Audio = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A student ready to get a head.

    Attributes:
        path: Its exported file.
        model: That file, run by onnxruntime: what embeds.
        reference: The student in torch, or where only the file is there the file itself: what a classifier is compared
            with.
        compared_with: What `reference` is, in words.
    """

    path: Path
    model: OnnxModel
    reference: Callable[[Audio], NDArray[np.floating]]
    compared_with: str


@contextmanager
def open_encoder(model: str | Path, *, allow_code: bool = False) -> Iterator[Encoder]:
    """Open a student as an exported file, which is there as long as the context.

    A run's own `student.onnx` is taken where it is of that very student; else the student is exported for the time.

    Args:
        model: What `sondo.load` takes; an exported `.onnx` file needs no torch.
        allow_code: As for `sondo.load`.

    Raises:
        SondoError: No such model, a classifier, a `.pte` or `.tflite` file, or a student that cannot be exported.
    """
    with tempfile.TemporaryDirectory() as scratch:
        yield _encoder(model, Path(scratch) / "student.onnx", allow_code=allow_code)


def _encoder(model: str | Path, scratch: Path, *, allow_code: bool) -> Encoder:
    loaded = load(model, allow_code=allow_code)
    if isinstance(loaded, OnnxClassifier):
        raise SondoError(f"{model} is a classifier already: name the student that it was made of")
    if isinstance(loaded, OnnxModel):
        return Encoder(
            path=loaded.path, model=loaded, reference=_embedder(loaded), compared_with="the exported student"
        )
    if isinstance(loaded, OneWindowModel):
        raise SondoError(f"{model} cannot get a head: name the run that it was exported from, or its .onnx file")
    exported = exported_of(located(model)) or OnnxModel(_export(loaded, scratch))
    return Encoder(
        path=exported.path, model=exported, reference=_embedder(loaded), compared_with="the student in torch"
    )


def _embedder(model: Model) -> Callable[[Audio], NDArray[np.floating]]:
    return lambda audio: model.embed(audio, sample_rate=model.sample_rate)


def _export(model: Model, path: Path) -> Path:
    from sondo.export import to_onnx
    from sondo.students import TorchModel

    assert isinstance(model, TorchModel), "what is no exported file"
    say(f"exporting {model.name}")
    return to_onnx(model.student, path, overwrite=True)
