"""The whole student as one ONNX graph: windows, front-end, network and average.

The graph loops over all windows of all clips; each turn cuts one window at its true length, embeds it by itself and
adds it to the clip's sum. So a clip gives the same bits alone, in a batch and padded in one with its length told,
memory does not grow with the length of the sound, and no masks are needed. Sound that has no window (shorter than
0.1 s) gives NaN: 0 frames, 0 / 0.

The sum runs inside the loop because onnxruntime's ReduceSum adds in another order for a batch than for a single clip.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, checker, helper

from sondo.audio.frames import num_columns
from sondo.audio.windows import WINDOW_SAMPLES, min_window_frames
from sondo.export.front_end import PREFIX as FRONT_END
from sondo.export.int8 import int8_network
from sondo.export.metadata import golden_of_file, metadata
from sondo.export.network import IR_VERSION, OPSET, network_graph
from sondo.export.precision import check_sounds
from sondo.export.small_weights import keep_small
from sondo.export.steps import Constants, Step, nodes, tensors
from sondo.export.window import window_graph
from sondo.runtime.metadata import Precision
from sondo.students import Projector, Student

_ALL = 2**62


def student_model(
    student: Student,
    *,
    frames: bool = False,
    projector: Projector | None = None,
    teacher: str | None = None,
    precision: Precision = "float32",
    sound: Sequence[NDArray[np.float32]] = (),
) -> ModelProto:
    """Build the file's content.

    Args:
        student: The student.
        frames: Give the output `frames` too.
        projector: The mapping head to give the output `teacher_space` with.
        teacher: Whose of several teachers it is; the first one's when left out.
        precision: How the network keeps its numbers.
        sound: Real sound for `int8`, each (samples,) at the student's rate and at least 0.1 s.

    Shape:
        Input `audio` (batch, samples) float32, of any size, and `lengths` (batch,) int64, the samples that count in
        each row; one number counts for all rows, and all samples count when it is left out. Outputs `embedding`
        (batch, embedding_dim); `frames` (batch, T, frame_dim); `teacher_space` (batch, embedding_dim of the teacher).
    """
    check_sounds(sound, precision)
    window = _window(student, frames=frames, projector=projector, precision=precision, sound=sound)
    model = helper.make_model(
        _loop_graph(student, window, frames=frames, projector=projector),
        producer_name="sondo",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    about = metadata(student, frames=frames, projector=projector, teacher=teacher, precision=precision)
    outputs = [output.name for output in model.graph.output]
    about |= golden_of_file(model, outputs if precision != "float32" else outputs[1:])
    helper.set_model_props(model, about)
    checker.check_model(model)
    return model


def _window(
    student: Student,
    *,
    frames: bool,
    projector: Projector | None,
    precision: Precision,
    sound: Sequence[NDArray[np.float32]],
) -> GraphProto:
    """One window, its network in this precision."""
    config = student.front_end.config
    log_mels = _log_mels(student, sound) if precision == "int8" else ([], [])
    network = network_graph(
        student,
        min_frames=min_window_frames(config),
        max_frames=config.num_frames(WINDOW_SAMPLES),
        with_frames=frames,
        int8=precision == "int8",
    )
    if precision == "int8":
        network = int8_network(network, *log_mels)
    window = window_graph(student, network, projector=projector)
    if precision != "float32":
        keep_small(window, bits=16 if precision == "float16" else 8, passed_over=FRONT_END)
    return window


def _loop_graph(student: Student, window: GraphProto, *, frames: bool, projector: Projector | None) -> GraphProto:
    """The loop over all windows, with what comes before and behind it."""
    config = student.front_end.config
    assert WINDOW_SAMPLES % config.hop == 0, "a window is a whole number of hops"
    constants: Constants = {
        "lengths": np.array([_ALL]),
        "full_frames": np.array(config.num_frames(WINDOW_SAMPLES)),
        "window_samples": np.array(WINDOW_SAMPLES),
        "hop": np.array(config.hop),
        "least_frames": np.array(min_window_frames(config)),
        "zero": np.array(0),
        "one": np.array(1),
        "first_axis": np.array([0]),
        "last_axis": np.array([1]),
    }
    widths = {"embedding": student.embedding_dim}
    if projector is not None:
        widths["teacher_space"] = projector.embedding_dim
    begin, ends = list(_WINDOWS), list[Step]()
    outputs = []
    for name, width in widths.items():
        constants[f"{name}/width"], constants[f"{name}/row"] = np.array([width]), np.array([1, width])
        begin.append(("ConstantOfShape", [f"{name}/width"], f"{name}/no_sum", {}))
        ends += _average(name)
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]))
    if frames:
        steps, more = _frames(student)
        ends, constants = ends + steps, constants | more
        outputs.append(helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", "T", student.frame_dim]))
    loop = helper.make_node(
        "Loop",
        ["turns", "", *[f"{name}/no_sum" for name in widths]],
        [
            *[f"{name}/sum_at_end" for name in widths],
            *[f"{name}/sums" for name in widths],
            *(["window_columns"] if frames else []),
        ],
        name="loop",
        body=window,
    )
    return helper.make_graph(
        [*nodes(begin), loop, *nodes(ends)],
        "sondo_student",
        [
            helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["batch", "samples"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT64, ["given"]),
        ],
        outputs,
        tensors(constants),
        doc_string=f"Mono sound at {student.sample_rate} Hz in [-1, 1], at least 0.1 s, to one embedding for each row.",
    )


def _log_mels(
    student: Student, sound: Sequence[NDArray[np.float32]]
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """The beginnings of the sounds as log-mels: three of four to calibrate with, the fourth to measure layers on."""
    front_end = copy.deepcopy(student.front_end).cpu().float()
    with torch.inference_mode():
        log_mels = [front_end(torch.from_numpy(each[None, :WINDOW_SAMPLES])).numpy() for each in sound]
    return [each for index, each in enumerate(log_mels) if index % 4 != 3], log_mels[3::4]


def _average(name: str) -> list[Step]:
    """Each row's last sum over its frames: 0 over 0 where it has no window."""
    return [
        ("ConstantOfShape", [f"{name}/row"], f"{name}/none", {}),
        ("Concat", [f"{name}/none", f"{name}/sums"], f"{name}/sums_or_none", {"axis": 0}),
        ("Gather", [f"{name}/sums_or_none", "last_turns"], f"{name}/total", {}),
        ("Div", [f"{name}/total", "weights"], name, {}),
    ]


