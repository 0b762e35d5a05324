"""The whole student as one ONNX graph: windows, front-end, network and average.

The graph loops over all windows of all clips; each turn cuts one window at its true length, embeds it by itself and
adds it to the clip's sum. So a clip gives the same bits alone and in a batch, memory does not grow with the length of
the sound, and no masks are needed. Sound that has no window (shorter than 0.1 s) gives NaN: 0 frames, 0 / 0.

The sum runs inside the loop because onnxruntime's ReduceSum adds in another order for a batch than for a single clip.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from sondo.audio.windows import WINDOW_SAMPLES, min_window_frames
from sondo.export.front_end import front_end_graph
from sondo.export.network import OPSET, network_graph
from sondo.runtime.onnx import FORMAT
from sondo.students import Student

_IR_VERSION = 8
_Step = tuple[str, list[str], str, Mapping[str, Any]]


def student_model(student: Student) -> ModelProto:
    """Build the file's content.

    Shape:
        Input `audio` (batch, samples) float32; output `embedding` (batch, embedding_dim). Both axes of the input may
        have any length.
    """
    config = student.front_end.config
    assert WINDOW_SAMPLES % config.hop == 0, "a window is a whole number of hops"
    constants: dict[str, NDArray[Any]] = {
        "window_frames": np.array(config.num_frames(WINDOW_SAMPLES)),
        "window_samples": np.array(WINDOW_SAMPLES),
        "hop": np.array(config.hop),
        "least_frames": np.array(min_window_frames(config)),
        "one": np.array(1),
        "zero_axis": np.array([0]),
        "one_axis": np.array([1]),
        "last": np.array([-1]),
        "end": np.array([2**62]),
        "dimension": np.array([student.embedding_dim]),
        "no_sum": np.zeros(student.embedding_dim, dtype=np.float32),
    }
    steps: list[_Step] = [
        ("Shape", ["audio"], "batch_axis", {"start": 0, "end": 1}),
        ("Shape", ["audio"], "samples_axis", {"start": 1, "end": 2}),
        ("Squeeze", ["batch_axis", "zero_axis"], "batch", {}),
        ("Squeeze", ["samples_axis", "zero_axis"], "samples", {}),
        # frames of a part = its hops - 1, as the FFT is two hops long
        ("Div", ["samples", "window_samples"], "full_windows", {}),
        ("Mod", ["samples", "window_samples"], "rest_samples", {}),
        ("Div", ["rest_samples", "hop"], "rest_hops", {}),
        ("Sub", ["rest_hops", "one"], "rest_frames", {}),
        ("GreaterOrEqual", ["rest_frames", "least_frames"], "has_rest", {}),
        ("Cast", ["has_rest"], "rest_windows", {"to": TensorProto.INT64}),
        ("Add", ["full_windows", "rest_windows"], "windows", {}),
        ("Mul", ["batch", "windows"], "turns", {}),
    ]
    loop = helper.make_node(
        "Loop", ["turns", "", "no_sum"], ["sum_at_end", "sums"], name="loop", body=_window_graph(student)
    )
    ends: list[_Step] = [
        ("Unsqueeze", ["windows", "zero_axis"], "windows_axis", {}),
        ("Concat", ["batch_axis", "windows_axis", "dimension"], "by_clip", {"axis": 0}),
        ("Reshape", ["sums", "by_clip"], "clip_sums", {"allowzero": 1}),
        # the sum behind a clip's last window; a slice, as there may be no window
        ("Slice", ["clip_sums", "last", "end", "one_axis"], "last_sum", {}),
        ("ReduceSum", ["last_sum", "one_axis"], "total", {"keepdims": 0}),
        ("Mul", ["full_windows", "window_frames"], "full_frames", {}),
        ("Mul", ["rest_windows", "rest_frames"], "counted_rest", {}),
        ("Add", ["full_frames", "counted_rest"], "frames", {}),
        ("Cast", ["frames"], "weight", {"to": TensorProto.FLOAT}),
        ("Div", ["total", "weight"], "embedding", {}),
    ]
    graph = helper.make_graph(
        [*_nodes(steps), loop, *_nodes(ends)],
        "sondo_student",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["batch", "samples"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", student.embedding_dim])],
        _tensors(constants),
        doc_string=f"Mono sound at {student.sample_rate} Hz in [-1, 1], at least 0.1 s, to one embedding for each row.",
    )
    model = helper.make_model(
        graph, producer_name="sondo", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION
    )
    helper.set_model_props(model, metadata(student))
    checker.check_model(model)
    return model


def metadata(student: Student) -> dict[str, str]:
    """What the file says about itself, all of it text."""
    return {
        "sondo.format": FORMAT,
        "sondo.name": student.name,
        "sondo.space_id": student.space_id,
        "sondo.sample_rate": str(student.sample_rate),
        "sondo.embedding_dim": str(student.embedding_dim),
        "sondo.licence": student.licence,
        "sondo.front_end": json.dumps(student.front_end.config.to_dict()),
    }


def _window_graph(student: Student) -> GraphProto:
    """One turn of the loop: the turn's number and the clip's sum in, the sum with this window out. It owns its weights.

    onnxruntime folds constants and fuses operators only where the weights belong to the same graph.
    """
    config = student.front_end.config
    network = network_graph(student, min_frames=min_window_frames(config), max_frames=config.num_frames(WINDOW_SAMPLES))
    front_end, front_end_constants = front_end_graph(config, audio="window/audio", log_mel=network.input[0].name)
    constants: dict[str, NDArray[Any]] = {
        "window/samples": np.array(WINDOW_SAMPLES),
        "window/hop": np.array(config.hop),
        "window/one": np.array([1]),
        "window/single": np.array(1),
        "window/none": np.array(0),
        "window/no_sum": np.zeros(student.embedding_dim, dtype=np.float32),
        "window/axes": np.array([0, 1]),
        "window/first_axis": np.array([0]),
        **front_end_constants,
    }
    cut: list[_Step] = [
        ("Identity", ["window/condition"], "window/go_on", {}),
        ("Div", ["window/turn", "windows"], "window/row", {}),
        ("Mod", ["window/turn", "windows"], "window/number", {}),
        ("Mul", ["window/number", "window/samples"], "window/start", {}),
        ("Sub", ["samples", "window/start"], "window/left", {}),
        ("Min", ["window/left", "window/samples"], "window/length", {}),
        ("Mod", ["window/length", "window/hop"], "window/unused", {}),
        ("Sub", ["window/length", "window/unused"], "window/used", {}),
        ("Add", ["window/start", "window/used"], "window/stop", {}),
        ("Unsqueeze", ["window/row", "window/first_axis"], "window/row_axis", {}),
        ("Unsqueeze", ["window/start", "window/first_axis"], "window/start_axis", {}),
        ("Unsqueeze", ["window/stop", "window/first_axis"], "window/stop_axis", {}),
        ("Add", ["window/row_axis", "window/one"], "window/next_row", {}),
        ("Concat", ["window/row_axis", "window/start_axis"], "window/from", {"axis": 0}),
        ("Concat", ["window/next_row", "window/stop_axis"], "window/to", {"axis": 0}),
        ("Slice", ["audio", "window/from", "window/to", "window/axes"], "window/audio", {}),
    ]
    add: list[_Step] = [
        ("Squeeze", [network.output[0].name, "window/first_axis"], "window/vector", {}),
        ("Div", ["window/used", "window/hop"], "window/hops", {}),
        ("Sub", ["window/hops", "window/single"], "window/frames", {}),
        ("Cast", ["window/frames"], "window/weight", {"to": TensorProto.FLOAT}),
        ("Mul", ["window/vector", "window/weight"], "window/weighted", {}),
        ("Equal", ["window/number", "window/none"], "window/is_first", {}),
        ("Where", ["window/is_first", "window/no_sum", "window/sum_before"], "window/sum_so_far", {}),
        ("Add", ["window/sum_so_far", "window/weighted"], "window/sum", {}),
        ("Identity", ["window/sum"], "window/sum_of_turn", {}),
    ]
    return helper.make_graph(
        [*_nodes(cut), *front_end, *network.node, *_nodes(add)],
        "one_window",
        [
            helper.make_tensor_value_info("window/turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("window/condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("window/sum_before", TensorProto.FLOAT, [student.embedding_dim]),
        ],
        [
            helper.make_tensor_value_info("window/go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("window/sum", TensorProto.FLOAT, [student.embedding_dim]),
            helper.make_tensor_value_info("window/sum_of_turn", TensorProto.FLOAT, [student.embedding_dim]),
        ],
        [*_tensors(constants), *network.initializer],
    )


def _nodes(steps: list[_Step]) -> list[NodeProto]:
    return [helper.make_node(kind, inputs, [out], name=out, **attributes) for kind, inputs, out, attributes in steps]


def _tensors(constants: Mapping[str, NDArray[Any]]) -> list[TensorProto]:
    return [numpy_helper.from_array(np.array(value, order="C"), name) for name, value in constants.items()]
