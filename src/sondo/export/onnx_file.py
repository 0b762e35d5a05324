"""Write a student as one ONNX file, and refuse to leave one that does not agree with torch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.export.graph import student_model
from sondo.export.precision import ON_AVERAGE, Precision
from sondo.export.verify import compare
from sondo.export.verify_report import VerifyReport
from sondo.students import Projector, Student


def to_onnx(
    student: Student,
    path: str | Path,
    *,
    overwrite: bool = False,
    clips: Sequence[NDArray[np.float32]] | None = None,
    threshold: float | None = None,
    precision: Precision = "float32",
    sound: Sequence[NDArray[np.float32]] = (),
    frames: bool = False,
    projector: Projector | None = None,
) -> Path:
    """Export a student to one file that takes raw sound, and verify it.

    Input `audio` (batch, samples) float32, mono at the student's rate, any batch and any length, and `lengths`
    (batch,) int64 where rows are padded; output `embedding` (batch, embedding_dim), the same average over windows that
    the student itself gives. Sound shorter than 0.1 s gives NaN. The file is described in docs/onnx.md; the report of
    the comparison lies beside it, as `<path>.json`.

    Args:
        student: The student; it stays as it is.
        path: The file, ending in `.onnx`.
        overwrite: Replace a file that is there already.
        clips: Real sound to compare with besides made sound, each (samples,) at the student's rate.
        threshold: The cosine to torch that must be reached; that of `LEAST_COSINE` when left out.
        precision: How the network keeps its numbers: `float32`; its weights in `float16` or `int8_weights`, for a file
            of a half or a third of the size that runs as fast; or `int8`, which computes in whole numbers too.
        sound: Real sound to calibrate `int8` with, like `clips` but none of them.
        frames: Give the output `frames` too, those of `Student.frames`.
        projector: The mapping head to give the output `teacher_space` with: each window in the space of the student's
            (first) teacher, averaged like the embedding.

    Returns:
        The path.

    Raises:
        SondoError: The file is there already, the student cannot be exported, or the file does not agree with torch;
            no file is left then.

    Example:
        `to_onnx(sondo.students.load("student/"), "student.onnx")`
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise SondoError(f"{path}: an exported student is called something.onnx")
    if path.is_dir() or (path.exists() and not overwrite):
        raise SondoError(f"{path} is there already: name another file, or allow it with overwrite=True (--overwrite)")
    if student.compat is not None:
        raise SondoError(f"an exported file has no compat={student.compat!r}: load the student without it")
    content = student_model(
        student, frames=frames, projector=projector, precision=precision, sound=sound
    ).SerializeToString()
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.stem}.writing.onnx")
    try:
        scratch.write_bytes(content)
        report = compare(student, scratch, clips=clips, threshold=threshold, projector=projector)
        report = dataclasses.replace(report, path=str(path))
        if not report.passed:
            raise SondoError(_refusal(report))
        report.save()
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return path


def _refusal(report: VerifyReport) -> str:
    if report.judged_cosine >= report.threshold:
        return (
            f"{report.path} was not written: a clip alone and in a batch differ by {report.alone_difference:.2g}, "
            f"alone and padded by {report.padded_difference or 0.0:.2g}. "
            "This is a fault of the exported graph: please report it with the student's name"
        )
    worst = min(report.cases, key=lambda case: case.smallest_cosine)
    where = f"the mean over {report.judged}" if report.precision in ON_AVERAGE else worst.name
    return (
        f"{report.path} was not written: it does not agree with torch. The cosine is {report.judged_cosine:.6f} "
        f"({where}), at least {report.threshold} is asked for"
    )
