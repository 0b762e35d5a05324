"""The log-mel front-end as plain ONNX operators, with a DFT in two steps (`sondo.export.dft`).

Each half of a frame is the other half of its neighbour. So both windowed forms of every half stand side by side, and
the frames are the same numbers read from the second on: nothing is gathered, and one copy leaves the ends out.

The frames are the first axis up to the second step of the DFT, and the last from there on. onnxruntime reads the
transposition between them as part of the product; every other step is a reshape of the one before.

The mel filters are many at low frequencies, where each is narrow, and few at high ones, where each is wide: two
products, one of the lower filters and one of the higher, each over the bins that it reaches, are half the work of one.

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
    (low, low_columns), (high, high_columns) = _bands(config, dft.mirrored)
    constants: Constants = {
        # the 1 before it keeps OpenVINO from a blocked layout of the next product, which takes many times as long
        "half_shape": np.array([1, -1, 1, config.hop]),
        "halves_shape": np.array([2, config.hop]),
        "windowed_shape": np.array([-1, config.hop]),
        "first": np.array([0]),
        "second": np.array([1]),
        "last": np.array([-1]),
        **_dft_constants(dft),
        **_band_constants("low", low, low_columns),
        **_band_constants("high", high, high_columns),
        "offset": np.array(config.log_offset, dtype=np.float32),
        "log_mel_shape": np.array([1, config.num_mels, -1]),
    }
    steps: list[Step] = [
        ("Reshape", ["audio", "half_shape"], "halves", {}),
        *_WINDOW,
        ("Mul", ["halves", "window"], "both_forms", {}),
        ("Reshape", ["both_forms", "windowed_shape"], "windowed", {}),
        ("Slice", ["windowed", "second", "last", "first"], "frames", {}),
        ("Reshape", ["frames", "frame_shape"], "columns", {}),
        *_FIRST_STEP,
        ("MatMul", ["dft_rows", "columns"], "half_done", {}),
        ("Reshape", ["half_done", "slots_shape"], "slots", {}),
        ("Transpose", ["slots"], "frames_last", {"perm": [1, 2, 0]}),
        *_SECOND_STEP,
        ("MatMul", ["dft_columns", "frames_last"], "spectrum", {}),
        ("Mul", ["spectrum", "spectrum"], "squares", {}),
        ("Reshape", ["squares", "part_shape"], "parts", {}),
        ("ReduceSum", ["parts", "second"], "power", {"keepdims": 0}),
        *_band("low"),
        *_band("high"),
        ("Concat", ["low/mel", "high/mel"], "mel", {"axis": 0}),
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
        "row": np.arange(dft.rows),
        "row_steps": dft.row_turns,
        "row_quarters": size // 4 * dft.row_quarters,
        "column": np.arange(columns),
        "bins": dft.bins[:, None, :, None, None].astype(np.min_scalar_type(size)),
        "quarters": size // 4 * dft.quarters[:, :, None, :, None],
        "parts_there": dft.is_there[:, None, :, :, None],
        "frame_shape": np.array([-1, dft.rows, columns]),
        "slots_shape": np.array([-1, slots, 2 * columns]),
        "slot_shape": np.array([slots, 2 * columns, 2 * columns]),
        "part_shape": np.array([slots, 2, columns, -1]),
    }


_WINDOW: list[Step] = [
    ("Slice", ["cosine", "first", "size", "first"], "period", {}),
    ("Mul", ["period", "half"], "wave", {}),
    ("Add", ["wave", "half"], "window_flat", {}),
    ("Reshape", ["window_flat", "halves_shape"], "window", {}),
]
"""The second half of the periodic Hann window, then its first, (2, hop): a cosine of one period from its top."""

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


def _band_constants(name: str, filters: NDArray[np.float32], columns: slice) -> Constants:
    """What `_band` needs: the filters as their few values and the places of these."""
    flat = filters.ravel()
    (places,) = np.nonzero(flat)
    return {
        f"{name}/begin": np.array([columns.start]),
        f"{name}/end": np.array([columns.stop]),
        f"{name}/values": flat[places],
        f"{name}/near": places.astype(np.min_scalar_type(flat.size)),
        f"{name}/size": np.array([flat.size]),
        f"{name}/shape": np.array(filters.shape),
        f"{name}/bins_shape": np.array([filters.shape[1], -1]),
    }


def _band(name: str) -> list[Step]:
    """From the power of all bins to what one part of the mel filters gives, (filters, frames)."""
    return [
        ("ConstantOfShape", [f"{name}/size"], f"{name}/zeros", {}),
        ("Cast", [f"{name}/near"], f"{name}/places", {"to": TensorProto.INT64}),
        ("ScatterElements", [f"{name}/zeros", f"{name}/places", f"{name}/values"], f"{name}/flat", {"axis": 0}),
        ("Reshape", [f"{name}/flat", f"{name}/shape"], f"{name}/filters", {}),
        ("Slice", ["power", f"{name}/begin", f"{name}/end", "second"], f"{name}/power", {}),
        ("Reshape", [f"{name}/power", f"{name}/bins_shape"], f"{name}/bins", {}),
        ("MatMul", [f"{name}/filters", f"{name}/bins"], f"{name}/mel", {}),
    ]


def _bands(config: LogMelConfig, bins: NDArray[np.int64]) -> list[tuple[NDArray[np.float32], slice]]:
    """The lower and the higher mel filters, parted where their products are the least work.

    Args:
        config: The front-end.
        bins: Of each slot, (slots, columns), ascending in a slot.

    Returns:
        Of each part its filters, over the columns of all slots that they reach, and these columns.
    """
    filters = mel_filterbank(config)
    assert not filters[:, -1].any(), "a filter ends at half the sample rate at the latest"
    of_slots = filters[:, bins.ravel()].reshape(config.num_mels, *bins.shape)

    def part(some: NDArray[np.float32]) -> tuple[NDArray[np.float32], slice]:
        found = np.flatnonzero(some.any(axis=(0, 1)))
        begin, end = (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 1)
        return some[:, :, begin:end].reshape(len(some), len(bins) * (end - begin)), slice(begin, end)

    splits = [[part(of_slots[:num_low]), part(of_slots[num_low:])] for num_low in range(config.num_mels)]
    return min(splits, key=lambda parts: sum(filters.size for filters, _ in parts))
