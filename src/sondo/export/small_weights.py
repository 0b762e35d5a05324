"""Weights kept in fewer bits, which a runtime turns into float32 once, when it opens the file.

They are plain casts and products of constants, which onnxruntime, onnxruntime-web and OpenVINO fold away, so that the
network runs as fast as in float32; a DequantizeLinear would stay in the graph and undo the fusing of convolutions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, TensorProto, numpy_helper

from sondo.export.steps import Constants, Step, nodes, tensors

_LEAST_VALUES = 256
_BLOCKS = range(256, 31, -1)


def keep_small(graph: GraphProto, *, bits: int, passed_over: str) -> None:
    """Keep the larger float32 weights of a graph in float16 or int8, in place.

    In int8 a scale is shared by up to 256 neighbouring values of a row; vectors, such as biases, stay as they are.

    Args:
        graph: The graph.
        bits: 16 or 8.
        passed_over: What the names of those begin with that stay as they are.
    """
    constants: Constants = {}
    steps: list[Step] = []
    for item in list(graph.initializer):
        if item.data_type != TensorProto.FLOAT or item.name.startswith(passed_over):
            continue
        values = numpy_helper.to_array(item)
        if values.size < _LEAST_VALUES or (bits == 8 and values.ndim < 2):
            continue
        more_steps, more = _float16(item.name, values) if bits == 16 else _int8(item.name, values)
        steps, constants = steps + more_steps, constants | more
        graph.initializer.remove(item)
    graph.initializer.extend(tensors(constants))
    network = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes(steps), *network])


def _float16(name: str, values: NDArray[np.float32]) -> tuple[list[Step], Constants]:
    return [("Cast", [f"{name}/16"], name, {"to": TensorProto.FLOAT})], {f"{name}/16": values.astype(np.float16)}


def _int8(name: str, values: NDArray[np.float32]) -> tuple[list[Step], Constants]:
    row = values.size // values.shape[0]
    block = row if row <= max(_BLOCKS) else next((size for size in _BLOCKS if row % size == 0), row)
    blocks = values.reshape(-1, block)
    scales = np.maximum(np.abs(blocks).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
    constants: Constants = {
        f"{name}/8": np.round(blocks / scales).astype(np.int8),
        f"{name}/scales": scales.astype(np.float32),
        f"{name}/shape": np.array(values.shape),
    }
    steps: list[Step] = [
        ("Cast", [f"{name}/8"], f"{name}/whole", {"to": TensorProto.FLOAT}),
        ("Mul", [f"{name}/whole", f"{name}/scales"], f"{name}/blocks", {}),
        ("Reshape", [f"{name}/blocks", f"{name}/shape"], name, {}),
    ]
    return steps, constants
