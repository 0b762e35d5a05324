"""DyMN's block where a runtime has no fast convolution whose kernels follow the clip: ExecuTorch's XNNPACK, LiteRT's.

Kernels of one point are a product of two matrices. The filters are few: each of the four sets filters by itself, and
the results are mixed instead of the kernels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from sondo.export.lean.dymn import LeanDynamicBlock, _Kernels
from sondo.students.dymn_blocks import DynamicBlock


class ProductDynamicBlock(LeanDynamicBlock):
    """The same block.

    Shape:
        (1, channels, height, width) -> (1, out, ceil(height / stride), ceil(width / stride)).
    """

    def __init__(self, block: DynamicBlock) -> None:
        super().__init__(block)
        self.filters = nn.ParameterList(
            nn.Parameter(kernels.view(self.filter.shape).clone(), requires_grad=False) for kernels in self.filter.sets
        )

    def _mix(self, features: Tensor, kernels: _Kernels, shares: Tensor) -> Tensor:
        _, channels, height, width = features.shape
        matrix = kernels(shares).flatten(1)
        points: Tensor = matrix[None] @ features.reshape(1, channels, height * width) + kernels.bias[:, None]
        return points.reshape(1, len(kernels.bias), height, width)

    def _filter(self, features: Tensor, shares: Tensor, slope: Tensor) -> Tensor:
        filtered = [
            functional.conv2d(features, kernel, stride=self.stride, padding=self.padding, groups=self.channels)
            for kernel in self.filters
        ]
        total: Tensor = shares[:, 0, None, None, None] * filtered[0]
        for number in range(1, len(filtered)):
            total = total + shares[:, number, None, None, None] * filtered[number]
        return total * slope


def use_products(module: nn.Module) -> None:
    """Put each of DyMN's blocks inside a module in this form, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, DynamicBlock):
            module._modules[name] = ProductDynamicBlock(child)
        else:
            use_products(child)
