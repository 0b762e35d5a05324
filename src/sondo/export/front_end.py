"""The log-mel front-end as plain ONNX operators, with a DFT in two steps.

A DFT of n = rows x columns points is a DFT of `rows` points on each column, then one of `columns` points with the
twiddle factors inside (Cooley & Tukey 1965). Sound is real, which halves all of it: the first step keeps bins 0 to
rows / 2, and as the first and the last of them are real, they share one slot. So 1024 points take one matrix of 32 x 32
and 16 of 64 x 64 where a single one has 1024 x 1024: a tenth of the work, and constants of 0.3 MB instead of 4 MB.

The mel filters are many at low frequencies, where each is narrow, and few at high ones, where each is wide: two
products over two bands of bins are half the work of one over all.

Everything keeps the frames as the last axis, so that each step is a reshape of the one before: one transposition, of
the samples, is all that moves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from sondo.audio.logmel import LogMelConfig, hann_window, mel_filterbank
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
    second, bins = _second_step(rows, columns)
    num_low, low, high = _bands(config, bins)
    missing = config.num_mels - len(low), config.num_mels - len(high)
    constants: Constants = {
        "half_shape": np.array([-1, config.hop]),
        "first": np.array([0]),
        "second": np.array([1]),
        "last": np.array([-1]),
        "end": np.array([2**62]),
        "window": hann_window(config.n_fft)[:, None],
        "column_shape": np.array([rows, -1]),
        "dft_rows": _first_step(rows),
        "row_shape": np.array([batches, 2 * columns, -1]),
        "dft_columns": second,
        "part_shape": np.array([batches, 2, columns, -1]),
        "band_sizes": np.array([num_low, columns - num_low]),
        "low_shape": np.array([batches * num_low, -1]),
        "high_shape": np.array([batches * (columns - num_low), -1]),
        "low_filters": low,
        "high_filters": high,
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
        ("Mul", ["frames", "window"], "windowed", {}),
        ("Reshape", ["windowed", "column_shape"], "columns", {}),
        ("MatMul", ["dft_rows", "columns"], "half_done", {}),
        ("Reshape", ["half_done", "row_shape"], "half_done_rows", {}),
        ("MatMul", ["dft_columns", "half_done_rows"], "spectrum", {}),
        ("Mul", ["spectrum", "spectrum"], "squares", {}),
        ("Reshape", ["squares", "part_shape"], "parts", {}),
        ("ReduceSum", ["parts", "second"], "power", {"keepdims": 0}),
        ("Split", ["power", "band_sizes"], ["low", "high"], {"axis": 1}),
        ("Reshape", ["low", "low_shape"], "low_bins", {}),
        ("Reshape", ["high", "high_shape"], "high_bins", {}),
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
