"""Export: a student as one file that takes raw sound and gives the same embedding on any device, verified.

    path = sondo.export.to_onnx(student, "student.onnx")

May import: `sondo.audio`, `sondo.students`, `sondo.runtime`, `sondo.screen`, `sondo.errors`, `sondo.claim` (to write
JSON), `sondo.scratch`, numpy, torch, onnx, onnxruntime.
"""

from __future__ import annotations

from sondo.errors import require

require("onnx", extra="train", why="Exporting a student needs onnx")
require("onnxscript", extra="train", why="Exporting a student needs onnxscript")

from sondo.export.onnx_file import to_onnx  # noqa: E402
from sondo.export.verify import verify  # noqa: E402
from sondo.export.verify_report import VerifyCase, VerifyReport  # noqa: E402

__all__ = ["VerifyCase", "VerifyReport", "to_onnx", "verify"]
