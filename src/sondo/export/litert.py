"""Write a student as one LiteRT file (`.tflite`): raw sound in, embedding out, for windows of any length."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sondo.audio.windows import WINDOW_SAMPLES
from sondo.errors import MissingExtraError, SondoError
from sondo.export.exporters import quiet, reason_of
from sondo.export.lean.eres2net_relu6 import use_relu6
from sondo.export.litert_int8 import quantised
from sondo.export.litert_lengths import any_length, packed, schema, unpacked
from sondo.export.metadata import metadata
from sondo.export.plain import plain_student
from sondo.export.precision import check_phone_precision, check_sounds
from sondo.export.sounds import Audio
from sondo.export.verify_model import compare_model
from sondo.export.written import checked_target, write_verified
from sondo.runtime.golden import GOLDEN
from sondo.runtime.litert import METADATA_NAME, LiteRtModel
from sondo.runtime.metadata import Precision
from sondo.students import Student
from sondo.students.eres2net import TemporalStatistics

_OTHER_HOPS = 600  # against 625: every map of every student gets another width


def to_litert(
    student: Student,
    path: str | Path,
    *,
    precision: Precision = "float32",
    clips: Sequence[Audio] = (),
    sound: Sequence[Audio] = (),
    overwrite: bool = False,
    threshold: float | None = None,
) -> Path:
    """Export a student to one `.tflite` file, and verify it.

    Its input (1, samples) is resized to each window, a whole number of hops from 0.1 s to 10 s, and its output is
    (1, embedding_dim); until it is resized, it takes a window of 10 s. The report lies beside the file, as
    `<path>.json`.

    Args:
        student: The student; it stays as it is.
        path: The file, ending in `.tflite`.
        precision: `float32`, or `int8` for the network; `sondo.export.litert_int8` says what stays in float32.
        clips: Real sound to compare with besides made sound, each (samples,) at the student's rate.
        sound: Real sound to calibrate `int8` with, like `clips` but none of them.
        overwrite: Replace a file that is there already.
        threshold: The cosine to torch that must be reached; that of `LEAST_COSINE` when left out.

    Returns:
        The path.

    Raises:
        SondoError: The file is there already, too little sound for int8, a student that LiteRT cannot take,
            or a file that does not agree with torch; no file is left then.
        MissingExtraError: litert-torch is not installed.
    """
    path = checked_target(path, student, suffix=".tflite", overwrite=overwrite)
    check_phone_precision(precision)
    check_sounds(sound, precision)
    _converter()
    content = _converted(student, int8=precision == "int8")
    about = metadata(student, frames=False, projector=None, precision=precision)
    if precision == "int8":
        del about[GOLDEN]  # they are torch's, to a thousandth: no promise of a network in int8
        content = quantised(content, sound, config=student.front_end.config)
    content = _with_metadata(content, about)
    return write_verified(
        path,
        content,
        lambda file: compare_model(student, LiteRtModel(file), clips=clips, threshold=threshold),
    )


def _converted(student: Student, *, int8: bool) -> bytes:
    """A file in float32 for windows of any length, without metadata."""
    config = student.front_end.config
    module = plain_student(student, int8=int8)
    use_relu6(module)
    for part in list(module.modules()):
        for name, child in part.named_children():
            if isinstance(child, TemporalStatistics):
                setattr(part, name, _CountedStatistics())
    try:
        whole, shorter = (_of_length(module, samples) for samples in (WINDOW_SAMPLES, _OTHER_HOPS * config.hop))
    except Exception as error:  # torch.export and litert-torch raise many classes that share no base
        raise SondoError(f"litert-torch cannot take student {student.name}: {reason_of(error)}") from error
    return any_length(whole, shorter)


def _of_length(module: nn.Module, samples: int) -> bytes:
    litert = _converter()
    with tempfile.TemporaryDirectory() as folder, quiet():
        file = Path(folder) / "student.tflite"
        litert.convert(module, (torch.zeros(1, samples),)).export(str(file))
        return file.read_bytes()


def _converter() -> ModuleType:
    """The module `litert_torch`, which no extra can bring: it wants an older typing_extensions than others do."""
    try:
        return importlib.import_module("litert_torch")
    except ModuleNotFoundError as error:
        if error.name != "litert_torch":
            raise
        raise MissingExtraError(
            "exporting a .tflite file needs litert-torch, in an environment of its own: "
            'pip install ".[train]" litert-torch==0.10.0, from a clone of sondo (docs/litert.md)'
        ) from error


class _CountedStatistics(TemporalStatistics):
    """The same with the columns counted when the file runs, where the number would be written into the file."""

    def forward(self, features: Tensor) -> Tensor:
        """Take the statistics."""
        # Whatever can be computed before the sound is known becomes a number: only a row put to the map cannot.
        count = nn.functional.pad(features[:, :1, :1], (0, 0, 0, 1), value=1.0)[:, :, 1:].sum()
        mean = features.mean(3, keepdim=True)
        variance = (features - mean).square().sum(3) / (count - 1).clamp(min=1)
        deviation = 1e-4 * (1e8 * variance + 1).sqrt()
        return torch.cat([mean.flatten(1), deviation.flatten(1)], dim=1)


def _with_metadata(content: bytes, about: dict[str, str]) -> bytes:
    """The file with one more entry in its metadata."""
    model: Any = unpacked(content)
    buffer, entry = schema().BufferT(), schema().MetadataT()
    buffer.data = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    entry.name, entry.buffer = METADATA_NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return packed(model)
