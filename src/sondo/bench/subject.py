"""A model that is measured."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.bench.onnx_file import Macs, count_macs, count_parameters, front_end_share
from sondo.loading import load
from sondo.runtime import Model, OnnxModel


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model under the name that the user gave.

    Args:
        name: The path, or the name of a published student.
        model: The model.
        allow_code: As for `sondo.load`.
    """

    name: str
    model: Model
    allow_code: bool = False

    @property
    def is_file(self) -> bool:
        """Whether it is an exported file and not a student in torch."""
        return isinstance(self.model, OnnxModel)

    @property
    def num_bytes(self) -> int | None:
        """Size of the file that has the weights; None for a published student, whose file has more in it."""
        if isinstance(self.model, OnnxModel):
            return self.model.path.stat().st_size
        from sondo.weights import located  # a fresh process that is measured needs none of it

        home = located(self.name)
        weights = (home / part / "model.safetensors" for part in ("student", "."))
        return next((path.stat().st_size for path in weights if path.is_file()), None)

    def num_params(self) -> int | None:
        """Learned parameters, of a file what is left of them after folding; None where that cannot be told."""
        return count_parameters(self.model.path) if isinstance(self.model, OnnxModel) else int(self._student.num_params)

    def macs(self, audio: NDArray[np.float32]) -> Macs:
        """Multiply-accumulates for sound (batch, samples)."""
        if isinstance(self.model, OnnxModel):
            return count_macs(self.model.path, audio)
        from sondo.bench import torch_student

        return torch_student.count_macs(self._student, audio)

    def front_end_share(self, audio: NDArray[np.float32]) -> float | None:
        """Share of the time that the log-mel takes, on one thread."""
        if isinstance(self.model, OnnxModel):
            return front_end_share(self.model.path, audio)
        from sondo.bench import torch_student

        return torch_student.front_end_share(self._student, audio)

    def with_threads(self, threads: int) -> Subject:
        """The same on so many threads; torch's are the whole process's, so it is asked for again before each call."""
        if not self.is_file:
            return self
        return Subject(name=self.name, model=open_model(self.name, threads=threads, allow_code=False))

    @property
    def _student(self) -> Any:
        return self.model.student  # type: ignore[attr-defined]


def open_model(name: str | Path, *, threads: int, allow_code: bool) -> Model:
    """Open a model that runs on so many threads."""
    model = load(name, threads=threads, allow_code=allow_code)
    set_threads(threads)
    return model


def set_threads(threads: int) -> None:
    """Let torch, where it is loaded at all, use so many threads; an exported file has its own setting."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
