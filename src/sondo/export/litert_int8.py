"""The network of a `.tflite` file in int8, its front-end and its read-out in float32.

Convolutions take and give int8, with weights by channel and with the range that each map has over real sound; so do
sums, joins and padding of what they give, which saves passes over maps in float32. Linear layers have weights in int8,
and find the range of their few inputs when they run; DyMN's kernels, mixed for each sound, come from such layers. All
else stays in float32: the front-end with its logarithm, the first convolution, which sees the log-mel, products and
what comes of them, gates and means. Where the vectors are still not those of float32, the first convolutions are the
ones to blame (few channels, over the widest maps), so ever more of them stay in float32 too, until the vectors are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.logmel import LogMelConfig
from sondo.audio.windows import WINDOW_SAMPLES
from sondo.errors import require
from sondo.export.exporters import quiet
from sondo.export.litert_lengths import constant, kind_of, packed, schema, unpacked
from sondo.export.precision import ENOUGH_COSINE

_SHARES_IN_FLOAT = (0.0, 0.125, 0.25, 0.5)
_BITS = 8
_CONVOLUTIONS, _CARRYING = ("CONV_2D", "DEPTHWISE_CONV_2D"), ("ADD", "CONCATENATION", "PAD")
_LINEAR = "FULLY_CONNECTED"
_SCALE_BYTES = 12
"""What the scale and the zero of a channel take: rows of fewer weights than that share one."""
_COUNTED = 0.98
"""The share of windows whose extremes count: one sound that is like no other would widen the steps of all the rest."""
_LOWEST_OF_HARD_SWISH = -3.0
"""Below it, a hard swish gives 0."""
_WHY = "int8 for LiteRT needs ai-edge-quantizer"

_Ranges = dict[str, Any]


@dataclass(frozen=True)
class _Step:
    """An operator of the network.

    Args:
        name: Of its result.
        kind: As the quantiser calls it.
        before: Names of the results that it takes.
        row: Weights for each of its channels; 0 where it has none.
    """

    name: str
    kind: str
    before: tuple[str, ...]
    row: int


def quantised(content: bytes, clips: Sequence[NDArray[np.float32]], *, config: LogMelConfig) -> bytes:
    """Quantise a file.

    Args:
        content: A student's file in float32, for windows of any length.
        clips: Real sound for the ranges of the maps, each (samples,); the first window of each is used.
        config: The front-end.

    Returns:
        The file with the fewest convolutions in float32 that reaches `ENOUGH_COSINE`, or else the closest one.
    """
    content, steps = _with_names(content)
    windows = [clip[None, : min(len(clip), WINDOW_SAMPLES) // config.hop * config.hop] for clip in clips]
    with quiet():
        ranges = _within_hard_swish(_ranges(content, windows), steps)
        wanted = _vectors(content, windows)
        best, best_cosine = b"", -1.0
        for share in _SHARES_IN_FLOAT:
            found = _with_recipe(content, _in_int8(steps, share), ranges)
            cosine = _mean_cosine(_vectors(found, windows), wanted)
            if cosine > best_cosine:
                best, best_cosine = found, cosine
            if cosine >= ENOUGH_COSINE:
                break
    return best


def _with_names(content: bytes) -> tuple[bytes, list[_Step]]:
    """The file with a short name of its own for each tensor, and what the network does behind the front-end."""
    model = unpacked(content)
    (graph,) = model.subgraphs
    kinds = {value: name for name, value in vars(schema().BuiltinOperator).items()}
    steps: list[_Step] = []
    is_network = False
    for index in set(range(len(graph.tensors))) - {*graph.inputs, *graph.outputs}:
        graph.tensors[index].name = f"c{index}".encode()
    for number, step in enumerate(graph.operators):
        for index in set(step.outputs) - set(graph.outputs):
            graph.tensors[index].name = f"step_{number}_".encode()
        values = [index for index in step.inputs if index >= 0 and len(constant(model, graph, index)) == 0]
        has_weights = len(step.inputs) > 1 and step.inputs[1] >= 0 and step.inputs[1] not in values
        if is_network:
            before = tuple(graph.tensors[index].name.decode() for index in values)
            row = int(np.prod(graph.tensors[step.inputs[1]].shape[1:])) if has_weights else 0
            steps.append(_Step(f"step_{number}_", kinds[kind_of(model, step)], before, row))
        is_network |= kind_of(model, step) == schema().BuiltinOperator.LOG
    return packed(model), steps


def _in_int8(steps: Sequence[_Step], share_in_float: float) -> list[_Step]:
    """What to quantise, with a share of the first convolutions in float32."""
    convolutions = [step.name for step in steps if step.kind in _CONVOLUTIONS and step.row]
    left = set(convolutions[1 + int(share_in_float * (len(convolutions) - 1)) :])
    chosen: list[_Step] = []
    carried: set[str] = set()
    for step in steps:
        if step.name in left or (step.kind in _CARRYING and carried.issuperset(step.before)):
            chosen.append(step)
            carried.add(step.name)
        elif step.kind == _LINEAR and step.row:
            chosen.append(step)
    return chosen


def _with_recipe(content: bytes, chosen: Sequence[_Step], ranges: _Ranges) -> bytes:
    quantizer = _quantizer(content)
    by = require("ai_edge_quantizer.qtyping", extra="litert", why=_WHY).QuantGranularity
    for kind in (*_CONVOLUTIONS, *_CARRYING):
        if names := [step.name for step in chosen if step.kind == kind]:
            quantizer.add_static_config("|".join(names), _operator(kind), _BITS, _BITS)
    for is_short, granularity in ((False, by.CHANNELWISE), (True, by.TENSORWISE)):
        if names := [step.name for step in chosen if step.kind == _LINEAR and (step.row < _SCALE_BYTES) == is_short]:
            quantizer.add_dynamic_config("|".join(names), _operator(_LINEAR), _BITS, granularity=granularity)
    return bytes(quantizer.quantize(ranges, enable_progress_report=False).quantized_model)


def _within_hard_swish(ranges: _Ranges, steps: Sequence[_Step]) -> _Ranges:
    """The ranges without the part of a map of which a hard swish makes nothing."""
    takers: dict[str, set[str]] = {}
    for step in steps:
        for name in step.before:
            takers.setdefault(name, set()).add(step.kind)
    return {
        name: {**found, "min": np.maximum(found["min"], np.float32(_LOWEST_OF_HARD_SWISH))}
        if found and takers.get(name) == {"HARD_SWISH"}
        else found
        for name, found in ranges.items()
    }


def _ranges(content: bytes, windows: Sequence[NDArray[np.float32]]) -> _Ranges:
    """The smallest and the largest value of each map, but for those of a few extreme windows.

    The quantiser's own ranges are moving averages.
    """
    quantizer = _quantizer(content)
    quantizer.add_static_config(".*", _operator("ALL_SUPPORTED"), _BITS, _BITS)
    signature, inputs = _signature(content)
    found: dict[str, list[Any]] = {}
    for window in windows:
        for name, its in quantizer.calibrate({signature: [{inputs: window}]}, num_threads=1).items():
            found.setdefault(name, []).append(its)
    return {name: _range(each) for name, each in found.items()}


def _range(each: Sequence[Any]) -> Any:
    """Of one map over all windows."""
    if not each[0]:
        return each[0]
    smallest, largest = ([window[end] for window in each] for end in ("min", "max"))
    return {
        "min": np.quantile(smallest, 1 - _COUNTED, axis=0, method="lower").astype(np.float32),
        "max": np.quantile(largest, _COUNTED, axis=0, method="higher").astype(np.float32),
    }


def _signature(content: bytes) -> tuple[str, str]:
    signature = unpacked(content).signatureDefs[0]
    return signature.signatureKey.decode(), signature.inputs[0].name.decode()


def _vectors(content: bytes, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    runtime = require("ai_edge_litert.interpreter", extra="litert", why=_WHY)
    interpreter = runtime.Interpreter(model_content=content, num_threads=1)
    run = interpreter.get_signature_runner()
    name = _signature(content)[1]
    return np.concatenate([next(iter(run(**{name: window}).values())) for window in windows])


def _mean_cosine(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(((found * wanted).sum(axis=1) / np.maximum(norms, np.finfo(np.float32).tiny)).mean())


def _quantizer(content: bytes) -> Any:
    return require("ai_edge_quantizer.quantizer", extra="litert", why=_WHY).Quantizer(bytearray(content))


def _operator(kind: str) -> Any:
    return require("ai_edge_quantizer.qtyping", extra="litert", why=_WHY).TFLOperationName[kind]
