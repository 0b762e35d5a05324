"""Write a student as one ExecuTorch file (`.pte`) for XNNPACK: raw sound in, embedding out, any length of a window."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from sondo.audio.windows import WINDOW_SAMPLES, min_window_frames
from sondo.errors import SondoError, require
from sondo.export.exporters import quiet, reason_of
from sondo.export.metadata import metadata
from sondo.export.plain import PlainStudent, plain_student
from sondo.export.precision import ENOUGH_COSINE, check_phone_precision, check_sounds
from sondo.export.sounds import Audio
from sondo.export.verify_model import compare_model
from sondo.export.written import checked_target, write_verified
from sondo.runtime.executorch import METADATA_METHOD, ExecuTorchModel
from sondo.runtime.golden import GOLDEN
from sondo.runtime.metadata import Precision
from sondo.students import Student

_WHY = "Exporting a .pte file needs ExecuTorch"
_BACKBONE = "network.backbone"
_ANNOTATION = "quantization_annotation"
"""Under which key torchao keeps what it wants to do with a node."""
_FIRST_IN_FLOAT, _LAST_IN_FLOAT, _MOST_IN_FLOAT = 3, (0, 3, 12), 0.25
"""Convolutions that stay in float32: the first, and ever more of the last, up to this share of all."""


def to_executorch(
    student: Student,
    path: str | Path,
    *,
    precision: Precision = "float32",
    clips: Sequence[Audio] = (),
    sound: Sequence[Audio] = (),
    overwrite: bool = False,
    threshold: float | None = None,
) -> Path:
    """Export a student to one `.pte` file, and verify it.

    Method `forward` takes `audio` (1, samples), a whole number of hops from 0.1 s to 10 s, and gives `embedding`
    (1, embedding_dim); `sondo_metadata` gives the metadata as JSON. The file is described in docs/executorch.md; the
    report of the comparison lies beside it, as `<path>.json`.

    Args:
        student: The student; it stays as it is.
        path: The file, ending in `.pte`.
        precision: `float32`, or `int8` for the backbone's layers: weights by channel, activations by their range over
            `sound`. The front-end, the first three convolutions and the read-out stay in float32, and so do the
            last convolutions where they take the vectors away from those of float32. Such a file has no golden vectors.
        clips: Real sound to compare with besides made sound, each (samples,) at the student's rate.
        sound: Real sound to calibrate `int8` with, like `clips` but none of them.
        overwrite: Replace a file that is there already.
        threshold: The cosine to torch that must be reached; that of `LEAST_COSINE` when left out.

    Returns:
        The path.

    Raises:
        SondoError: The file is there already, too little sound for int8, a student that ExecuTorch cannot take, or a
            file that does not agree with torch; no file is left then.
        MissingExtraError: ExecuTorch is not installed.

    Example:
        `to_executorch(sondo.students.load("student/"), "student.pte")`
    """
    path = checked_target(path, student, suffix=".pte", overwrite=overwrite)
    check_phone_precision(precision)
    check_sounds(sound, precision)
    with quiet():
        require("executorch.exir", extra="executorch", why=_WHY)
    about = metadata(student, frames=False, projector=None, precision=precision)
    if precision == "int8":
        del about[GOLDEN]  # they are torch's, to a thousandth: no promise of a network in int8
    try:
        with quiet():
            module = plain_student(student, int8=precision == "int8")
            program = _program(_quantised(module, student, sound) if precision == "int8" else module, student)
            content = _lowered(program, about)
    except SondoError:
        raise
    except Exception as error:  # torch.export, torchao and ExecuTorch raise many classes that share no base
        raise SondoError(f"ExecuTorch cannot take student {student.name}: {reason_of(error)}") from error
    return write_verified(
        path,
        content,
        lambda file: compare_model(student, ExecuTorchModel(file), clips=clips, threshold=threshold),
    )


def _program(module: nn.Module, student: Student) -> ExportedProgram:
    config = student.front_end.config
    hops = torch.export.Dim("hops", min=min_window_frames(config) + 1, max=WINDOW_SAMPLES // config.hop)
    shapes = ({1: config.hop * hops},)
    return torch.export.export(module, (torch.zeros(1, WINDOW_SAMPLES),), dynamic_shapes=shapes)


def _lowered(program: ExportedProgram, about: dict[str, str]) -> bytes:
    """The file's content."""
    exir: Any = require("executorch.exir", extra="executorch", why=_WHY)
    xnnpack: Any = require("executorch.backends.xnnpack.partition.xnnpack_partitioner", extra="executorch", why=_WHY)
    edge = exir.to_edge_transform_and_lower(
        program, partitioner=[xnnpack.XnnpackPartitioner()], constant_methods={METADATA_METHOD: json.dumps(about)}
    )
    content: bytes = edge.to_executorch().buffer
    return content


