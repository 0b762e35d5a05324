"""An exported file looked into: multiply-accumulates and the front-end's share from onnxruntime's own profile.

A profile tells the shapes that each operator really had and how long it took, also inside the loop over windows, where
no shape is known before the file runs. So nothing but onnxruntime is needed.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FRONT_END = "front_end/"
"""What the names of the front-end's operators begin with: `sondo.export.front_end.PREFIX`."""

_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
_PRODUCTS = ("MatMul", "MatMulInteger", "QLinearMatMul")
_CONTROL = ("Loop", "If", "Scan")
"""Their time is that of the operators inside, which the profile has too."""
_PROFILED_CALLS = 9
_KERNEL = "_kernel_time"


class Macs(NamedTuple):
    """Multiply-accumulates of the convolutions and matrix products: of the network, and of the log-mel before it."""

    network: int
    front_end: int


class _Node(NamedTuple):
    name: str
    kind: str
    inputs: list[list[int]]
    outputs: list[list[int]]
    microseconds: float


def count_macs(path: Path, audio: NDArray[np.float32]) -> Macs:
    """Count the work of one call.

    Args:
        path: The exported file.
        audio: (batch, samples).
    """
    counted = {True: 0, False: 0}
    for node in _profile(path, audio, calls=1, optimised=False):
        counted[node.name.startswith(FRONT_END)] += _macs(node)
    return Macs(network=counted[False], front_end=counted[True])


def front_end_share(path: Path, audio: NDArray[np.float32]) -> float | None:
    """The share of the front-end in the time of all operators, on one thread; None where it has none of its own."""
    nodes = [node for node in _profile(path, audio, calls=_PROFILED_CALLS, optimised=True) if node.kind not in _CONTROL]
    by_name: dict[str, list[float]] = {}
    for node in nodes:
        by_name.setdefault(node.name, []).append(node.microseconds)
    # the median of each operator: a call that another process interrupted counts no more than the others
    spent = {name: len(times) * statistics.median(times) for name, times in by_name.items()}
    in_front_end = sum(time for name, time in spent.items() if name.startswith(FRONT_END))
    return in_front_end / sum(spent.values()) if in_front_end else None


def count_parameters(path: Path) -> int | None:
    """Numbers in the weights of a file outside its front-end; None where the package onnx is not installed.

    Whole-number constants and tensors of one repeated value, such as the zeros that a sum starts from, are no weights.
    Batch norms that were folded into convolutions are not counted any more.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        return None
    kinds = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    total = 0
    for tensor in _initializers(onnx.load(str(path)).graph):
        if tensor.data_type in kinds and not tensor.name.startswith(FRONT_END):
            values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            total += values.size if values.size > 1 and np.ptp(values) > 0 else 0
    return total


def _initializers(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _initializers(attribute.g)


def _macs(node: _Node) -> int:
    """Multiply-accumulates of one operator: for each number that it gives, as many as were added up for it."""
    if node.kind in _CONVOLUTIONS:
        weight = node.inputs[_CONVOLUTIONS[node.kind]]  # (out, in / groups, *kernel)
        return math.prod(node.outputs[0]) * math.prod(weight[1:])
    if node.kind == "ConvTranspose":
        return math.prod(node.inputs[0]) * math.prod(node.inputs[1][1:])
    if node.kind in _PRODUCTS:
        return math.prod(node.outputs[0]) * node.inputs[0][-1]
    if node.kind == "Gemm":  # either factor may be transposed
        return math.prod(node.inputs[0]) * node.outputs[0][1]
    return 0


def _profile(path: Path, audio: NDArray[np.float32], *, calls: int, optimised: bool) -> list[_Node]:
    """What onnxruntime says of each operator that ran, on one thread, the first call left out where there are several.

    Args:
        path: The file.
        audio: (batch, samples).
        calls: How many that count.
        optimised: Whether operators are fused as they are in use; the counting needs them as they were written.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for _ in range(calls if calls == 1 else calls + 1):
            session.run(["embedding"], {"audio": audio})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs = [event["ts"] + event["dur"] for event in events if event["name"] == "model_run"]
    begin = runs[0] if calls > 1 else 0
    return [_node(event) for event in events if event["name"].endswith(_KERNEL) and event["ts"] >= begin]


def _node(event: dict[str, Any]) -> _Node:
    about = event["args"]

    def shapes(of: str) -> list[list[int]]:
        return [next(iter(item.values())) for item in about.get(f"{of}_type_shape", [])]

    name = event["name"].removesuffix(_KERNEL)
    return _Node(name, about["op_name"], shapes("input"), shapes("output"), event["dur"])
