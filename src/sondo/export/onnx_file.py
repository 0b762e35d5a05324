"""Write a student as one ONNX file, and refuse to leave one that does not agree with torch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.export.graph import student_model
from sondo.export.verify import compare
from sondo.export.written import checked_target, write_verified
from sondo.runtime.metadata import Precision
from sondo.students import Projector, Student

_TRIED_S = (0.5, 10.0)


def check_exports(student: Student) -> None:
    """Refuse a network that no file can be made of, before it is trained.

    Args:
        student: The student, with any weights.

    Raises:
        SondoError: Exporting it fails, or the file fails or differs from torch for sound of some length.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "student.onnx"
        file.write_bytes(student_model(student).SerializeToString())
        report = compare(student, file, lengths_s=_TRIED_S)
    if not report.passed:
        raise SondoError(
            f"student {student.name} is another network once exported: cosine {report.judged_cosine:.6f} to torch, "
            f"{report.threshold:g} is asked for, and vectors whose length differs by "
            f"{100 * report.length_difference:.2g} %. It must be the same graph for any number of frames"
        )


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
    teacher: str | None = None,
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
        projector: The mapping head to give the output `teacher_space` with: each window in the space of a teacher,
            averaged like the embedding.
        teacher: Whose of the student's teachers the mapping head is; the first one's when left out.

    Returns:
        The path.

    Raises:
        SondoError: The file is there already, the student cannot be exported, or the file does not agree with torch;
            no file is left then.

    Example:
        `to_onnx(sondo.students.load("student/"), "student.onnx")`
    """
    if not isinstance(student, Student):
        raise SondoError(
            f"{type(student).__name__} is no student of sondo: give sondo.students.create(NAME), or with a network of "
            'your own sondo.students.create("package.module:function")'
        )
    path = checked_target(path, student, suffix=".onnx", overwrite=overwrite)
    model = student_model(
        student, frames=frames, projector=projector, teacher=teacher, precision=precision, sound=sound
    )
    return write_verified(
        path,
        model.SerializeToString(),
        lambda file: compare(student, file, clips=clips, threshold=threshold, projector=projector),
    )
