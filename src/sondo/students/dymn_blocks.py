"""The parts of DyMN: a block that reads its input's context first, and sets its kernels and its activation by it.

Legend: B = batch, C = channels, H = height (frequency), W = width (time), K = values of the context.

Source:
    Schmid et al. 2023, "Dynamic Convolutional Neural Networks as Efficient Pre-trained Audio Models"
    (arXiv 2310.15648), section III; tensor names of its published checkpoints (EfficientAT, `models/dymn`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sondo.students.mobilenetv3 import make_divisible

_NUM_KERNELS = 4
_CONTEXT_SHARE, _MIN_CONTEXT, _MAX_CONTEXT = 4, 32, 128


class DynamicBlock(nn.Module):
    """An inverted residual with dynamic convolutions, a dynamic ReLU and coordinate attention.

    Args:
        channels: Channels of the input.
        expanded: Channels between the pointwise convolutions.
        out: Channels of the output.
        kernel: Side of the depthwise kernels.
        stride: Stride of the depthwise convolution.
        activation: Behind the first convolution; the second has the dynamic ReLU.
        width_mult: Factor on the bounds of the context's size.
        temperature: Softmax temperature of the dynamic convolutions.

    Shape:
        (batch, channels, height, width) -> (batch, out, ceil(height / stride), ceil(width / stride)).
    """

    def __init__(
        self,
        channels: int,
        expanded: int,
        out: int,
        *,
        kernel: int,
        stride: int,
        activation: Callable[[], nn.Module],
        width_mult: float,
        temperature: float,
    ) -> None:
        super().__init__()
        self.is_residual = stride == 1 and channels == out
        low, high = make_divisible(_MIN_CONTEXT * width_mult), make_divisible(_MAX_CONTEXT * width_mult)
        context = min(max(make_divisible(expanded // _CONTEXT_SHARE), low), high)
        self.is_expanding = expanded != channels
        if self.is_expanding:
            self.exp_conv = DynamicConv(channels, expanded, context=context, temperature=temperature)
            self.exp_norm = _norm(expanded)
            self.exp_act = activation()
        self.depth_conv = DynamicDepthwiseConv(
            expanded, context=context, kernel=kernel, stride=stride, temperature=temperature
        )
        self.depth_norm = _norm(expanded)
        self.depth_act = DynamicReLU(expanded, context=context)
        self.proj_conv = DynamicConv(expanded, out, context=context, temperature=temperature)
        self.proj_norm = _norm(out)
        self.context_gen = ContextGenerator(channels, expanded, context=context, stride=stride)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """One block."""
        context_BK, gate_BCH1, gate_BC1W = self.context_gen(features_BCHW)
        inner: Tensor = features_BCHW
        if self.is_expanding:
            inner = self.exp_act(self.exp_conv(inner, context_BK, self.exp_norm))
        inner = self.depth_conv(inner, context_BK, self.depth_norm)
        inner = self.depth_act(inner, context_BK) * gate_BCH1 * gate_BC1W
        result: Tensor = self.proj_conv(inner, context_BK, self.proj_norm)
        return result + features_BCHW if self.is_residual else result


class ContextGenerator(nn.Module):
    """Sum a map up along both axes: a vector for the dynamic parts, and a gate for each row and each column.

    Args:
        channels: Channels of the map.
        expanded: Channels of the gates.
        context: Values of the vector.
        stride: The block's; with 2 the sequences are averaged over three neighbours, zeros beyond the edges counted.

    Shape:
        (B, C, H, W) -> (B, K), (B, expanded, ceil(H / stride), 1), (B, expanded, 1, ceil(W / stride)).
    """

    def __init__(self, channels: int, expanded: int, *, context: int, stride: int) -> None:
        super().__init__()
        self.joint_conv = nn.Conv2d(channels, context, 1, bias=False)
        self.joint_norm = _norm(context)
        self.joint_act = nn.Hardswish()
        self.conv_f = nn.Conv2d(context, expanded, 1)
        self.conv_t = nn.Conv2d(context, expanded, 1)
        for gate in (self.conv_f, self.conv_t):
            assert gate.bias is not None, "made with one"
            nn.init.zeros_(gate.bias)
        self.pool = nn.AvgPool2d((3, 1), stride=(stride, 1), padding=(1, 0)) if stride > 1 else nn.Identity()

    def forward(self, features_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sum the map up."""
        height, width = features_BCHW.shape[2:]
        rows, columns = features_BCHW.mean(3, keepdim=True), features_BCHW.mean(2)[..., None]
        both = self.joint_act(self.joint_norm(self.joint_conv(torch.cat([rows, columns], dim=2))))
        rows, columns = both.split([height, width], dim=2)
        gate_rows, gate_columns = self.conv_f(self.pool(rows)).sigmoid(), self.conv_t(self.pool(columns)).sigmoid()
        return both.mean((2, 3)), gate_rows, gate_columns.transpose(2, 3)


