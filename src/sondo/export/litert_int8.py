"""The network of a `.tflite` file in int8, its front-end and its read-out in float32.

Convolutions take and give int8, with weights by channel and with the range that each map has over real sound; linear
layers have weights in int8, and find the range of their few inputs when they run. All else stays in float32: the
front-end with its logarithm, the first convolution, which sees the log-mel, kernels that DyMN mixes for each sound,
products, sums, gates and means. Where the vectors are still not those of float32, the first convolutions are the ones
to blame (few channels, over the widest maps), so ever more of them stay in float32 too, until the vectors are.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.logmel import LogMelConfig
from sondo.audio.windows import WINDOW_SAMPLES
from sondo.errors import require
from sondo.export.litert_lengths import constant, kind_of, packed, schema, unpacked

AIM = 0.995
"""The mean cosine to float32, over the clips of the calibration, from which on no more convolutions stay in float32."""
_SHARES_IN_FLOAT = (0.0, 0.125, 0.25, 0.5)
_BITS = 8
_WHY = "int8 for LiteRT needs ai-edge-quantizer"

_Ranges = dict[str, Any]


def quantised(content: bytes, clips: Sequence[NDArray[np.float32]], *, config: LogMelConfig) -> bytes:
    """Quantise a file.

    Args:
        content: A student's file in float32, for windows of any length.
        clips: Real sound for the ranges of the maps, each (samples,); the first window of each is used.
        config: The front-end.

    Returns:
        The file with the fewest convolutions in float32 that reaches `AIM`, or else the closest one.
    """
    content, convolutions, linear = _with_names(content)
    windows = [clip[None, : min(len(clip), WINDOW_SAMPLES) // config.hop * config.hop] for clip in clips]
    with quiet():
        ranges = _ranges(content, windows)
        wanted = _vectors(content, windows)
        best, best_cosine = b"", -1.0
        for share in _SHARES_IN_FLOAT:
            found = _with_recipe(content, convolutions[int(share * len(convolutions)) :], linear, ranges)
            cosine = _mean_cosine(_vectors(found, windows), wanted)
            if cosine > best_cosine:
                best, best_cosine = found, cosine
            if cosine >= AIM:
                break
    return best


def _with_names(content: bytes) -> tuple[bytes, list[tuple[str, str]], list[tuple[str, str]]]:
    """The file with a name of its own for each operator's result, and (name, kind) of what is to be quantised."""
    model = unpacked(content)
    (graph,), kinds = model.subgraphs, schema().BuiltinOperator
    names = {kinds.CONV_2D: "CONV_2D", kinds.DEPTHWISE_CONV_2D: "DEPTHWISE_CONV_2D"}
    convolutions, linear = [], []
    is_network = False
    for number, step in enumerate(graph.operators):
        kind, name = kind_of(model, step), f"step_{number}_"
        for index in set(step.outputs) - set(graph.outputs):
            graph.tensors[index].name = name.encode()
        has_weights = len(step.inputs) > 1 and len(constant(model, graph, step.inputs[1])) > 0
        if is_network and has_weights and kind in names:
            convolutions.append((name, names[kind]))
        elif is_network and has_weights and kind == kinds.FULLY_CONNECTED:
            linear.append((name, "FULLY_CONNECTED"))
        is_network |= kind == kinds.LOG
    return packed(model), convolutions[1:], linear


def _with_recipe(
    content: bytes, convolutions: list[tuple[str, str]], linear: list[tuple[str, str]], ranges: _Ranges
) -> bytes:
    quantizer = _quantizer(content)
    for kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        if chosen := [name for name, its_kind in convolutions if its_kind == kind]:
            quantizer.add_static_config("|".join(chosen), _operator(kind), _BITS, _BITS)
    if linear:
        quantizer.add_dynamic_config("|".join(name for name, _ in linear), _operator("FULLY_CONNECTED"), _BITS)
    return bytes(quantizer.quantize(ranges, enable_progress_report=False).quantized_model)


def _ranges(content: bytes, windows: Sequence[NDArray[np.float32]]) -> _Ranges:
    """The smallest and the largest value of each map over all windows; the quantiser's own is a moving average."""
    quantizer = _quantizer(content)
    quantizer.add_static_config(".*", _operator("ALL_SUPPORTED"), _BITS, _BITS)
    ranges: _Ranges = {}
    for window in windows:
        signature, inputs = _signature(content)
        for name, found in quantizer.calibrate({signature: [{inputs: window}]}, num_threads=1).items():
            known = ranges.setdefault(name, found)
            if known:
                ranges[name] = {
                    "min": np.minimum(known["min"], found["min"]),
                    "max": np.maximum(known["max"], found["max"]),
                }
    return ranges


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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the converter and the quantiser say of their progress: dozens of lines for each clip."""
    silence = io.StringIO()
    with contextlib.redirect_stderr(silence), contextlib.redirect_stdout(silence), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
