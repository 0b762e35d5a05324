"""The log-mel front-end as plain ONNX operators, with a DFT in two steps (`sondo.export.dft`).

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
from sondo.export.dft import TwoStepDft
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
    dft = TwoStepDft.of(config.n_fft)
    num_low, low, high = _bands(config, dft.mirrored)
    missing = config.num_mels - len(low), config.num_mels - len(high)
    constants: Constants = {
        "half_shape": np.array([-1, config.hop]),
        "first": np.array([0]),
        "second": np.array([1]),
        "last": np.array([-1]),
        "end": np.array([2**62]),
        **_dft_constants(dft),
        "band_sizes": np.array([num_low, dft.columns - num_low]),
        "low_shape": np.array([dft.slots * num_low, -1]),
        "high_shape": np.array([dft.slots * (dft.columns - num_low), -1]),
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


def _dft_constants(dft: TwoStepDft) -> Constants:
    """What the window and both steps of the DFT are worked out of when the file is opened."""
    size, slots, columns = dft.size, dft.slots, dft.columns
    return {
        "size": np.array([size]),
        "cosine": dft.cosine(),
        "half": np.array(0.5, dtype=np.float32),
        "minus_half": np.array(-0.5, dtype=np.float32),
        "row": np.arange(dft.rows),
        "row_steps": dft.row_turns,
        "row_quarters": size // 4 * dft.row_quarters,
        "column": np.arange(columns),
        "bins": dft.bins[:, None, :, None, None].astype(np.min_scalar_type(size)),
        "quarters": size // 4 * dft.quarters[:, :, None, :, None],
        "parts_there": dft.is_there[:, None, :, :, None],
        "column_shape": np.array([dft.rows, -1]),
        "row_shape": np.array([slots, 2 * columns, -1]),
        "slot_shape": np.array([slots, 2 * columns, 2 * columns]),
        "part_shape": np.array([slots, 2, columns, -1]),
    }


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
"""`TwoStepDft.first_matrix`."""

_SECOND_STEP: list[Step] = [
    ("Cast", ["bins"], "whole_bins", {"to": TensorProto.INT64}),
    ("Mul", ["whole_bins", "column"], "turns", {}),
    ("Add", ["turns", "quarters"], "turns_of_parts", {}),
    ("Mod", ["turns_of_parts", "size"], "places", {}),
    ("Where", ["parts_there", "places", "size"], "places_or_zero", {}),
    ("Reshape", ["places_or_zero", "slot_shape"], "places_of_slots", {}),
    ("Gather", ["cosine", "places_of_slots"], "dft_columns", {}),
]
"""`TwoStepDft.second_matrices`."""


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
