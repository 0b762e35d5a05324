"""One window of a student, front-end included, as a torch module of plain operators: what phones' runtimes take.

The front-end is the two-step DFT of `sondo.export.front_end` as products with constant matrices, here with the frames
as the first axis, since these runtimes want their constants on the right of a product. There is no complex number and
no FFT in it, so that no runtime needs a kernel for one.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from sondo.audio.logmel import LogMelConfig, hann_window, mel_filterbank
from sondo.errors import SondoError
from sondo.export.dft import TwoStepDft
from sondo.export.lean.dymn_products import use_products
from sondo.export.network import _Core
from sondo.students import Student


class MatrixLogMel(nn.Module):
    """`sondo.students.LogMel` by products with constant matrices, in float32.

    Args:
        config: The front-end; its hop must be half its FFT, so that a frame is two neighbouring halves.

    Shape:
        audio (1, samples), a whole number of hops and at least two -> (1, num_mels, samples / hop - 1).

    Raises:
        SondoError: A hop that is not half the FFT.
    """

    window: Tensor
    of_rows: Tensor
    of_columns: Tensor
    filters: Tensor

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        if config.hop * 2 != config.n_fft:
            raise SondoError(
                f"export needs a hop of half the FFT; this front-end has {config.hop} and {config.n_fft} samples"
            )
        self.config = config
        dft = TwoStepDft.of(config.n_fft)
        self.rows, self.columns = dft.rows, dft.columns
        constants = {
            "window": hann_window(config.n_fft),
            "of_rows": dft.first_matrix().T,
            "of_columns": dft.second_matrices().transpose(0, 2, 1),
            "filters": mel_filterbank(config)[:, dft.mirrored.ravel()].T,
        }
        for name, values in constants.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)))

    def forward(self, audio: Tensor) -> Tensor:
        """Transform a window."""
        slots = self.rows // 2
        hops = audio.shape[1] // self.config.hop
        halves = audio.reshape(hops, self.config.hop)
        frames = torch.cat([halves[:-1], halves[1:]], dim=1) * self.window
        by_column = frames.reshape(hops - 1, self.rows, self.columns).transpose(1, 2)
        half_done = (by_column @ self.of_rows).reshape(hops - 1, self.columns, slots, 2)
        by_slot = half_done.permute(2, 0, 3, 1).reshape(slots, hops - 1, 2 * self.columns)
        spectrum = torch.bmm(by_slot, self.of_columns)
        squares = spectrum * spectrum
        power = squares[..., : self.columns] + squares[..., self.columns :]
        bins = power.transpose(0, 1).reshape(hops - 1, slots * self.columns)
        log_mel = torch.log(bins @ self.filters + self.config.log_offset)
        return log_mel.transpose(0, 1)[None]


class PlainStudent(nn.Module):
    """Front-end and network for one window.

    Args:
        front_end: Maps (1, samples) to (1, num_mels, frames).
        network: Maps (1, num_mels, frames) to (1, embedding_dim).

    Shape:
        audio (1, samples) -> (1, embedding_dim).
    """

    def __init__(self, front_end: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.front_end, self.network = front_end, network

    def forward(self, audio: Tensor) -> Tensor:
        """Embed a window."""
        embedding: Tensor = self.network(self.front_end(audio))
        return embedding


def plain_student(student: Student, *, int8: bool = False) -> PlainStudent:
    """The student for one window, in evaluation mode. The student itself is not changed.

    Args:
        student: The student.
        int8: Whether it is to be quantised, as in `sondo.export.lean.lean`.
    """
    student = copy.deepcopy(student).cpu().float().eval().requires_grad_(False)
    use_products(student)
    return PlainStudent(MatrixLogMel(student.front_end.config), _Core(student, with_frames=False, int8=int8)).eval()
