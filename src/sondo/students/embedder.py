"""A student as a model for use: files and arrays in, vectors out, run by torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sondo.runtime.model import Model
from sondo.students.storage import load
from sondo.students.student import Student


class TorchModel(Model):
    """Run a student with torch, behind the same methods as an exported file.

    Args:
        student: The student. It is put into evaluation mode and stays on its device.

    Example:
        `TorchModel(student).embed("dog.wav")` gives an (embedding_dim,) float32 array.
    """

    def __init__(self, student: Student) -> None:
        super().__init__(
            name=student.name,
            embedding_dim=student.embedding_dim,
            space_id=student.space_id,
            licence=student.licence,
            front_end=student.front_end.config,
            compat=student.compat,
        )
        self.student = student.eval()

    @classmethod
    def from_folder(cls, folder: str | Path, *, allow_code: bool = False) -> TorchModel:
        """Open a folder that `sondo.students.save` wrote.

        Args:
            folder: The student's folder.
            allow_code: Import the module that the folder names, for a student that is a function of your own.

        Raises:
            SondoError: No student there, or a damaged one.
        """
        return cls(load(folder, allow_code=allow_code))

    def _embed_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        device = next(self.student.parameters()).device
        batch = torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32)).to(device)
        with torch.inference_mode():
            vectors: NDArray[np.float32] = self.student(batch).float().cpu().numpy()
        return vectors
