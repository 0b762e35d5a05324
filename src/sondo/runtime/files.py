"""Exported files of every kind, opened by what runs them."""

from __future__ import annotations

from pathlib import Path

from sondo.errors import SondoError
from sondo.runtime.classifier import open_onnx
from sondo.runtime.one_window import OneWindowModel
from sondo.runtime.onnx import OnnxModel

FILES = (".onnx", ".tflite", ".pte")
"""What the names of exported files end in."""


def open_file(path: Path, *, threads: int | None = None) -> OnnxModel | OneWindowModel:
    """Open an exported file.

    Args:
        path: The file; its name ends in one of `FILES`.
        threads: Threads to run it on; all cores when left out.

    Raises:
        SondoError: No such file, or none that sondo exported.
        MissingExtraError: What runs it is not installed.
    """
    if path.suffix.lower() == ".onnx":
        return open_onnx(path, threads=threads)
    if path.suffix.lower() == ".tflite":
        from sondo.runtime.litert import LiteRtModel

        return LiteRtModel(path, threads=threads)
    from sondo.runtime.executorch import ExecuTorchModel

    if threads is not None:
        raise SondoError(f"{path}: ExecuTorch has one pool of threads for all its models: leave threads out")
    return ExecuTorchModel(path)
