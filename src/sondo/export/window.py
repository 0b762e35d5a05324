"""One window, from samples to vectors: the body of the graph's loop.

It owns its weights: onnxruntime folds constants and fuses operators only where they belong to the same graph.
"""

from __future__ import annotations

import copy

import numpy as np
from onnx import GraphProto, TensorProto, ValueInfoProto, helper

from sondo.audio.frames import num_columns
from sondo.audio.windows import WINDOW_SAMPLES
from sondo.export.front_end import front_end_graph
from sondo.export.mapping_head import head_steps
from sondo.export.steps import Constants, Step, named, nodes, tensors
from sondo.students import Projector, Student

_PREFIX = "window/"


def window_graph(student: Student, network: GraphProto, *, projector: Projector | None) -> GraphProto:
    """A turn of the loop over all windows of all clips.

    It takes from the graph around: `audio`; for each turn the corners of its window, `window_from` and `window_to`
    (turns, 2), as row and sample; its log-mel frames, `window_weights` (turns,); whether a clip begins with it,
    `window_begins` (turns,).

    Args:
        student: The student.
        network: Its network, as `network_graph` gives it; where that has frames, so has the window.
        projector: Map each window into the teacher's space too.

    Returns:
        Inputs: the turn's number, a condition, and the clip's sums before it: of the embedding and, with a projector,
        in the teacher's space. Outputs: the condition, the sums for the next turn, the sums of this one, and the frames
        (columns of a full window, frame_dim), NaN behind the window's last.
    """
    config = student.front_end.config
    full_frames = config.num_frames(WINDOW_SAMPLES)
    front_end, front_end_constants = front_end_graph(config, audio=f"{_PREFIX}samples", log_mel=network.input[0].name)
    outside = {"audio": "audio", "embedding": network.output[0].name}
    outside |= {name: f"window_{name}" for name in ("from", "to", "weights", "begins")}
    constants: Constants = {
        "axes": np.array([0, 1]),
        "first_axis": np.array([0]),
        "no_sum": np.array(0, dtype=np.float32),
    }
    cut: list[Step] = [
        ("Identity", ["condition"], "go_on", {}),
        ("Gather", ["from", "turn"], "from_corner", {}),
        ("Gather", ["to", "turn"], "to_corner", {}),
        ("Slice", ["audio", "from_corner", "to_corner", "axes"], "samples", {}),
    ]
    add: list[Step] = [("Gather", ["weights", "turn"], "weight", {}), ("Gather", ["begins", "turn"], "is_first", {})]
    widths = {"embedding": student.embedding_dim}
    if projector is not None:
        widths["teacher"] = projector.embedding_dim
        steps, more = head_steps(copy.deepcopy(projector).cpu().float(), vector="embedding", mapped="teacher")
        add, constants = add + steps, constants | more
    for name in widths:
        add += _sum(name)
    extra: list[ValueInfoProto] = []
    if len(network.output) > 1:
        columns = num_columns(full_frames, stride=student.frame_stride)
        outside["found"] = network.output[1].name
        steps, more = _full_columns(columns)
        add, constants = add + steps, constants | more
        extra.append(_value("frames", columns, student.frame_dim))
    return helper.make_graph(
        [
            *nodes(cut, prefix=_PREFIX, outside=outside),
            *front_end,
            *network.node,
            *nodes(add, prefix=_PREFIX, outside=outside),
        ],
        "one_window",
        [
            helper.make_tensor_value_info(f"{_PREFIX}turn", TensorProto.INT64, []),
            helper.make_tensor_value_info(f"{_PREFIX}condition", TensorProto.BOOL, []),
            *[_value(f"{name}/before", width) for name, width in widths.items()],
        ],
        [
            helper.make_tensor_value_info(f"{_PREFIX}go_on", TensorProto.BOOL, []),
            *[_value(f"{name}/sum", width) for name, width in widths.items()],
            *[_value(f"{name}/sum_of_turn", width) for name, width in widths.items()],
            *extra,
        ],
        [*tensors(named(constants, prefix=_PREFIX) | front_end_constants), *network.initializer],
    )


def _value(name: str, *shape: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(f"{_PREFIX}{name}", TensorProto.FLOAT, list(shape))


def _sum(name: str) -> list[Step]:
    """Add a window's vector (1, width) to its clip's sum."""
    return [
        ("Squeeze", [name, "first_axis"], f"{name}/vector", {}),
        ("Mul", [f"{name}/vector", "weight"], f"{name}/weighted", {}),
        ("Where", ["is_first", "no_sum", f"{name}/before"], f"{name}/so_far", {}),
        ("Add", [f"{name}/so_far", f"{name}/weighted"], f"{name}/sum", {}),
        ("Identity", [f"{name}/sum"], f"{name}/sum_of_turn", {}),
    ]


def _full_columns(columns: int) -> tuple[list[Step], Constants]:
    """Fill the frames of a shorter window up with NaN: the loop stacks what has one shape."""
    steps: list[Step] = [
        ("Squeeze", ["found", "first_axis"], "columns", {}),
        ("Shape", ["columns"], "num_columns", {"start": 0, "end": 1}),
        ("Sub", ["full", "num_columns"], "missing", {}),
        ("Concat", ["before", "missing", "no_more"], "padding", {"axis": 0}),
        ("Pad", ["columns", "padding", "nan"], "frames", {}),
    ]
    constants: Constants = {
        "full": np.array([columns]),
        "before": np.array([0, 0]),
        "no_more": np.array([0]),
        "nan": np.array(np.nan, dtype=np.float32),
    }
    return steps, constants
