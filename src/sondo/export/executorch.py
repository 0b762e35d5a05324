"""Write a student as one ExecuTorch file (`.pte`) for XNNPACK: raw sound in, embedding out, any length of a window."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sondo.audio.windows import WINDOW_SAMPLES, min_window_frames
from sondo.errors import SondoError, require
from sondo.export.metadata import metadata
from sondo.export.plain import plain_student
from sondo.export.sounds import Audio
from sondo.export.verify import THRESHOLD
from sondo.export.verify_model import compare_model, write_verified
from sondo.runtime.executorch import METADATA_METHOD, ExecuTorchModel
from sondo.students import Student

_WHY = "Exporting a .pte file needs ExecuTorch"


def to_executorch(
    student: Student,
    path: str | Path,
    *,
    clips: Sequence[Audio] = (),
    overwrite: bool = False,
    threshold: float = THRESHOLD,
) -> Path:
    """Export a student to one `.pte` file, and verify it.

    Method `forward` takes `audio` (1, samples), a whole number of hops from 0.1 s to 10 s, and gives `embedding`
    (1, embedding_dim); `sondo_metadata` gives the metadata as JSON. The file is described in docs/executorch.md; the
    report of the comparison lies beside it, as `<path>.json`.

    Args:
        student: The student; it stays as it is.
        path: The file, ending in `.pte`.
        clips: Real sound to compare with besides made sound, each (samples,) at the student's rate.
        overwrite: Replace a file that is there already.
        threshold: The cosine to torch that each sound must reach.

    Returns:
        The path.

    Raises:
        SondoError: The file is there already, a student that ExecuTorch cannot take, or a file that does not agree
            with torch; no file is left then.
        MissingExtraError: ExecuTorch is not installed.
    """
    path = Path(path)
    if path.suffix != ".pte":
        raise SondoError(f"{path}: a student exported for ExecuTorch is called something.pte")
    if path.is_dir() or (path.exists() and not overwrite):
        raise SondoError(f"{path} is there already: name another file, or allow it with overwrite=True (--overwrite)")
    if student.compat is not None:
        raise SondoError(f"an exported file has no compat={student.compat!r}: load the student without it")
    require("executorch.exir", extra="executorch", why=_WHY)
    about = metadata(student, frames=False, projector=None)
    return write_verified(
        path,
        _lowered(plain_student(student), student, about),
        lambda file: compare_model(
            student,
            ExecuTorchModel(file),
            clips=clips,
            threshold=threshold,
            versions={"executorch": importlib.metadata.version("executorch")},
        ),
    )


def _lowered(module: nn.Module, student: Student, about: dict[str, str]) -> bytes:
    """The file's content."""
    exir: Any = require("executorch.exir", extra="executorch", why=_WHY)
    xnnpack: Any = require("executorch.backends.xnnpack.partition.xnnpack_partitioner", extra="executorch", why=_WHY)
    config = student.front_end.config
    hops = torch.export.Dim("hops", min=min_window_frames(config) + 1, max=WINDOW_SAMPLES // config.hop)
    try:
        program = torch.export.export(
            module, (torch.zeros(1, WINDOW_SAMPLES),), dynamic_shapes=({1: config.hop * hops},)
        )
        edge = exir.to_edge_transform_and_lower(
            program, partitioner=[xnnpack.XnnpackPartitioner()], constant_methods={METADATA_METHOD: json.dumps(about)}
        )
        content: bytes = edge.to_executorch().buffer
    except Exception as error:  # torch.export and ExecuTorch raise many classes that share no base
        reason = str(error).strip().splitlines()[0]
        raise SondoError(f"ExecuTorch cannot take student {student.name}: {reason}") from error
    return content
