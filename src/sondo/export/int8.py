"""A network in int8: static quantisation by onnxruntime, with the layers that suffer most left in float32.

Weights have 7 bits, one scale for each output channel; activations 8 bits, by the ranges that calibration finds. The
eighth bit of the weights would make the file's vectors depend on the machine: processors with AVX2 and without VNNI add
pairs of products in 16 bits, which overflow (measured in docs/experiments.md).
"""

from __future__ import annotations

import logging
import math
import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from sondo.errors import SondoError
from sondo.export.network import IR_VERSION, OPSET, rename
from sondo.export.precision import ENOUGH_COSINE
from sondo.export.steps import Step, nodes
from sondo.screen import track

WANTED_COSINE = 0.9995
"""Layers are left in float32 until the mean cosine to float32 is this, or until most is gained that those can bring
which hold `CHEAP` of the work, if that is at least `ENOUGH_COSINE`."""

CHEAP = 0.3
_MOST = 0.9
"""The share of the gain to stop at: each further layer costs time."""

_LEAST_SHARE = 0.001
"""Of the work: a layer that has less still costs its conversions."""

_LAYERS = ("Conv", "Gemm", "MatMul")
_BETWEEN = ("Add", "Mul", "Sigmoid", "Concat", "Clip")
_MEASURED = 12

_LogMels = Sequence[NDArray[np.float32]]


def int8_network(graph: GraphProto, log_mels: _LogMels, held_out: _LogMels) -> GraphProto:
    """Quantise a network.

    The layers are convolutions and products with constant weights. What lies between them is quantised too, unless it
    holds a HardSwish, which has no int8 kernel, so that int8 around it would only add conversions; or unless the
    vectors are closer without. Two parts stay in float32 that are a hundredth of the work and suffer most: the first
    layer, whose input is the log-mel, and the read-out, which is what lies behind the last one.

    Where the network has frames too, what follows counts for the output that suffers most.

    Where the mean cosine falls short of `WANTED_COSINE`, each layer is quantised by itself, and layers are left in
    float32, first those that change the embedding most for their work: they take longer, but their weights are kept in
    8 bits all the same (`keep_small`).

    Args:
        graph: As `network_graph` gives it.
        log_mels: To calibrate with, each (1, num_mels, frames).
        held_out: Others, to measure the layers on.

    Raises:
        SondoError: A network without such layers behind the first.
    """
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    kinds = {node.op_type for node in graph.node}
    constants = {item.name for item in graph.initializer}
    layers = [node.name for node in graph.node if node.op_type in _LAYERS and node.input[1] in constants]
    first = _first(graph, layers)
    always = [node.name for node in graph.node if node.op_type in _LAYERS and node.name not in layers]
    always += [*first, *_behind(graph, layers)]
    layers = [layer for layer in layers if layer not in first]
    if not layers:
        raise SondoError("int8 needs convolutions or products with constant weights behind the first: there are none")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        quantiser = _Quantiser(model, log_mels, held_out[:_MEASURED], Path(folder))
        everything = _LAYERS if "HardSwish" in kinds else (*_LAYERS, *_BETWEEN)

        def loss_of(kinds: Sequence[str]) -> float:
            return quantiser.loss(quantiser.quantised(kinds, leave=always))

        if loss_of(everything) > 1 - ENOUGH_COSINE:
            everything = min(everything, _LAYERS, key=loss_of)
        found = quantiser.quantised(everything, leave=always)
        if (loss := quantiser.loss(found)) > 1 - WANTED_COSINE:
            worst, shares = _worst_first(quantiser, layers)
            cheap = int((np.cumsum(shares) <= CHEAP).sum())

            def without(count: int) -> ModelProto:
                return quantiser.quantised(everything, leave=[*always, *worst[:count]])

            # More layers in float32 bring the vectors closer, so the fewest that do are found by halving.
            least = quantiser.loss(without(cheap))
            if least <= 1 - ENOUGH_COSINE:
                fewest, most, enough = 1, cheap, max(1 - WANTED_COSINE, loss - _MOST * (loss - least))
            else:
                most, enough = len(layers) - 1, 1 - ENOUGH_COSINE
                fewest = min(cheap + 1, most)
            counts = range(fewest, most)
            more = bisect_left(counts, True, key=lambda count: quantiser.loss(without(count)) <= enough)
            found = without(fewest + more)
    return _lighter(found.graph)


def _first(graph: GraphProto, layers: Sequence[str]) -> list[str]:
    """The layers that take from no other."""
    made: set[str] = set()
    first = []
    for node in graph.node:
        if made.intersection(node.input):
            made.update(node.output)
        elif node.name in layers:
            made.update(node.output)
            first.append(node.name)
    return first


def _behind(graph: GraphProto, layers: Sequence[str]) -> list[str]:
    """The nodes that no layer takes from."""
    needed: set[str] = set()
    behind = []
    for node in reversed(graph.node):
        if node.name in layers or needed.intersection(node.output):
            needed.update(node.input)
        else:
            behind.append(node.name)
    return behind


