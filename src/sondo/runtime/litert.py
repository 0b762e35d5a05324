"""A student in a `.tflite` file, run by LiteRT."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError, require
from sondo.in_threads import num_cores
from sondo.runtime.metadata import read_object
from sondo.runtime.one_window import OneWindowModel
from sondo.runtime.threads import checked_threads

METADATA_NAME = "sondo_metadata"
"""The entry of the file's metadata that holds ours, as JSON."""
_IDENTIFIER = b"TFL3"
_WHY = "Running a .tflite file needs LiteRT"


class LiteRtModel(OneWindowModel):
    """A student in one file: one input (1, samples), resized to each window, and one output (1, embedding_dim).

    A copy, and what another process is sent, opens the file again.

    Args:
        path: The `.tflite` file.
        threads: Threads of LiteRT; one per core when left out.

    Raises:
        SondoError: No such file, none that LiteRT can open, or one that sondo did not export.
        MissingExtraError: LiteRT is not installed.

    Example:
        `LiteRtModel("student.tflite").embed("dog.wav")` gives an (embedding_dim,) float32 array.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        path = Path(path)
        self._threads = threads = checked_threads(threads)
        if not path.is_file():
            raise SondoError(f"no such model file: {path}")
        interpreter = require("ai_edge_litert.interpreter", extra="litert", why=_WHY)
        content = path.read_bytes()
        if content[4:8] != _IDENTIFIER:
            raise SondoError(f"{path} is no .tflite file: LiteRT cannot open it")
        try:
            self._interpreter = interpreter.Interpreter(model_content=content, num_threads=threads or num_cores())
        except Exception as error:  # the binding raises ValueError, RuntimeError and others that share no base
            raise SondoError(f"{path}: LiteRT cannot open it: {str(error).splitlines()[0]}") from error
        metadata = _metadata(path, content)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._samples = 0
        super().__init__(path, metadata)

    def __reduce__(self) -> tuple[Callable[..., LiteRtModel], tuple[Path]]:
        # An interpreter can be neither pickled nor copied.
        return partial(type(self), threads=self._threads), (self.path,)

    def versions(self) -> dict[str, str]:
        """The version of the runtime."""
        return {"ai-edge-litert": importlib.metadata.version("ai-edge-litert")}

    def _embed_window(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        if audio.shape[1] != self._samples:
            self._interpreter.resize_tensor_input(self._input, audio.shape)
            self._interpreter.allocate_tensors()
            self._samples = audio.shape[1]
        self._interpreter.set_tensor(self._input, audio)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), dtype=np.float32)


def _metadata(path: Path, content: bytes) -> dict[str, str]:
    schema = require("ai_edge_litert.schema_py_generated", extra="litert", why=_WHY)
    model = schema.Model.GetRootAs(content, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == METADATA_NAME.encode():
            buffer = model.Buffers(entry.Buffer())
            return read_object(path, buffer.DataAsNumpy().tobytes() if buffer.DataLength() else b"")
    raise SondoError(f"{path}: a .tflite file, but not one that `sondo export` wrote (no {METADATA_NAME} in it)")