_WINDOWS: list[Step] = [
    ("Shape", ["audio"], "batch", {"start": 0, "end": 1}),
    ("Shape", ["audio"], "samples", {"start": 1, "end": 2}),
    ("Min", ["lengths", "samples"], "lengths_there", {}),
    ("Max", ["lengths_there", "zero"], "lengths_counted", {}),
    ("Expand", ["lengths_counted", "batch"], "each", {}),
    # the windows of each row; frames of a part = its hops - 1, as the FFT is two hops long
    ("Div", ["each", "window_samples"], "full", {}),
    ("Mod", ["each", "window_samples"], "rest_samples", {}),
    ("Div", ["rest_samples", "hop"], "rest_hops", {}),
    ("Sub", ["rest_hops", "one"], "rest_frames", {}),
    ("GreaterOrEqual", ["rest_frames", "least_frames"], "has_rest", {}),
    ("Cast", ["has_rest"], "rest", {"to": TensorProto.INT64}),
    ("Add", ["full", "rest"], "windows", {}),
    ("Mul", ["full", "full_frames"], "frames_of_full", {}),
    ("Mul", ["rest", "rest_frames"], "frames_of_rest", {}),
    ("Add", ["frames_of_full", "frames_of_rest"], "frames_of_row", {}),
    ("Cast", ["frames_of_row"], "weights_flat", {"to": TensorProto.FLOAT}),
    ("Unsqueeze", ["weights_flat", "last_axis"], "weights", {}),
    # the turns: row by row, window by window
    ("CumSum", ["windows", "zero"], "turns_until", {}),
    ("Sub", ["turns_until", "windows"], "turns_before", {}),
    ("Greater", ["windows", "zero"], "has_window", {}),
    ("Where", ["has_window", "turns_until", "zero"], "last_turns", {}),
    ("ReduceSum", ["windows", "first_axis"], "turns", {"keepdims": 0}),
    ("Range", ["zero", "turns", "one"], "turn", {}),
    ("Unsqueeze", ["turn", "last_axis"], "turn_column", {}),
    ("LessOrEqual", ["turns_until", "turn_column"], "is_behind", {}),
    ("Cast", ["is_behind"], "rows_behind", {"to": TensorProto.INT64}),
    ("ReduceSum", ["rows_behind", "last_axis"], "row", {"keepdims": 0}),
    ("Gather", ["turns_before", "row"], "first_turn", {}),
    ("Sub", ["turn", "first_turn"], "number", {}),
    ("Equal", ["number", "zero"], "window_begins", {}),
    # the window of each turn: whole hops, from a row's sample to another
    ("Mul", ["number", "window_samples"], "start", {}),
    ("Gather", ["each", "row"], "row_samples", {}),
    ("Sub", ["row_samples", "start"], "left", {}),
    ("Min", ["left", "window_samples"], "length", {}),
    ("Div", ["length", "hop"], "hops", {}),
    ("Mul", ["hops", "hop"], "used", {}),
    ("Add", ["start", "used"], "stop", {}),
    ("Sub", ["hops", "one"], "window_frames", {}),
    ("Cast", ["window_frames"], "window_weights", {"to": TensorProto.FLOAT}),
    ("Add", ["row", "one"], "next_row", {}),
    ("Unsqueeze", ["row", "last_axis"], "row_column", {}),
    ("Unsqueeze", ["start", "last_axis"], "start_column", {}),
    ("Unsqueeze", ["next_row", "last_axis"], "next_row_column", {}),
    ("Unsqueeze", ["stop", "last_axis"], "stop_column", {}),
    ("Concat", ["row_column", "start_column"], "window_from", {"axis": 1}),
    ("Concat", ["next_row_column", "stop_column"], "window_to", {"axis": 1}),
]