def _quantised(module: PlainStudent, student: Student, clips: Sequence[Audio]) -> nn.Module:
    """The same with its backbone in int8, calibrated on the first window of each clip.

    The read-out hears every error of the last layers. Where the vectors are not those of float32, more of these layers
    stay in float32, until the vectors are; of several forms that all miss, the closest is taken.
    """
    hop = student.front_end.config.hop
    windows = [torch.from_numpy(clip[None, : min(len(clip), WINDOW_SAMPLES) // hop * hop]) for clip in clips]
    best: nn.Module = module
    best_cosine = -1.0
    with torch.inference_mode():
        wanted = torch.cat([module(window) for window in windows])
    layers = sum(isinstance(part, nn.Conv2d) for part in module.network.modules())
    for last_in_float in _LAST_IN_FLOAT:
        if last_in_float > _MOST_IN_FLOAT * layers:
            break
        found = _calibrated(_program(module, student), windows, last_in_float=last_in_float)
        with torch.inference_mode():
            vectors = torch.cat([found(window) for window in windows])
        cosine = float(nn.functional.cosine_similarity(vectors, wanted).mean())
        if cosine > best_cosine:
            best, best_cosine = found, cosine
        if cosine >= ENOUGH_COSINE:
            break
    return best


def _calibrated(program: ExportedProgram, windows: Sequence[torch.Tensor], *, last_in_float: int) -> nn.Module:
    """A program in int8, but for its last layers."""
    quantizer: Any = require("executorch.backends.xnnpack.quantizer.xnnpack_quantizer", extra="executorch", why=_WHY)
    pt2e: Any = require("torchao.quantization.pt2e.quantize_pt2e", extra="executorch", why="int8 needs torchao")

    class Recipe(quantizer.XNNPACKQuantizer):  # type: ignore[misc]  # its filter passes over joins, means and slices
        def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
            super().annotate(model)
            kept = _nodes_in_int8(model, last_in_float=last_in_float)
            for node in model.graph.nodes:
                if node.op == "call_function" and (node not in kept or not kept.issuperset(_sharing(node))):
                    node.meta.pop(_ANNOTATION, None)
            return model

    recipe = Recipe().set_global(quantizer.get_symmetric_quantization_config(is_per_channel=True))
    prepared = pt2e.prepare_pt2e(program.module(check_guards=False), recipe)
    with torch.inference_mode():
        for window in windows:
            prepared(window)
    quantised: nn.Module = pt2e.convert_pt2e(prepared)
    return quantised


def _sharing(node: torch.fx.Node) -> set[torch.fx.Node]:
    """The nodes whose ranges an annotated node takes over."""
    annotation = node.meta.get(_ANNOTATION)
    specs = [] if annotation is None else [*annotation.input_qspec_map.values(), annotation.output_qspec]
    shared = [spec.edge_or_node for spec in specs if hasattr(spec, "edge_or_node")]
    return {edge[1] if isinstance(edge, tuple) else edge for edge in shared}


def _nodes_in_int8(model: torch.fx.GraphModule, *, last_in_float: int) -> set[torch.fx.Node]:
    """What computes in int8: the backbone's layers and sums, but for its first convolutions, which cost most accuracy.

    Products, means and joins gain nothing, and statistics over a map need more than 256 steps.
    """
    aten = torch.ops.aten
    convolutions, others = aten.conv2d.default, (aten.linear.default, aten.add.Tensor, aten.relu.default)
    found: list[torch.fx.Node] = []
    places: list[int] = []  # the backbone's nodes in their order, and where the convolutions are among them
    for node in model.graph.nodes:
        modules = [name for name, _ in node.meta.get("nn_module_stack", {}).values()]
        if any(name.startswith(_BACKBONE) for name in modules):
            if node.target is convolutions:
                places.append(len(found))
            found.append(node)
    start = places[_FIRST_IN_FLOAT] if len(places) > _FIRST_IN_FLOAT else len(found)
    stop = places[-last_in_float] if last_in_float else len(found)
    within = found[start:stop]
    return {node for node in within if node.target is convolutions or node.target in others}
