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
from sondo.export.steps import Step, nodes
from sondo.screen import track

WANTED_COSINE, ENOUGH_COSINE = 0.9995, 0.995
"""Layers are left in float32 until the mean cosine to float32 is the first, or, once they hold `CHEAP` of the weights,
at least the second."""

CHEAP = 0.01

_LAYERS = ("Conv", "Gemm", "MatMul")
_BETWEEN = ("Add", "Mul", "Sigmoid", "Concat", "Clip")
_MEASURED = 12

_LogMels = Sequence[NDArray[np.float32]]


def int8_network(graph: GraphProto, log_mels: _LogMels, held_out: _LogMels) -> GraphProto:
    """Quantise a network.

    The layers are convolutions and products with constant weights. What lies between them is quantised too, unless it
    holds a HardSwish, which has no int8 kernel, so that int8 around it would only add conversions; or unless that alone
    takes the mean cosine below `ENOUGH_COSINE`.

    Where the mean cosine falls short of `WANTED_COSINE`, each layer is quantised by itself, and layers are left in
    float32, first those that change the embedding most for their size. The small ones cost nothing; what makes the file
    larger is left only for `ENOUGH_COSINE`.

    Args:
        graph: As `network_graph` gives it.
        log_mels: To calibrate with, each (1, num_mels, frames).
        held_out: Others, to measure the layers on.

    Raises:
        SondoError: A network without such layers.
    """
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    kinds = {node.op_type for node in graph.node}
    constants = {item.name: math.prod(item.dims) for item in graph.initializer}
    layers = [node.name for node in graph.node if node.op_type in _LAYERS and node.input[1] in constants]
    if not layers:
        raise SondoError("int8 needs convolutions or products with constant weights: this network has none")
    variable = [node.name for node in graph.node if node.op_type in _LAYERS and node.name not in layers]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        quantiser = _Quantiser(model, log_mels, held_out[:_MEASURED], Path(folder))
        between = () if "HardSwish" in kinds else _BETWEEN
        everything = (*_LAYERS, *between)
        found = quantiser.quantised(everything, leave=variable)
        if between and quantiser.loss(found) > 1 - ENOUGH_COSINE:
            everything = _LAYERS
            found = quantiser.quantised(everything, leave=variable)
        if quantiser.loss(found) > 1 - WANTED_COSINE:
            sizes = {node.name: constants[node.input[1]] for node in graph.node if node.name in layers}
            worst = _worst_first(quantiser, sizes)
            shares = np.cumsum([sizes[layer] for layer in worst]) / sum(sizes.values())
            cheap = int((shares <= CHEAP).sum())

            def without(count: int) -> ModelProto:
                return quantiser.quantised(everything, leave=[*variable, *worst[:count]])

            def is_close(count: int, cosine: float) -> bool:
                return quantiser.loss(without(count)) <= 1 - cosine

            # More layers in float32 bring the vectors closer, so the fewest that do are found by halving.
            if is_close(cheap, WANTED_COSINE):
                fewest, most, cosine = 1, cheap, WANTED_COSINE
            elif is_close(cheap, ENOUGH_COSINE):
                fewest, most, cosine = cheap, cheap, ENOUGH_COSINE
            else:
                most, cosine = len(layers) - 1, ENOUGH_COSINE
                fewest = min(cheap + 1, most)
            counts = range(fewest, most)
            found = without(fewest + bisect_left(counts, True, key=lambda count: is_close(count, cosine)))
    return _lighter(found.graph)


def _worst_first(quantiser: _Quantiser, sizes: Mapping[str, int]) -> list[str]:
    """The layers, first those that by themselves change the embedding most for their size."""
    losses = {}
    with track("int8: layers measured", total=len(sizes), unit="layers") as line:
        for layer in sizes:
            losses[layer] = quantiser.loss(quantiser.quantised(_LAYERS, only=[layer]))
            line.advance()
    return sorted(sizes, key=lambda layer: -losses[layer] / sizes[layer])


class _Quantiser:
    """Quantises one network in several ways, with one calibration."""

    def __init__(self, model: ModelProto, log_mels: _LogMels, held_out: _LogMels, folder: Path) -> None:
        self._input = model.graph.input[0].name
        self._output = model.graph.output[0].name
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

    def loss(self, model: ModelProto) -> float:
        """1 less the mean cosine to float32 over the clips held out."""
        found, wanted = self._embed(model), self._wanted
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
        return float(1 - ((found * wanted).sum(axis=1) / np.maximum(norms, np.finfo(np.float64).tiny)).mean())

    def _embed(self, model: ModelProto) -> NDArray[np.float64]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        vectors = [session.run([self._output], {self._input: log_mel})[0] for log_mel in self._held_out]
        return np.asarray(np.concatenate(vectors), dtype=np.float64)


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
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and len(node.input) == 3 and node.input[2] in constants:
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
