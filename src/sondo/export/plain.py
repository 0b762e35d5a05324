"""One window of a student, front-end included, as a torch module of plain operators: what phones' runtimes take.

The front-end is the two-step DFT of `sondo.export.front_end` as products with constant matrices, here with the frames
as the first axis, since these runtimes want their constants on the right of a product. There is no complex number and
no FFT in it, so that no runtime needs a kernel for one.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sondo.audio.logmel import LogMelConfig, hann_window, mel_filterbank
from sondo.errors import SondoError
from sondo.export.front_end import _factors
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
        self.rows, self.columns = _factors(config.n_fft)
        second, bins = _second_step(self.rows, self.columns)
        filters = mel_filterbank(config)[:, bins.ravel()]
        constants = {
            "window": hann_window(config.n_fft),
            "of_rows": _first_step(self.rows).T,
            "of_columns": second.transpose(0, 2, 1),
            "filters": filters.T,
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


def plain_student(student: Student) -> PlainStudent:
    """The student for one window, in evaluation mode. The student itself is not changed."""
    student = copy.deepcopy(student).cpu().float().eval().requires_grad_(False)
    use_products(student)
    return PlainStudent(MatrixLogMel(student.front_end.config), _Core(student, with_frames=False)).eval()


def _first_step(rows: int) -> NDArray[np.float32]:
    """The DFT of one column: for each slot k its real and its imaginary part, and in slot 0 bins 0 and rows / 2.

    Shape:
        -> (rows, rows).
    """
    k = np.arange(rows // 2 + 1)
    dft = np.exp(-2j * np.pi * k[:, None] * np.arange(rows) / rows)
    parts = np.stack([dft.real, dft.imag], axis=1)[:-1]
    parts[0, 1] = dft[-1].real
    return np.asarray(parts.reshape(rows, rows), dtype=np.float32)


def _second_step(rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """From a slot k of all columns to bins ``k + rows m``; sample ``columns r + c`` is row r of column c.

    Slot 0 gives the bins of its two halves up to half the spectrum. The last bin of all has no place in it; no mel
    filter reaches it, since the highest ends there.

    Shape:
        (rows / 2, 2 columns, 2 columns): the real parts of all bins of a slot, then the imaginary ones, each with low
        bins first; and the bins, (rows / 2, columns), those above half the spectrum as the ones they mirror.
    """
    k, m = np.arange(rows // 2)[:, None], np.arange(columns)[None, :]
    bins = k + rows * m
    bins[0] = np.concatenate([rows * m[0, : columns // 2], rows // 2 + rows * m[0, : columns // 2]])
    twiddles = np.exp(-2j * np.pi * bins[:, :, None] * np.arange(columns) / (rows * columns))
    # (slot, part of the result, bin, part of the input, column)
    steps = np.stack(
        [
            np.stack([twiddles.real, -twiddles.imag], axis=2),
            np.stack([twiddles.imag, twiddles.real], axis=2),
        ],
        axis=1,
    )
    of_first, of_last = twiddles[0, : columns // 2], twiddles[0, columns // 2 :]
    steps[0] = 0
    steps[0, :, : columns // 2, 0] = of_first.real, of_first.imag
    steps[0, :, columns // 2 :, 1] = of_last.real, of_last.imag
    mirrored = np.minimum(bins, rows * columns - bins)
    order = np.argsort(mirrored, axis=1)
    steps = np.take_along_axis(steps, order[:, None, :, None, None], axis=2)
    matrices = steps.reshape(rows // 2, 2 * columns, 2 * columns).astype(np.float32)
    return matrices, np.take_along_axis(mirrored, order, axis=1)