class DynamicKernels(nn.Module):
    """Four sets of kernels, of which each clip gets its own mixture.

    Its weights are (1, 1, 4, values of a set), as in the checkpoints.

    Source:
        Schmid et al. 2023, equation 6; Chen et al. 2020 (arXiv 1912.03458).
    """

    def __init__(self, shape: tuple[int, int, int, int], *, context: int, temperature: float) -> None:
        super().__init__()
        self.shape, self.temperature = shape, temperature
        self.residuals = nn.Sequential(nn.Linear(context, _NUM_KERNELS))
        self.weight = nn.Parameter(torch.empty(1, 1, _NUM_KERNELS, math.prod(shape)))
        fan_out = shape[0] * shape[2] * shape[3]
        nn.init.normal_(self.weight, std=math.sqrt(2 / fan_out))

    def mixed(self, context_BK: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor | None]:
        """Each clip's kernels (B, *shape), and in evaluation a bias (out,): there the norm is folded into them."""
        shares = functional.softmax(self.residuals(context_BK) / self.temperature, dim=-1)
        kernels = (shares @ self.weight[0, 0]).view(-1, *self.shape)
        if norm.training:
            return kernels, None
        assert norm.running_mean is not None, "a batch norm in evaluation mode has statistics"
        assert norm.running_var is not None, "a batch norm in evaluation mode has statistics"
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        return kernels * scale[:, None, None, None], norm.bias - norm.running_mean * scale


class DynamicConv(DynamicKernels):
    """A pointwise convolution with kernels that follow the context, and the batch norm behind it.

    Shape:
        (B, channels, H, W), context (B, K) -> (B, out, H, W).
    """

    def __init__(self, channels: int, out: int, *, context: int, temperature: float) -> None:
        super().__init__((out, channels, 1, 1), context=context, temperature=temperature)

    def forward(self, features_BCHW: Tensor, context_BK: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        """Convolve and normalise."""
        kernels, bias = self.mixed(context_BK, norm)
        flat = features_BCHW.flatten(2)
        matrix = kernels.flatten(2)
        mapped = matrix @ flat if bias is None else torch.baddbmm(bias[:, None], matrix, flat)
        mapped = mapped.view(*mapped.shape[:2], *features_BCHW.shape[2:])
        result: Tensor = norm(mapped) if bias is None else mapped
        return result


class DynamicDepthwiseConv(DynamicKernels):
    """A depthwise convolution with kernels that follow the context, and the batch norm behind it.

    Shape:
        (B, channels, H, W), context (B, K) -> (B, channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, channels: int, *, context: int, kernel: int, stride: int, temperature: float) -> None:
        super().__init__((channels, 1, kernel, kernel), context=context, temperature=temperature)
        self.stride, self.padding = stride, kernel // 2

    def forward(self, features_BCHW: Tensor, context_BK: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        """Convolve and normalise."""
        kernels, bias = self.mixed(context_BK, norm)
        batch, channels = features_BCHW.shape[:2]
        # The clips side by side as channels: one convolution for the batch, though each has kernels of its own.
        filtered = functional.conv2d(
            features_BCHW.flatten(0, 1)[None],
            kernels.flatten(0, 1),
            bias if bias is None else bias.repeat(batch),
            stride=self.stride,
            padding=self.padding,
            groups=batch * channels,
        )
        filtered = filtered.view(batch, channels, *filtered.shape[2:])
        result: Tensor = norm(filtered) if bias is None else filtered
        return result


class DynamicReLU(nn.Module):
    """The larger of two straight lines, both set by the context for each channel.

    Shape:
        (B, C, H, W), context (B, K) -> (B, C, H, W).

    Source:
        Chen et al. 2020 (arXiv 2003.10027), DyReLU-B; Schmid et al. 2023, equation 4.
    """

    lambdas: Tensor
    init_v: Tensor

    def __init__(self, channels: int, *, context: int) -> None:
        super().__init__()
        self.coef_net = nn.Sequential(nn.Linear(context, 4 * channels))
        self.register_buffer("lambdas", torch.tensor([1.0, 1.0, 0.5, 0.5]))
        self.register_buffer("init_v", torch.tensor([1.0, 0.0, 0.0, 0.0]))

    def forward(self, features_BCHW: Tensor, context_BK: Tensor) -> Tensor:
        """Activate."""
        theta = 2 * self.coef_net(context_BK).sigmoid() - 1
        lines = theta.view(len(theta), -1, 1, 1, 4) * self.lambdas + self.init_v
        slope, other_slope, offset, other_offset = lines.unbind(-1)
        return torch.maximum(
            torch.addcmul(offset, features_BCHW, slope), torch.addcmul(other_offset, features_BCHW, other_slope)
        )


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
