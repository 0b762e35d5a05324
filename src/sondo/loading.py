"""`sondo.load`: whatever kind of model a path names, as one object with `embed` and `embed_segments`.

May import: `sondo.runtime`; `sondo.students` inside functions only, because it needs torch.
"""

from __future__ import annotations

from pathlib import Path

from sondo.errors import SondoError, require
from sondo.runtime import Model, OnnxModel


def load(path: str | Path, *, threads: int | None = None) -> Model:
    """Open a student.

    Args:
        path: An exported `.onnx` file (needs no torch), the folder of a student, or the folder of a run.
        threads: Threads for an exported file; all cores by default.

    Returns:
        A model with `embed`, `embed_segments`, `embedding_dim`, `sample_rate`, `space_id` and `licence`.

    Raises:
        SondoError: Nothing there, or nothing that sondo knows.

    Example:
        `sondo.load("student.onnx").embed("dog.wav")` gives an (embedding_dim,) float32 array.
    """
    path = Path(path)
    if not path.exists():
        raise SondoError(f"no model at {path}: give an .onnx file, the folder of a student or the folder of a run")
    if path.is_file():
        if path.suffix.lower() != ".onnx":
            raise SondoError(f"{path} is no model that sondo knows: expected an .onnx file or a folder")
        return OnnxModel(path, threads=threads)
    folder = path / "student" if (path / "student" / "config.json").is_file() else path
    if not (folder / "config.json").is_file():
        raise SondoError(f"{path} holds no student (no config.json): is the run finished?")
    require("torch", extra="train", why=f"Loading the weights in {folder} needs torch (an exported .onnx does not)")
    from sondo.students import TorchModel

    return TorchModel.from_folder(folder)
