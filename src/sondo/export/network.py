"""A student's network, from log-mel to embedding, as an ONNX graph: any `nn.Module` that torch can export."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from onnx import GraphProto, inliner
from torch import Tensor, nn

from sondo.errors import SondoError
from sondo.students import Student

OPSET = 18


class _Core(nn.Module):
    """What lies behind the front-end, as one module."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.backbone, self.readout = student.backbone, student.readout

    def forward(self, log_mel: Tensor) -> Tensor:
        """(1, num_mels, frames) -> (1, embedding_dim)."""
        embedding: Tensor = self.readout(self.backbone.stages(log_mel.unsqueeze(1)), log_mel)
        return embedding


def network_graph(student: Student, *, min_frames: int, max_frames: int) -> GraphProto:
    """Export the network, with batch norm folded. The student is not changed.

    Args:
        student: The student.
        min_frames: The fewest frames that a log-mel may have.
        max_frames: The most.

    Returns:
        A graph of standard operators: one input (1, num_mels, frames), one output (1, embedding_dim), and its weights.

    Raises:
        SondoError: torch cannot export this network.
    """
    core = fold_batch_norm(copy.deepcopy(_Core(student)).cpu().float().eval())
    example = torch.zeros(1, student.front_end.config.num_mels, max_frames)
    frames = torch.export.Dim("frames", min=min_frames, max=max_frames)
    try:
        with _quiet():
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
        reason = str(error).strip().splitlines()[0]
        raise SondoError(f"torch cannot turn student {student.name} into ONNX: {reason}") from error
    assert program is not None
    return _plain(inliner.inline_local_functions(program.model_proto))


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Fold each batch norm that directly follows a convolution in an `nn.Sequential` into it, in float64, in place."""
    for sequence in [part for part in module.modules() if isinstance(part, nn.Sequential)]:
        for index in range(len(sequence) - 1):
            convolution, norm = sequence[index], sequence[index + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index], sequence[index + 1] = _folded(convolution, norm), nn.Identity()
    return module


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    assert norm.running_mean is not None, "a batch norm in evaluation mode has statistics"
    assert norm.running_var is not None, "a batch norm in evaluation mode has statistics"
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    scale = scale * norm.weight.double() if norm.affine else scale
    shift = norm.bias.double() if norm.affine else torch.zeros_like(scale)
    before = convolution.bias.double() if convolution.bias is not None else torch.zeros_like(scale)
    folded = copy.deepcopy(convolution)
    with torch.no_grad():
        folded.weight.copy_(convolution.weight.double() * scale[:, None, None, None])
        folded.bias = nn.Parameter((shift + (before - norm.running_mean.double()) * scale).float())
    return folded


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
    return graph


@contextmanager
def _quiet() -> Iterator[None]:
    """What the exporter says while it works (deprecations of its own parts, missing torchvision) helps no user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