def _worst_first(quantiser: _Quantiser, layers: Sequence[str]) -> tuple[list[str], list[float]]:
    """The layers, first those that by themselves change the embedding most for their work, and their shares of it."""
    work = quantiser.multiply_adds(layers)
    shares = {layer: work[layer] / sum(work.values()) for layer in layers}
    losses = {}
    with track("int8: layers measured", total=len(layers), unit="layers") as line:
        for layer in layers:
            losses[layer] = quantiser.loss(quantiser.quantised(_LAYERS, only=[layer]))
            line.advance()
    worst = sorted(layers, key=lambda layer: -losses[layer] / max(shares[layer], _LEAST_SHARE))
    return worst, [shares[layer] for layer in worst]


class _Quantiser:
    """Quantises one network in several ways, with one calibration."""

    def __init__(self, model: ModelProto, log_mels: _LogMels, held_out: _LogMels, folder: Path) -> None:
        self._input = model.graph.input[0].name
        self._outputs = [output.name for output in model.graph.output]
        self._file, self._result, self._ranges = (folder / name for name in ("in.onnx", "out.onnx", "ranges.json"))
        onnx.save(model, self._file)
        self._log_mels, self._held_out = log_mels, held_out
        self._wanted = self._embed(model)

    def quantised(self, kinds: Sequence[str], *, only: Sequence[str] = (), leave: Sequence[str] = ()) -> ModelProto:
        """Quantise all nodes of these kinds; or `only` those named; or all but those to `leave`."""
        quantize_static(
            self._file,
            self._result,
            None if self._ranges.exists() else _Reader(self._input, self._log_mels),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(kinds),
            nodes_to_quantize=list(only),
            nodes_to_exclude=list(leave),
            calibration_cache_path=self._ranges,
            # The average of the clips' ranges is closer than the widest of them, and than percentiles or entropy.
            extra_options={"CalibMovingAverage": True},
        )
        return onnx.load(self._result)

    def multiply_adds(self, layers: Sequence[str]) -> dict[str, int]:
        """What each layer takes for a window."""
        model = onnx.load(self._file)
        sizes = {item.name: math.prod(item.dims) for item in model.graph.initializer}
        nodes = {node.name: node for node in model.graph.node if node.name in layers}
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=node.output[0]) for node in nodes.values())
        results = _session(model).run(None, {self._input: self._held_out[0]})
        return {
            name: result.size * sizes[node.input[1]] // result.shape[1 if node.op_type == "Conv" else -1]
            for (name, node), result in zip(nodes.items(), results, strict=True)
        }

    def loss(self, model: ModelProto) -> float:
        """1 less the mean cosine to float32 over the clips held out, of the output that suffers most."""
        each = [
            [_cosine(*pair) for pair in zip(found, wanted, strict=True)]
            for found, wanted in zip(self._embed(model), self._wanted, strict=True)
        ]
        return float(1 - np.mean(each, axis=0).min())

    def _embed(self, model: ModelProto) -> list[list[NDArray[np.float32]]]:
        """For each clip what each output gives."""
        session = _session(model)
        return [session.run(self._outputs, {self._input: log_mel}) for log_mel in self._held_out]


def _cosine(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Of all values of two arrays, as vectors."""
    one, other = first.ravel().astype(np.float64), second.ravel().astype(np.float64)
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / max(norms, float(np.finfo(np.float64).tiny))


def _session(model: ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """What onnxruntime calibrates with."""

    def __init__(self, name: str, log_mels: _LogMels) -> None:
        self._each = ({name: log_mel} for log_mel in log_mels)

    def get_next(self) -> dict[str, Any] | None:
        """The next, or none."""
        return next(self._each, None)


def _lighter(graph: GraphProto) -> GraphProto:
    """The same with less text and fewer numbers: as much as the weights of a small student."""
    del graph.value_info[:]
    constants = {item.name: item for item in graph.initializer}
    # Before 1.28 onnxruntime stops at a Gemm, whose second input are its weights, without a zero point for each scale.
    wanted = {node.input[1] for node in graph.node if node.op_type == "Gemm"}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and len(node.input) == 3 and node.input[2] in constants:
            if node.output[0] in wanted:
                continue
            zero_point = numpy_helper.to_array(constants[node.input[2]])
            if zero_point.dtype != np.uint8 and not zero_point.any():
                del node.input[2]
    _make_bias_scales(graph, constants)
    used = {name for node in graph.node for name in node.input}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    rename(graph)
    return graph


def _make_bias_scales(graph: GraphProto, constants: Mapping[str, TensorProto]) -> None:
    """The scales of biases as what they are, those of input times weights, which runtimes work out once."""
    made_by = {name: node for node in graph.node for name in node.output}
    steps: list[Step] = []
    for layer in graph.node:
        if layer.op_type not in _LAYERS or len(layer.input) < 3:
            continue
        sound, weight, bias = (made_by.get(name) for name in layer.input)
        if sound is None or weight is None or bias is None or bias.op_type != "DequantizeLinear":
            continue
        scales = [numpy_helper.to_array(constants[node.input[1]]) for node in (sound, weight, bias)]
        if scales[1].shape == scales[2].shape and np.allclose(scales[0] * scales[1], scales[2], rtol=1e-6):
            steps.append(("Mul", [sound.input[1], weight.input[1]], bias.input[1], {}))
    made = {output for _, _, output, _ in steps}
    kept = [item for item in graph.initializer if item.name not in made]
    network = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend([*nodes(steps), *network])


@contextmanager
def _quiet() -> Iterator[None]:
    """Onnxruntime advises, for every call, a preparation that the export has done already."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
