"""A student in a `.pte` file, run by ExecuTorch."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError, require
from sondo.runtime.metadata import read_object
from sondo.runtime.one_window import OneWindowModel

METADATA_METHOD = "sondo_metadata"
"""A method of the file that gives its metadata as JSON."""


class ExecuTorchModel(OneWindowModel):
    """A student in one file: method `forward` takes `audio` (1, samples) and gives `embedding` (1, embedding_dim).

    ExecuTorch's Python runtime needs torch, which this module loads with it; on a phone there is neither.

    A copy, and what another process is sent, opens the file again.

    Args:
        path: The `.pte` file.

    Raises:
        SondoError: No such file, none that ExecuTorch can open, or one that sondo did not export.
        MissingExtraError: ExecuTorch is not installed.

    Example:
        `ExecuTorchModel("student.pte").embed("dog.wav")` gives an (embedding_dim,) float32 array.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        if not path.is_file():
            raise SondoError(f"no such model file: {path}")
        runtime = require("executorch.runtime", extra="executorch", why="Running a .pte file needs ExecuTorch")
        self._torch = require("torch", extra="executorch", why="Running a .pte file needs torch")
        try:
            self._program = runtime.Runtime.get().load_program(path)
        except Exception as error:  # the binding raises RuntimeError and others that share no base
            raise SondoError(f"{path}: ExecuTorch cannot open it: {str(error).splitlines()[0]}") from error
        if not {METADATA_METHOD, "forward"} <= set(self._program.method_names):
            raise SondoError(
                f"{path}: a .pte file, but not one that `sondo export` wrote (no method {METADATA_METHOD})"
            )
        (text,) = self._program.load_method(METADATA_METHOD).execute([])
        self._forward = self._program.load_method("forward")
        super().__init__(path, read_object(path, text))

    def __reduce__(self) -> tuple[type[ExecuTorchModel], tuple[Path]]:
        # A program can be neither pickled nor copied.
        return type(self), (self.path,)

    def versions(self) -> dict[str, str]:
        """The version of the runtime."""
        return {"executorch": importlib.metadata.version("executorch")}

    def _embed_window(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        (vector,) = self._forward.execute([self._torch.from_numpy(audio)])
        return np.array(vector.numpy(), dtype=np.float32)
