"""`sondo export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_code

HELP = "one file for any device"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("run", help="folder of a run or of a student; a published .ckpt or its name")
    verb.add_argument("--format", choices=["onnx"], default="onnx", help="what to write")
    verb.add_argument("--out", help="the file to write; RUN/student.onnx by default")
    verb.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    verb.add_argument("--frames", action="store_true", help="embeddings along time as a further output")
    verb.add_argument("--teacher_space", action="store_true", help="vectors in the teacher's space as a further output")
    add_code(verb)


def run(settings: Any) -> None:
    """Export, compare with torch, say how close."""
    from sondo.errors import require
    from sondo.screen import tell

    require("torch", extra="train", why="Exporting needs torch and onnx")
    from sondo.pipeline import export_run

    path = export_run(
        settings.run,
        None if settings.out is None else Path(settings.out),
        overwrite=settings.overwrite,
        allow_code=settings.allow_code,
        frames=settings.frames,
        teacher_space=settings.teacher_space,
    )
    report = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
    tell(f"{path}: {path.stat().st_size:,} bytes, smallest cosine to torch {report['smallest_cosine']:.7f}")
