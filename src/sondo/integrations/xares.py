"""sondo's models in X-ARES.

X-ARES makes the one class of a file whose name ends with `Encoder`, without arguments. So the file is, for example:

    from sondo.integrations import xares

    class FirstEncoder(xares.StudentEncoder):
        def __init__(self):
            super().__init__("runs/first")

and `python -m xares.run my_encoder.py src/tasks/*.py` runs it. Checked against the checker of X-ARES 0.1.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sondo.audio.windows import WINDOW_SAMPLES
from sondo.errors import SondoError
from sondo.integrations.module import LoadedModule, lengthened, to_numpy
from sondo.runtime import Model

LEAST_S = 1.0
"""A rest of a sound that is shorter than this many seconds is heard with silence behind it."""


class StudentEncoder(LoadedModule):
    """A model's frames as what X-ARES calls an encoder.

    The frames are those of `Model.frames`, one for every stride of the network. Long sound is cut where a frame begins
    (every 9.728 s for `mobilenetv3`) and not every 10 s, so that they follow each other evenly, as X-ARES reckons.

    Args:
        model: A model that has frames, or what `sondo.load` takes.

    Attributes:
        sampling_rate: Hz that `forward` expects.
        output_dim: Values of a frame.
        hop_size_in_ms: Milliseconds from one frame to the next: 512 for `mobilenetv3`.

    Raises:
        SondoError: No such model, or one without frames.
    """

    def __init__(self, model: Model | str | Path) -> None:
        super().__init__(model)
        self.sampling_rate = self.model.sample_rate
        self.hop_size_in_ms = 1000 * self.model.frame_hop_s
        self._hop = self.model.frame_stride * self.model.front_end.hop
        silence = np.zeros(round(LEAST_S * self.sampling_rate), dtype=np.float32)
        self.output_dim = self._frames(silence).shape[1]

    def forward(self, audio: Tensor) -> Tensor:
        """Embed sound of any length along its time.

        Args:
            audio: Samples in [-1, 1] at `sampling_rate`.

        Shape:
            (batch, samples) or (samples,) -> (batch, T, output_dim), ``T = ceil(samples / sampling_rate / hop)``.

        Raises:
            SondoError: Another shape, no samples, or samples that are no finite numbers.
        """
        samples = to_numpy(audio)
        if samples.ndim not in (1, 2) or samples.size == 0:
            raise SondoError(f"X-ARES' audio is of shape (batch, samples) or (samples,), not {samples.shape}")
        found = [np.concatenate([self._frames(part) for part in self._parts(row)]) for row in np.atleast_2d(samples)]
        return torch.from_numpy(np.stack(found)).to(audio.device)

    def _parts(self, row: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        size = WINDOW_SAMPLES // self._hop * self._hop
        for start in range(0, len(row), size):
            yield row[start : start + size]

    def _frames(self, part: NDArray[np.float32]) -> NDArray[np.float32]:
        """The frames that begin within a part, which is no longer than a window."""
        count = -(-len(part) // self._hop)
        least = (count - 1) * self._hop + self.model.front_end.n_fft  # what the last of them needs
        heard = lengthened(part, max(least, round(LEAST_S * self.sampling_rate)))
        vectors, _ = self.model.frames(heard, sample_rate=self.sampling_rate)
        return vectors[:count]
