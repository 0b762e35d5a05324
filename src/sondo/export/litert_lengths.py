"""A `.tflite` file for windows of any length, from two conversions for two lengths.

litert-torch writes every length into its file as a number. Where the files for two lengths hold the same operators,
the numbers that differ are those that follow the length: in the shape of a reshape and in the size of a slice, -1 says
that they are left to the sound, and LiteRT works all others out when its input is resized.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError, require

_IDENTIFIER = b"TFL3"
_WHY = "Writing a .tflite file needs LiteRT"
_FREE = -1


def any_length(content: bytes, other: bytes) -> bytes:
    """Free a file of its length.

    Args:
        content: A student converted for one length.
        other: The same for another one, such that the maps of all layers have other widths.

    Returns:
        The first file; its input can be resized to any length, and has its own one until then.

    Raises:
        SondoError: The files differ in more than shapes, or have something that cannot follow a length.
    """
    model, second = unpacked(content), unpacked(other)
    (graph,), (second_graph,) = model.subgraphs, second.subgraphs
    if [kind_of(model, step) for step in graph.operators] != [kind_of(second, step) for step in second_graph.operators]:
        raise SondoError("the operators of this student's .tflite file depend on the length of the sound")
    for tensor, twin in zip(graph.tensors, second_graph.tensors, strict=True):
        differs = np.asarray(tensor.shape) != np.asarray(twin.shape)
        if differs.any():
            tensor.shapeSignature = np.where(differs, _FREE, tensor.shape).astype(np.int32)
    for step, twin in zip(graph.operators, second_graph.operators, strict=True):
        step.inputs = np.array(step.inputs)
        for position, (index, twin_index) in enumerate(zip(step.inputs, twin.inputs, strict=True)):
            if index < 0:
                continue
            values, twin_values = constant(model, graph, index), constant(second, second_graph, twin_index)
            if values.shape == twin_values.shape and np.array_equal(values, twin_values):
                continue
            _free(model, graph, step, position, values, values != twin_values)
    return packed(model)


def unpacked(content: bytes) -> Any:
    """A file as objects of its schema, with all constants in them: some tools write them behind the objects."""
    model = schema().ModelT.InitFromObj(schema().Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, dtype=np.uint8, count=buffer.size, offset=buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def packed(model: Any) -> bytes:
    """Objects of the schema as a file."""
    builder = _builder()
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _builder() -> Any:
    """One that writes equal vectors once: shapes, and a zero for each channel, are a tenth of a file in int8."""
    base: Any = require("flatbuffers", extra="litert", why=_WHY).Builder
    known: dict[tuple[str, bytes], int] = {}

    def vector(self: Any, values: NDArray[Any]) -> int:
        key = (values.dtype.str, values.tobytes())
        if key not in known:
            known[key] = base.CreateNumpyVector(self, values)
        return known[key]

    return type("Builder", (base,), {"CreateNumpyVector": vector})(1024)


def constant(model: Any, graph: Any, index: int) -> NDArray[Any]:
    """The values of a tensor that is constant, flat, as bytes where they are no shape; none where it is not."""
    tensor = graph.tensors[index]
    data = model.buffers[tensor.buffer].data
    raw = np.zeros(0, dtype=np.uint8) if data is None else np.asarray(data, dtype=np.uint8)
    return raw.view(np.int32) if tensor.type == schema().TensorType.INT32 else raw


def kind_of(model: Any, step: Any) -> int:
    """Which operator a step is, as `schema().BuiltinOperator` numbers them."""
    code = model.operatorCodes[step.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _free(model: Any, graph: Any, step: Any, position: int, values: NDArray[Any], differs: NDArray[Any]) -> None:
    """Leave the numbers of one operator that follow the length to the sound."""
    kinds = schema().BuiltinOperator
    kind = kind_of(model, step)
    freed = np.where(differs, _FREE, values)
    if kind == kinds.RESHAPE and position == 1 and differs.sum() == 1:
        step.inputs[1] = _added(model, graph, step.inputs[1], freed)
        step.builtinOptionsType, step.builtinOptions = schema().BuiltinOptions.NONE, None
    elif kind == kinds.SLICE and position == 2:
        begin = constant(model, graph, step.inputs[1])
        left = np.asarray(graph.tensors[step.inputs[0]].shape) - begin - values
        if not left[differs].any():
            step.inputs[2] = _added(model, graph, step.inputs[2], freed)
            return
        # A size cannot say "up to the last but one"; an end can.
        ends = np.where(differs & (left > 0), -left, begin + values)
        open_ends = differs & (left == 0)
        one = _added(model, graph, step.inputs[2], np.ones_like(values))
        end = _added(model, graph, step.inputs[2], ends)
        step.inputs = np.array([step.inputs[0], step.inputs[1], end, one], dtype=np.int32)
        step.opcodeIndex = _opcode(model, kinds.STRIDED_SLICE)
        step.builtinOptionsType = schema().BuiltinOptions.StridedSliceOptions
        step.builtinOptions = schema().StridedSliceOptionsT()
        step.builtinOptions.endMask = int(sum(1 << axis for axis in np.flatnonzero(open_ends)))
    else:
        names = {value: name for name, value in vars(kinds).items() if isinstance(value, int)}
        raise SondoError(f"a constant of {names.get(kind, kind)} in this student's .tflite file depends on the length")


def _added(model: Any, graph: Any, like: int, values: NDArray[Any]) -> int:
    """A new constant of int32."""
    buffer, tensor = schema().BufferT(), schema().TensorT()
    values = values.astype(np.int32)
    buffer.data = values.view(np.uint8)
    tensor.name = f"{graph.tensors[like].name.decode()}_{len(graph.tensors)}"
    tensor.type, tensor.shape, tensor.buffer = schema().TensorType.INT32, [len(values)], len(model.buffers)
    model.buffers.append(buffer)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _opcode(model: Any, kind: int) -> int:
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == kind:
            return index
    code = schema().OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def schema() -> Any:
    """The classes of the file format."""
    return require("ai_edge_litert.schema_py_generated", extra="litert", why=_WHY)
