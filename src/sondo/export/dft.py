"""A DFT in two steps, as whole numbers of turns: what both forms of the front-end are made of.

A DFT of n = rows x columns points is a DFT of `rows` points on each column, then one of `columns` points with the
twiddle factors inside (Cooley & Tukey 1965). Sound is real, which halves all of it: the first step keeps bins 0 to
rows / 2, and as the first and the last of them are real, they share one slot. So 1024 points take one matrix of 32 x 32
and 16 of 64 x 64 where a single one has 1024 x 1024: a tenth of the work.

Every value of the matrices is ``cos(2 pi i / n)`` of a whole i, or 0: `cosine` has them all, and entry n is the 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TwoStepDft:
    """The turns of both steps.

    Args:
        rows: Points of the first step; sample ``columns r + c`` is row r of column c.
        columns: Points of the second.
        row_turns: Turns of row 1 in a result of the first step, (rows, 1); row r has r times as many.
        row_quarters: Quarter turns that each result is ahead, (rows, 1).
        bins: The bins that each slot leads to, (rows / 2, columns), ascending by the bin that they mirror; column c has
            c times as many turns.
        quarters: Quarter turns that the real and the imaginary part of a bin (first axis) are ahead, from the real and
            the imaginary part of a column, (rows / 2, 2, 2).
        is_there: From which of the two parts a bin comes, (rows / 2, columns, 2).
    """

    rows: int
    columns: int
    row_turns: NDArray[np.int64]
    row_quarters: NDArray[np.int64]
    bins: NDArray[np.int64]
    quarters: NDArray[np.int64]
    is_there: NDArray[np.bool_]

    @classmethod
    def of(cls, n_fft: int) -> TwoStepDft:
        """Split a DFT whose length is a power of two, into steps as equal as can be."""
        exponent = n_fft.bit_length() - 1
        rows, columns = 2 ** (exponent // 2), 2 ** (exponent - exponent // 2)
        slots = rows // 2
        k, m = np.arange(slots)[:, None], np.arange(columns)[None, :]
        # Of slot k the real and the imaginary part of bin k: a cosine and a negative sine, which is a quarter ahead.
        # Slot 0 has no imaginary part; bin rows / 2, which has none either, takes its place.
        row_turns = columns * np.repeat(np.arange(slots), 2)
        row_turns[1] = columns * slots
        row_quarters = np.tile([0, 1], slots)
        row_quarters[1] = 0
        # Slot 0 leads to the bins of its two halves up to half the spectrum: those of k = 0, from what lies in the
        # place of the real parts, and of k = rows / 2, from what lies in that of the imaginary ones. The last bin of
        # all has no place in it; no mel filter reaches it, since the highest ends there.
        bins = k + rows * m
        bins[0] = np.concatenate([rows * m[0, : columns // 2], slots + rows * m[0, : columns // 2]])
        order = np.argsort(np.minimum(bins, n_fft - bins), axis=1)
        bins = np.take_along_axis(bins, order, axis=1)
        is_there = np.ones((slots, columns, 2), dtype=np.bool_)
        is_there[0] = (bins[0] % rows != 0)[:, None] == [False, True]
        quarters = np.tile([[0, 3], [1, 0]], (slots, 1, 1))
        quarters[0] = [[0, 0], [1, 1]]
        return cls(rows, columns, row_turns[:, None], row_quarters[:, None], bins, quarters, is_there)

    @property
    def size(self) -> int:
        """Points of the whole DFT."""
        return self.rows * self.columns

    @property
    def slots(self) -> int:
        """Results of the first step, real and imaginary part together."""
        return self.rows // 2

    @property
    def mirrored(self) -> NDArray[np.int64]:
        """The bins of `bins`, those above half the spectrum as the ones that they mirror."""
        return np.minimum(self.bins, self.size - self.bins)

    def cosine(self) -> NDArray[np.float32]:
        """One period, and a 0: (size + 1,)."""
        return np.append(np.cos(2 * np.pi * np.arange(self.size) / self.size), 0).astype(np.float32)

    def first_matrix(self) -> NDArray[np.float32]:
        """The first step of one column, (rows, rows)."""
        turns = self.row_turns * np.arange(self.rows) + self.size // 4 * self.row_quarters
        return np.asarray(self.cosine()[turns % self.size], dtype=np.float32)

    def second_matrices(self) -> NDArray[np.float32]:
        """The second step of each slot, (slots, 2 columns, 2 columns): the real parts of its bins, then the imaginary
        ones, from the real parts of all columns, then the imaginary ones.
        """
        turns = self.bins[:, None, :, None, None] * np.arange(self.columns)
        turns = (turns + self.size // 4 * self.quarters[:, :, None, :, None]) % self.size
        turns = np.where(self.is_there[:, None, :, :, None], turns, self.size)
        return np.asarray(self.cosine()[turns.reshape(self.slots, 2 * self.columns, -1)], dtype=np.float32)
