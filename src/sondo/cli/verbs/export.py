"""`sondo export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonargparse

from sondo.cli.shared import add_code

if TYPE_CHECKING:
    from sondo.runtime.metadata import Precision

HELP = "one file for any device"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument(
        "run", help="folder of a run or of a student; owner/name on the hub; a published .ckpt or its name"
    )
    verb.add_argument("--format", choices=["onnx", "executorch", "litert"], default="onnx", help="what to write")
    verb.add_argument(
        "--out", help="the file to write; by default RUN/student.onnx, .pte or .tflite, RUN/student.int8.onnx and so on"
    )
    verb.add_argument("--int8", action="store_true", help="compute in int8, calibrated on real sound")
    verb.add_argument(
        "--weights",
        choices=["float32", "float16", "int8"],
        default="float32",
        help="ONNX alone: keep the weights small in the file and compute in float32, as fast as ever",
    )
    verb.add_argument(
        "sounds",
        nargs="*",
        default=[],
        help="real sound to calibrate with and to compare on instead of the run's bank: files, or folders of them",
    )
    verb.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    verb.add_argument("--frames", action="store_true", help="ONNX alone: embeddings along time as a further output")
    verb.add_argument(
        "--teacher_space", action="store_true", help="ONNX alone: vectors in the teacher's space as a further output"
    )
    verb.add_argument("--teacher", help="whose space, where several taught; by default that of the first")
    add_code(verb)


def run(settings: Any) -> None:
    """Export, compare with torch, say how close."""
    from sondo.errors import SondoError, require

    if settings.int8 and settings.weights != "float32":
        raise SondoError(
            "--int8 keeps the weights in int8 already: leave out --weights, or --int8 to compute in float32"
        )
    if settings.teacher is not None and not settings.teacher_space:
        raise SondoError("--teacher says whose space the output of --teacher_space is: give both, or neither")
    require("torch", extra="train", why="Exporting needs torch")
    from sondo.exporting import export_run, note_in_run
    from sondo.report.tables import show_file, show_int8

    weights: dict[str, Precision] = {"float32": "float32", "float16": "float16", "int8": "int8_weights"}
    path = export_run(
        settings.run,
        None if settings.out is None else Path(settings.out),
        overwrite=settings.overwrite,
        allow_code=settings.allow_code,
        frames=settings.frames,
        teacher_space=settings.teacher_space,
        teacher=settings.teacher,
        precision="int8" if settings.int8 else weights[settings.weights],
        sounds=[Path(sound) for sound in settings.sounds],
        form=settings.format,
    )
    about = note_in_run(Path(settings.run), path, form=settings.format, allow_code=settings.allow_code)
    (show_int8 if settings.int8 else show_file)(about)
