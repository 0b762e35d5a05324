"""DyMN's block for one clip at a time: batch norms folded, each dynamic part's coefficients made at once.

The kernels follow the clip, so onnxruntime has no blocked layout for them; its plain convolution still takes bias and
ReLU along. Each line of the dynamic ReLU is a batch norm, as no other operator scales and shifts in one pass.

Source:
    Schmid et al. 2023 (arXiv 2310.15648), as in `sondo.students.dymn_blocks`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sondo.export.lean.folding import convolution, folded, scale_and_shift
from sondo.students.dymn_blocks import DynamicBlock, DynamicConv, DynamicDepthwiseConv

_LARGE_KERNEL = 5
_NOTHING = 1e-30


class LeanDynamicBlock(nn.Module):
    """The same block.

    Shape:
        (1, channels, height, width) -> (1, out, ceil(height / stride), ceil(width / stride)).
    """

    scale: Tensor
    shift: Tensor
    bias: Tensor

    def __init__(self, block: DynamicBlock) -> None:
        super().__init__()
        context = block.context_gen
        self.sum_up = folded(context.joint_conv, context.joint_norm)
        self.gate_rows, self.gate_columns, self.pool = context.conv_f, context.conv_t, context.pool
        self.expand = _Kernels(block.exp_conv, block.exp_norm) if block.is_expanding else None
        self.filter: nn.Module = self._filter_of(block.depth_conv, block.depth_norm)
        self.register_buffer("bias", scale_and_shift(block.depth_norm)[1].float().detach())
        self.narrow = _Kernels(block.proj_conv, block.proj_norm)
        self.activation = block.exp_act if block.is_expanding else None
        self.channels = block.depth_conv.shape[0]
        parts = [block.exp_conv] if block.is_expanding else []
        self.shares = _stacked([*parts, block.depth_conv, block.proj_conv])
        lines = block.depth_act
        coefficients = lines.coef_net[0]
        assert isinstance(coefficients, nn.Linear), "made so"
        # in the published order the four coefficients of a channel stand together: here, a channel's stand apart
        order = torch.arange(4 * self.channels).view(self.channels, 4).T.flatten()
        self.coefficients = convolution(coefficients.weight[order, :, None, None], coefficients.bias[order])
        self.register_buffer("scale", (2 * lines.lambdas).repeat_interleave(self.channels)[:, None, None])
        self.register_buffer("shift", (lines.init_v - lines.lambdas).repeat_interleave(self.channels)[:, None, None])
        self.is_residual = block.is_residual

    def forward(self, features: Tensor) -> Tensor:
        """One block."""
        height, width = features.shape[2:]
        rows, columns = features.mean(3, keepdim=True), features.mean(2, keepdim=True).transpose(2, 3)
        both = functional.hardswish(self.sum_up(torch.cat([rows, columns], dim=2)))
        context = both.mean((2, 3), keepdim=True)
        rows, columns = torch.split(both, [height, width], dim=2)
        row_gate = self.gate_rows(self.pool(rows)).sigmoid()
        column_gate = self.gate_columns(self.pool(columns)).sigmoid().transpose(2, 3)
        shares = torch.split(self.shares(context).view(-1, 4).softmax(-1), 1)
        inner = features
        if self.expand is not None and self.activation is not None:
            inner = self.activation(self._mix(features, self.expand, shares[0]))
        filtered = self.filter(inner, shares[-2])
        inner = self._activate(filtered, self._lines(context), row_gate) * column_gate
        result = self._mix(inner, self.narrow, shares[-1])
        return result + features if self.is_residual else result

    def _filter_of(self, part: DynamicDepthwiseConv, norm: nn.BatchNorm2d) -> nn.Module:
        """What filters each channel by itself, without the bias."""
        return (FilterBySets if part.shape[-1] >= _LARGE_KERNEL else _Filter)(part, norm)

    def _mix(self, features: Tensor, kernels: _Kernels, shares: Tensor) -> Tensor:
        """Mix the channels of each point: (1, channels, H, W) -> (1, out, H, W)."""
        return functional.conv2d(features, kernels(shares), kernels.bias)

    def _lines(self, context: Tensor) -> tuple[Tensor, ...]:
        """Slopes and offsets of the dynamic ReLU, each (1, channels, 1, 1)."""
        values = self.coefficients(context).sigmoid() * self.scale + self.shift
        return torch.split(values, self.channels, dim=1)

    def _activate(self, features: Tensor, lines: tuple[Tensor, ...], row_gate: Tensor) -> Tensor:
        """The larger of two lines of what is filtered and biased, times a gate for each row, (1, channels, H, 1)."""
        slope, other_slope, offset, other_offset = (line.flatten() for line in lines)
        mean, variance = -self.bias, torch.ones_like(self.bias)
        # Some versions of torch want a positive epsilon; beside a variance of one this is nothing in float32.
        first = functional.batch_norm(features, mean, variance, slope, offset, eps=_NOTHING)
        second = functional.batch_norm(features, mean, variance, other_slope, other_offset, eps=_NOTHING)
        return torch.maximum(first, second) * row_gate


class _Kernels(nn.Module):
    """Four sets of kernels with the batch norm folded in, and its bias."""

    sets: Tensor
    bias: Tensor

    def __init__(self, part: DynamicConv | DynamicDepthwiseConv, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.shape = part.shape
        scale, shift = scale_and_shift(norm)
        sets = part.weight[0, 0].double().view(-1, *part.shape) * scale[:, None, None, None]
        self.register_buffer("sets", sets.flatten(1).float())
        self.register_buffer("bias", shift.float())

    def forward(self, shares: Tensor) -> Tensor:
        """Mix them by shares (1, 4)."""
        return (shares @ self.sets).view(self.shape)


class _Filter(nn.Module):
    """A depthwise convolution with the kernels mixed, of the same shapes as `FilterBySets`."""

    def __init__(self, part: DynamicDepthwiseConv, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.kernels = _Kernels(part, norm)
        self.stride, self.padding = part.stride, part.padding

    def forward(self, features: Tensor, shares: Tensor) -> Tensor:
        """Filter."""
        return functional.conv2d(
            features,
            self.kernels(shares),
            stride=self.stride,
            padding=self.padding,
            groups=features.shape[1],
        )


class FilterBySets(nn.Module):
    """A depthwise convolution with each set of kernels, the results mixed.

    The sets are constant, so onnxruntime filters by them in its blocked layout. Outside of it, it first copies out what
    lies under each point of the kernel, 25 numbers for 5 by 5: four convolutions of that size take about half the time
    of one whose kernels follow the clip, and a third where they have a stride. Four of 3 by 3 take as long or longer.

    Shape:
        (1, channels, H, W), shares (1, 4) -> (1, channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, part: DynamicDepthwiseConv, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        kernels = _Kernels(part, norm)
        self.sets = nn.ModuleList(
            convolution(each.view(part.shape), stride=part.stride, padding=part.padding, groups=part.shape[0])
            for each in kernels.sets
        )

    def forward(self, features: Tensor, shares: Tensor) -> Tensor:
        """Filter."""
        first, *others = (
            share[:, :, None, None] * convolution(features)
            for share, convolution in zip(torch.split(shares, 1, dim=1), self.sets, strict=True)
        )
        total: Tensor = first
        for other in others:
            total = total + other
        return total


def _stacked(parts: list[DynamicConv | DynamicDepthwiseConv]) -> nn.Conv2d:
    """What gives the logits of all parts' shares, their temperature folded in."""
    weights, biases = [], []
    for part in parts:
        layer = part.residuals[0]
        assert isinstance(layer, nn.Linear), "made so"
        weights.append(layer.weight / part.temperature)
        biases.append(layer.bias / part.temperature)
    return convolution(torch.cat(weights)[:, :, None, None], torch.cat(biases))
