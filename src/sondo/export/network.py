"""A student's network, from log-mel to embedding, as an ONNX graph: any `nn.Module` that torch can export."""

from __future__ import annotations

import copy
from typing import Any

import onnx
import torch
from onnx import AttributeProto, GraphProto, inliner
from onnx.helper import get_attribute_value
from torch import Tensor, nn

from sondo.errors import SondoError
from sondo.export.exporters import quiet, reason_of
from sondo.export.lean import lean
from sondo.students import Student

OPSET = 18
IR_VERSION = 8
PREFIX = "n"
"""What the names of the network's values and nodes begin with."""


_USUAL = {
    ("Conv", "auto_pad"): b"NOTSET",
    ("Conv", "dilations"): [1, 1],
    ("Conv", "group"): 1,
    ("Conv", "pads"): [0, 0, 0, 0],
    ("Conv", "strides"): [1, 1],
    ("Gemm", "alpha"): 1.0,
    ("Gemm", "beta"): 1.0,
    ("Gemm", "transA"): 0,
}
"""What holds where an attribute is left out, so that it needs no place in the file."""


class _Core(nn.Module):
    """What lies behind the front-end, as one module.

    Args:
        student: Whose parts it takes; they are put into their lean form.
        with_frames: Whether the columns of the last map are a second result.
        int8: As in `lean`.
    """

    def __init__(self, student: Student, *, with_frames: bool, int8: bool = False) -> None:
        super().__init__()
        self.backbone: Any = lean(student.backbone, int8=int8)
        self.readout: Any = lean(student.readout)
        self.with_frames = with_frames

    def forward(self, log_mel: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(1, num_mels, frames) -> (1, embedding_dim), and (1, columns, frame_dim)."""
        maps = self.backbone.stages(log_mel.unsqueeze(1))
        embedding: Tensor = self.readout(maps, log_mel)
        return (embedding, self.readout.frames(maps)) if self.with_frames else embedding


def network_graph(
    student: Student, *, min_frames: int, max_frames: int, with_frames: bool = False, int8: bool = False
) -> GraphProto:
    """Export the network in its lean form. The student is not changed.

    Args:
        student: The student.
        min_frames: The fewest frames that a log-mel may have.
        max_frames: The most.
        with_frames: Whether the columns of the last map are a second output (1, columns, frame_dim).
        int8: Whether it is to be quantised.

    Returns:
        A graph of standard operators: one input (1, num_mels, frames), one output (1, embedding_dim), and its weights.

    Raises:
        SondoError: torch cannot export this network.
    """
    core = _Core(copy.deepcopy(student).cpu().float().eval(), with_frames=with_frames, int8=int8)
    example = torch.zeros(1, student.front_end.config.num_mels, max_frames)
    frames = torch.export.Dim("frames", min=min_frames, max=max_frames)
    try:
        with quiet():
            program = torch.onnx.export(
                core,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=({2: frames},),
                verbose=False,
                external_data=False,
            )
    except Exception as error:  # torch.export and the ONNX exporter raise many classes that share no base
        raise SondoError(f"torch cannot turn student {student.name} into ONNX: {reason_of(error)}") from error
    assert program is not None
    return _plain(inliner.inline_local_functions(program.model_proto))


def _plain(model: onnx.ModelProto) -> GraphProto:
    """The graph without the exporter's notes: they are larger than a small student and hold paths of this machine."""
    foreign = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    if foreign:
        raise SondoError(f"the student needs operators that are not standard ONNX ({', '.join(foreign)})")
    graph = model.graph
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.ClearField("doc_string")
        del item.metadata_props[:]
    del graph.value_info[:]
    for node in graph.node:
        usual = [each for each in node.attribute if _USUAL.get((node.op_type, each.name)) == get_attribute_value(each)]
        for each in usual:
            node.attribute.remove(each)
    rename(graph)
    return graph


def rename(graph: GraphProto) -> None:
    """Give short names to all values and nodes, in place: the exporters' are a tenth of a small student in int8."""
    if any(attribute.type == AttributeProto.GRAPH for node in graph.node for attribute in node.attribute):
        return  # graphs inside name values of this one
    short: dict[str, str] = {"": ""}

    def name(long: str) -> str:
        return short.setdefault(long, f"{PREFIX}{len(short):x}")

    for item in (*graph.input, *graph.output, *graph.initializer):
        item.name = name(item.name)
    for index, node in enumerate(graph.node):
        node.name = f"{PREFIX}_{index:x}"
        for names in (node.input, node.output):
            names[:] = [name(each) for each in names]
