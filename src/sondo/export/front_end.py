"""The log-mel front-end as plain ONNX operators, with a DFT in two steps.

A DFT of n = rows x columns points is a DFT of `rows` points on each column, then one of `columns` points with the
twiddle factors inside (Cooley & Tukey 1965). Sound is real, which halves all of it: the first step keeps bins 0 to
rows / 2, and as the first and the last of them are real, they share one slot. So 1024 points take one matrix of 32 x 32
and 16 of 64 x 64 where a single one has 1024 x 1024: a tenth of the work.

The mel filters are many at low frequencies, where each is narrow, and few at high ones, where each is wide: two
products over two bands of bins are half the work of one over all.

Everything keeps the frames as the last axis, so that each step is a reshape of the one before: one transposition, of
the samples, is all that moves.

The larger matrices are not written out in the file, where they would weigh 0.4 MB, as much as a small student in int8.
The file holds one period of a cosine and the few values of the filters, and steps that put them in place; these depend
on nothing else, so a runtime does them once, when it opens the file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from sondo.audio.logmel import LogMelConfig, mel_filterbank
from sondo.errors import SondoError
from sondo.export.steps import Constants, Step, named, nodes

PREFIX = "front_end/"
_LEAST_FFT = 16


def front_end_graph(config: LogMelConfig, *, audio: str, log_mel: str) -> tuple[list[NodeProto], Constants]:
    """Operators from samples to a log-mel.

    Args:
        config: The front-end; its hop must be half its FFT, so that a frame is two neighbouring halves.
        audio: Name of the samples, a whole number of hops and at least two.
        log_mel: Name of the result.

    Shape:
        audio (1, samples) -> log_mel (1, num_mels, frames).

    Returns:
        The nodes, and the constants by name. Every other name starts with `PREFIX`.

    Raises:
        SondoError: A hop that is not half the FFT, or an FFT of fewer than 16 points.
    """
    if config.hop * 2 != config.n_fft or config.n_fft < _LEAST_FFT:
        raise SondoError(
            f"export needs a hop of half the FFT, and an FFT of {_LEAST_FFT} points or more; this front-end has "
            f"{config.hop} and {config.n_fft}"
        )
    rows, columns = _factors(config.n_fft)
    batches = rows // 2
    size = config.n_fft
    bins, halves, mirrored = _second_step(rows, columns)
    is_first = np.arange(batches) == 0
    num_low, low, high = _bands(config, mirrored)
    missing = config.num_mels - len(low), config.num_mels - len(high)
    constants: Constants = {
        "half_shape": np.array([-1, config.hop]),
        "first": np.array([0]),
        "second": np.array([1]),
        "last": np.array([-1]),
        "end": np.array([2**62]),
        "column_shape": np.array([rows, -1]),
        "row_shape": np.array([batches, 2 * columns, -1]),
        "cosine": np.append(np.cos(2 * np.pi * np.arange(size) / size), 0).astype(np.float32),
        "size": np.array([size]),
        "half": np.array(0.5, dtype=np.float32),
        "minus_half": np.array(-0.5, dtype=np.float32),
        "row": np.arange(rows),
        "row_steps": np.stack([columns * np.arange(batches), columns * np.where(is_first, batches, np.arange(batches))])
        .T.reshape(-1, 1)
        .astype(np.int64),
        "row_quarters": size // 4 * np.stack([0 * is_first, 1 - is_first]).T.reshape(-1, 1).astype(np.int64),
        "bins": bins[:, None, :, None, None].astype(np.min_scalar_type(size)),
        "column": np.arange(columns),
        "quarters": size
        // 4
        * np.where(is_first[:, None, None], [[0, 0], [1, 1]], [[0, 3], [1, 0]])[:, :, None, :, None],
        "parts_there": halves[:, None, :, :, None],
        "slot_shape": np.array([batches, 2 * columns, 2 * columns]),
        "part_shape": np.array([batches, 2, columns, -1]),
        "band_sizes": np.array([num_low, columns - num_low]),
        "low_shape": np.array([batches * num_low, -1]),
        "high_shape": np.array([batches * (columns - num_low), -1]),
        **_places("low_filters", low),
        **_places("high_filters", high),
        "low_padding": np.array([0, 0, missing[0], 0]),
        "high_padding": np.array([missing[1], 0, 0, 0]),
        "offset": np.array(config.log_offset, dtype=np.float32),
        "log_mel_shape": np.array([1, config.num_mels, -1]),
    }
    steps: list[Step] = [
        ("Reshape", ["audio", "half_shape"], "halves", {}),
        ("Transpose", ["halves"], "halves_last", {"perm": [1, 0]}),
        ("Slice", ["halves_last", "first", "last", "second"], "left", {}),
        ("Slice", ["halves_last", "second", "end", "second"], "right", {}),
        ("Concat", ["left", "right"], "frames", {"axis": 0}),
        *_WINDOW,
        ("Mul", ["frames", "window"], "windowed", {}),
        ("Reshape", ["windowed", "column_shape"], "columns", {}),
        *_FIRST_STEP,
        ("MatMul", ["dft_rows", "columns"], "half_done", {}),
        ("Reshape", ["half_done", "row_shape"], "half_done_rows", {}),
        *_SECOND_STEP,
        ("MatMul", ["dft_columns", "half_done_rows"], "spectrum", {}),
        ("Mul", ["spectrum", "spectrum"], "squares", {}),
        ("Reshape", ["squares", "part_shape"], "parts", {}),
        ("ReduceSum", ["parts", "second"], "power", {"keepdims": 0}),
        ("Split", ["power", "band_sizes"], ["low", "high"], {"axis": 1}),
        ("Reshape", ["low", "low_shape"], "low_bins", {}),
        ("Reshape", ["high", "high_shape"], "high_bins", {}),
        *_put_in_place("low_filters"),
        *_put_in_place("high_filters"),
        ("MatMul", ["low_filters", "low_bins"], "low_mel", {}),
        ("MatMul", ["high_filters", "high_bins"], "high_mel", {}),
        ("Pad", ["low_mel", "low_padding"], "low_part", {}),
        ("Pad", ["high_mel", "high_padding"], "high_part", {}),
        ("Add", ["low_part", "high_part"], "mel", {}),
        ("Add", ["mel", "offset"], "mel_offset", {}),
        ("Log", ["mel_offset"], "log", {}),
        ("Reshape", ["log", "log_mel_shape"], "log_mel", {}),
    ]
    outside = {"audio": audio, "log_mel": log_mel}
    return nodes(steps, prefix=PREFIX, outside=outside), named(constants, prefix=PREFIX)


def _factors(n_fft: int) -> tuple[int, int]:
    """Two powers of two whose product is the FFT's length, as equal as can be."""
    exponent = n_fft.bit_length() - 1
    return 2 ** (exponent // 2), 2 ** (exponent - exponent // 2)


_WINDOW: list[Step] = [
    ("Slice", ["cosine", "first", "size", "first"], "period", {}),
    ("Mul", ["period", "minus_half"], "wave", {}),
    ("Add", ["wave", "half"], "window_flat", {}),
    ("Unsqueeze", ["window_flat", "second"], "window", {}),
]
"""The periodic Hann window, (n_fft, 1)."""

_FIRST_STEP: list[Step] = [
    ("Mul", ["row_steps", "row"], "row_turns", {}),
    ("Add", ["row_turns", "row_quarters"], "row_turns_of_parts", {}),
    ("Mod", ["row_turns_of_parts", "size"], "row_places", {}),
    ("Gather", ["cosine", "row_places"], "dft_rows", {}),
]
"""The DFT of one column, (rows, rows): of each slot k the real and the imaginary part of bin k; in slot 0, which has no
imaginary part, the real parts of bins 0 and rows / 2."""

_SECOND_STEP: list[Step] = [
    ("Cast", ["bins"], "whole_bins", {"to": TensorProto.INT64}),
    ("Mul", ["whole_bins", "column"], "turns", {}),
    ("Add", ["turns", "quarters"], "turns_of_parts", {}),
    ("Mod", ["turns_of_parts", "size"], "places", {}),
    ("Where", ["parts_there", "places", "size"], "places_or_zero", {}),
    ("Reshape", ["places_or_zero", "slot_shape"], "places_of_slots", {}),
    ("Gather", ["cosine", "places_of_slots"], "dft_columns", {}),
]
"""From a slot of all columns to its bins, (slots, 2 columns, 2 columns): the real parts of the bins, then the imaginary
ones, from the real parts of all columns, then the imaginary ones. Entry n of the cosine is 0."""


def _second_step(rows: int, columns: int) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """The bins ``k + rows m`` that slot k leads to; sample ``columns r + c`` is row r of column c.

    Slot 0 gives the bins of its two halves up to half the spectrum: those of k = 0, which come from what lies in the
    place of the real parts, and of k = rows / 2, from what lies in that of the imaginary ones. The last bin of all has
    no place in it; no mel filter reaches it, since the highest ends there.

    Shape:
        The bins, (rows / 2, columns), ascending by the bin that they mirror; from which parts each comes,
        (rows / 2, columns, 2); the bins as those that they mirror where they are above half the spectrum.
    """
    size = rows * columns
    k, m = np.arange(rows // 2)[:, None], np.arange(columns)[None, :]
    bins = k + rows * m
    bins[0] = np.concatenate([rows * m[0, : columns // 2], rows // 2 + rows * m[0, : columns // 2]])
    mirrored = np.minimum(bins, size - bins)
    order = np.argsort(mirrored, axis=1)
    bins, mirrored = np.take_along_axis(bins, order, axis=1), np.take_along_axis(mirrored, order, axis=1)
    halves = np.ones((rows // 2, columns, 2), dtype=np.bool_)
    halves[0] = (bins[0] % rows != 0)[:, None] == [False, True]
    return bins, halves, mirrored


def _quarters(slots: int) -> NDArray[np.int64]:
    """By how many quarters of a turn the cosine is ahead in the real and imaginary parts of a result (first axis) that
    come from those of a column: a cosine for equal parts, and a sine or its negative for unequal ones.

    Shape:
        -> (slots, 2, 2). What slot 0 takes is always real.
    """
    each = np.tile([[0, 3], [1, 0]], (slots, 1, 1))
    each[0] = [[0, 0], [1, 1]]
    return each


def _places(name: str, matrix: NDArray[np.float32]) -> Constants:
    """A matrix of few values as these and their places."""
    (places,) = np.nonzero(matrix.ravel())
    return {
        f"{name}/values": matrix.ravel()[places],
        f"{name}/near": places.astype(np.min_scalar_type(matrix.size)),
        f"{name}/size": np.array([matrix.size]),
        f"{name}/shape": np.array(matrix.shape),
    }


def _put_in_place(name: str) -> list[Step]:
    """The opposite of `_places`."""
    return [
        ("ConstantOfShape", [f"{name}/size"], f"{name}/zeros", {}),
        ("Cast", [f"{name}/near"], f"{name}/places", {"to": TensorProto.INT64}),
        ("ScatterElements", [f"{name}/zeros", f"{name}/places", f"{name}/values"], f"{name}/flat", {"axis": 0}),
        ("Reshape", [f"{name}/flat", f"{name}/shape"], name, {}),
    ]


def _bands(config: LogMelConfig, bins: NDArray[np.int64]) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
    """The mel filters for a low and a high band of bins.

    Args:
        config: The front-end.
        bins: Of each slot, (slots, columns), ascending in a slot.

    Returns:
        How many bins of each slot are in the low band; the filters from the first one on that reach into it, over its
        bins; the filters up to the last one that reach into the high band, over its bins.
    """
    filters = mel_filterbank(config)
    assert not filters[:, -1].any(), "a filter ends at half the sample rate at the latest"
    slots, columns = bins.shape
    of_slots = filters[:, bins.ravel()].reshape(config.num_mels, slots, columns)
    reach = [np.flatnonzero(of_slots[:, :, column].any(axis=1)) for column in range(columns)]
    starts = [found[0] if len(found) else config.num_mels - 1 for found in reach]
    ends = [found[-1] + 1 if len(found) else 1 for found in reach]

    def work(num_low: int) -> int:
        return int(max(ends[:num_low]) * num_low + (config.num_mels - min(starts[num_low:])) * (columns - num_low))

    num_low = min(range(1, columns), key=work)
    low = of_slots[: max(ends[:num_low]), :, :num_low]
    high = of_slots[min(starts[num_low:]) :, :, num_low:]
    return num_low, low.reshape(len(low), -1), high.reshape(len(high), -1)
