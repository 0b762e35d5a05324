"""Batch norms folded into the convolutions before them, in float64; and convolutions with given weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Fold each batch norm that directly follows a convolution in an `nn.Sequential` into it, in place."""
    for sequence in [part for part in module.modules() if isinstance(part, nn.Sequential)]:
        for index in range(len(sequence) - 1):
            before, norm = sequence[index], sequence[index + 1]
            if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index], sequence[index + 1] = folded(before, norm), nn.Identity()
    return module


def folded(before: nn.Module, norm: nn.Module) -> nn.Conv2d:
    """A convolution and the batch norm behind it, as one convolution."""
    assert isinstance(before, nn.Conv2d), f"no convolution: {before}"
    assert isinstance(norm, nn.BatchNorm2d), f"no batch norm: {norm}"
    scale, shift = scale_and_shift(norm)
    bias = before.bias.double() if before.bias is not None else torch.zeros_like(scale)
    result = copy.deepcopy(before)
    with torch.no_grad():
        result.weight.copy_(before.weight.double() * scale[:, None, None, None])
        result.bias = nn.Parameter((shift + bias * scale).float())
    return result


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a batch norm does in evaluation: each channel times the one plus the other, in float64."""
    assert norm.running_mean is not None, "a batch norm in evaluation mode has statistics"
    assert norm.running_var is not None, "a batch norm in evaluation mode has statistics"
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    scale = scale * norm.weight.double() if norm.affine else scale
    shift = norm.bias.double() if norm.affine else torch.zeros_like(scale)
    return scale, shift - norm.running_mean.double() * scale


def convolution(
    weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> nn.Conv2d:
    """A convolution with these weights.

    Shape:
        weight (out, channels / groups, height, width), bias (out,).
    """
    out, channels, height, width = weight.shape
    made = nn.Conv2d(
        channels * groups,
        out,
        (height, width),
        stride=stride,
        padding=padding,
        groups=groups,
        bias=bias is not None,
    )
    with torch.no_grad():
        made.weight.copy_(weight)
        if made.bias is not None and bias is not None:
            made.bias.copy_(bias)
    return made


def each_channel(factor: float, channels: int, *, stride: int = 1) -> nn.Conv2d:
    """Each channel by itself times a factor; with a stride, every so many points of it."""
    return convolution(torch.full((channels, 1, 1, 1), factor), stride=stride, groups=channels)
