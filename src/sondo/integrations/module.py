"""A loaded model as a module of torch, which is what benchmarks expect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sondo.errors import SondoError
from sondo.loading import load
from sondo.runtime import Model


class LoadedModule(nn.Module):
    """What `sondo.load` gives, in evaluation mode. `to` moves a student; an exported file stays on the CPU.

    Args:
        model: A model, or what `sondo.load` takes.

    Raises:
        SondoError: Nothing there, or nothing that sondo knows.
    """

    def __init__(self, model: Model | str | Path) -> None:
        super().__init__()
        self.model = model if isinstance(model, Model) else load(model)
        student = getattr(self.model, "student", None)
        if isinstance(student, nn.Module):
            self.student = student
        self.eval()

    def train(self, mode: bool = True) -> LoadedModule:
        """Stay in evaluation mode: these vectors are for use."""
        del mode
        return super().train(False)


def to_numpy(audio: Tensor) -> NDArray[np.float32]:
    """Sound of any device and precision as an array.

    Raises:
        SondoError: No tensor, or one of integers.
    """
    if not isinstance(audio, Tensor) or not audio.is_floating_point():
        what = f"a tensor of {audio.dtype}" if isinstance(audio, Tensor) else f"a {type(audio).__name__}"
        raise SondoError(f"sound is a tensor of floating-point samples in [-1, 1], not {what}")
    return np.asarray(audio.detach().to(device="cpu", dtype=torch.float32).numpy())


def lengthened(audio: NDArray[np.float32], least_samples: int) -> NDArray[np.float32]:
    """Sound with silence behind it where it is too short to hear: benchmarks have such clips, and want a vector.

    Shape:
        audio (samples,) -> (max(samples, least_samples),).
    """
    return np.pad(audio, (0, max(0, least_samples - len(audio))))
