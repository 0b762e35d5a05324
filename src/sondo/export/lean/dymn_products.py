"""DyMN's block where a runtime has no fast convolution whose kernels follow the clip: ExecuTorch's XNNPACK, LiteRT's.

Kernels of one point are a product of two matrices. The filters are few: each of the four sets filters by itself, and
the results are mixed instead of the kernels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sondo.export.lean.dymn import FilterBySets, LeanDynamicBlock, _Kernels
from sondo.export.lean.parts import in_form
from sondo.students.dymn_blocks import DynamicBlock, DynamicDepthwiseConv


class ProductDynamicBlock(LeanDynamicBlock):
    """The same block.

    Shape:
        (1, channels, height, width) -> (1, out, ceil(height / stride), ceil(width / stride)).
    """

    def _filter_of(self, part: DynamicDepthwiseConv, norm: nn.BatchNorm2d) -> nn.Module:
        return FilterBySets(part, norm)

    def _mix(self, features: Tensor, kernels: _Kernels, shares: Tensor) -> Tensor:
        _, channels, height, width = features.shape
        matrix = kernels(shares).flatten(1)
        points: Tensor = matrix[None] @ features.reshape(1, channels, height * width) + kernels.bias[:, None]
        return points.reshape(1, len(kernels.bias), height, width)

    def _activate(self, features: Tensor, lines: tuple[Tensor, ...], row_gate: Tensor) -> Tensor:
        slope, other_slope, offset, other_offset = lines
        bias = self.bias[:, None, None]
        first = features * slope + (slope * bias + offset)
        second = features * other_slope + (other_slope * bias + other_offset)
        return torch.maximum(first, second) * row_gate


def use_products(module: nn.Module) -> None:
    """Put each of DyMN's blocks inside a module in this form, in place."""
    in_form(module, {DynamicBlock: ProductDynamicBlock})