def _frames(student: Student) -> tuple[list[Step], Constants]:
    """From the frames of each turn, (turns, columns, frame_dim), to those of each row, NaN behind its last."""
    stride, frame_dim = student.frame_stride, student.frame_dim
    columns = num_columns(student.front_end.config.num_frames(WINDOW_SAMPLES), stride=stride)
    constants: Constants = {
        "frames/full": np.array(columns),
        "frames/stride": np.array(stride),
        "frames/less_one": np.array(stride - 1),
        "frames/zeros": np.array([0]),
        "frames/none": np.full((1, columns, frame_dim), np.nan, dtype=np.float32),
        "frames/values": np.array([frame_dim]),
    }
    steps: list[Step] = [
        ("Add", ["rest_frames", "frames/less_one"], "frames/rest_up", {}),
        ("Div", ["frames/rest_up", "frames/stride"], "frames/rest_columns", {}),
        ("Mul", ["rest", "frames/rest_columns"], "frames/of_rest", {}),
        ("Mul", ["full", "frames/full"], "frames/of_full", {}),
        ("Add", ["frames/of_full", "frames/of_rest"], "frames/of_row", {}),
        ("Concat", ["frames/zeros", "frames/of_row"], "frames/of_any", {"axis": 0}),
        ("ReduceMax", ["frames/of_any", "first_axis"], "frames/most", {"keepdims": 1}),
        ("Concat", ["frames/zeros", "windows"], "frames/windows", {"axis": 0}),
        ("ReduceMax", ["frames/windows", "first_axis"], "frames/most_windows", {"keepdims": 0}),
        # entry 0 is of none: what is behind a row's last window
        ("Range", ["zero", "frames/most_windows", "one"], "frames/place", {}),
        ("Unsqueeze", ["windows", "last_axis"], "frames/windows_column", {}),
        ("Less", ["frames/place", "frames/windows_column"], "frames/is_there", {}),
        ("Add", ["turns_before", "one"], "frames/first", {}),
        ("Unsqueeze", ["frames/first", "last_axis"], "frames/first_column", {}),
        ("Add", ["frames/first_column", "frames/place"], "frames/entries", {}),
        ("Where", ["frames/is_there", "frames/entries", "zero"], "frames/entries_there", {}),
        ("Concat", ["frames/none", "window_columns"], "frames/of_turns", {"axis": 0}),
        ("Gather", ["frames/of_turns", "frames/entries_there"], "frames/of_windows", {}),
        ("Mul", ["frames/most_windows", "frames/full"], "frames/width", {}),
        ("Unsqueeze", ["frames/width", "first_axis"], "frames/width_axis", {}),
        ("Concat", ["batch", "frames/width_axis", "frames/values"], "frames/shape", {"axis": 0}),
        ("Reshape", ["frames/of_windows", "frames/shape"], "frames/in_row", {"allowzero": 1}),
        ("Slice", ["frames/in_row", "frames/zeros", "frames/most", "last_axis"], "frames", {}),
    ]
    return steps, constants
