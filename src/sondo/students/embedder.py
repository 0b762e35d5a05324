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
            space_id="",  # it is the student's at any time, below
            licence=student.licence,
            front_end=student.front_end.config,
            compat=student.compat,
        )
        self.student = student.eval()

    @property
    def space_id(self) -> str:
        """The space of the student as it is now: training moves it, so that vectors from before do not compare.

        It is a digest of all weights, which takes milliseconds: ask once for many vectors.
        """
        return self.student.space_id

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

    @property
    def frame_stride(self) -> int:
        """Log-mel frames from one of the `frames` to the next.

        Raises:
            SondoError: A student of one's own or of timm, which gives vectors and not maps.
        """
        return self.student.frame_stride

    def _embed_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            vectors: NDArray[np.float32] = self.student(self._batch(audio)).float().cpu().numpy()
        return vectors

    def _frames_of_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            vectors, _ = self.student.frames(self._batch(audio))
        frames: NDArray[np.float32] = vectors.cpu().numpy()
        return frames

    def _batch(self, audio: NDArray[np.float32]) -> torch.Tensor:
        device = next(self.student.parameters()).device
        return torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32)).to(device)
