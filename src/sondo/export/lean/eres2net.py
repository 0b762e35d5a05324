"""ERes2Net without splits, without clipping behind sums and with half as many passes over its maps.

- A clip at 20 behind a sum is no activation that onnxruntime fuses. Where the shortcut is a convolution, both are one
  over the channels of both, and clip; elsewhere the clip hangs on a convolution that does nothing.
- The groups of channels come from two convolutions instead of a split. The first layer's groups have 8 channels, half a
  block of AVX-512: a kernel for both side by side would fill it, at four times the work, which every other processor
  pays for (AVX2 1.1 times the network's time, WebAssembly 1.15).
- Fusion by attention: with a = tanh u, x (1 + a) + y (1 - a) = 2 (x s(2 u) + y s(-2 u)), s the sigmoid: no difference,
  which has no blocked form. The factor 2 goes into the next convolution. Where y is a plain convolution it gives d =
  x - y at once, its sum being fused, and the result is 2 (x - d s(-2 u)).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sondo.export.lean.folding import convolution, each_channel, folded
from sondo.students.eres2net import _CLIP, _FUSED, AttentionalFusion, ERes2Net, Res2Block


class LeanERes2Net(nn.Module):
    """The same network.

    Shape:
        (batch, 1, mels, frames) -> (batch, num_features, mels / 16, ceil(frames / 16)).
    """

    def __init__(self, network: ERes2Net, *, int8: bool = False) -> None:
        super().__init__()
        self.stage_features, self.num_features = network.stage_features, network.num_features
        self.stem = folded(network.conv1, network.bn1)
        layers = [network.get_submodule(f"layer{number}") for number in range(1, len(_FUSED) + 2)]
        self.layers = nn.ModuleList(
            nn.Sequential(*[LeanBlock(block, int8=int8) for block in layer.children() if isinstance(block, Res2Block)])
            for layer in layers
        )
        self.fusions = nn.ModuleList()
        form = _LayerFusion if int8 else _LayerFusionByDifference
        for number, joined in enumerate(_FUSED, start=1):
            down, fusion = (
                network.get_submodule(f"layer{number}_downsample"),
                network.get_submodule(f"fuse_mode{joined}"),
            )
            assert isinstance(down, nn.Conv2d), "made so"
            assert isinstance(fusion, AttentionalFusion), "made so"
            self.fusions.append(form(fusion, down, factor=2.0 if number > 1 else 1.0))

    def stages(self, log_mel: Tensor) -> list[Tensor]:
        """The maps of `ERes2Net.stages`."""
        features = half = self.layers[0](self.stem(log_mel).relu())
        maps = [features]
        for layer, fusion in zip(self.layers[1:], self.fusions, strict=True):
            features = layer(features)
            half = fusion(features, half)
            maps.append(2 * half)
        return maps


class LeanBlock(nn.Module):
    """The same residual block.

    Shape:
        (batch, channels, height, width) -> (batch, out, ceil(height / stride), ceil(width / stride)).
    """

    def __init__(self, block: Res2Block, *, int8: bool) -> None:
        super().__init__()
        channels, out, stride = block.conv1.in_channels, block.conv3.out_channels, block.conv1.stride[0]
        self.thin = each_channel(1.0, channels, stride=stride) if stride > 1 else None
        self.groups = _FusedGroups(block) if block.fuse_models else _Groups(block)
        self.clip = nn.Hardtanh(0.0, _CLIP)
        last = folded(block.conv3, block.bn3)
        self.is_joined = len(block.shortcut) > 0
        if self.is_joined:
            shortcut = folded(*block.shortcut)
            self.last = convolution(torch.cat([last.weight, shortcut.weight], dim=1), _bias(last) + _bias(shortcut))
        else:
            self.last = last
            self.carry = nn.Identity() if int8 else each_channel(1.0, out)

    def forward(self, features: Tensor) -> Tensor:
        """One block."""
        if self.thin is not None:
            features = self.thin(features)
        inner = self.groups(features)
        if self.is_joined:
            joined: Tensor = self.clip(self.last(torch.cat([*inner, features], dim=1)))
            return joined
        result: Tensor = self.clip(self.carry(self.last(torch.cat(inner, dim=1)) + features))
        return result


class _Groups(nn.Module):
    """The groups as two maps."""

    def __init__(self, block: Res2Block) -> None:
        super().__init__()
        first = _without_stride(folded(block.conv1, block.bn1))
        group = first.out_channels // 2
        self.into_one = convolution(first.weight[:group], _bias(first)[:group])
        self.into_other = convolution(first.weight[group:], _bias(first)[group:])
        self.one, self.other = (folded(conv, norm) for conv, norm in zip(block.convs, block.bns, strict=True))
        self.clip = nn.Hardtanh(0.0, _CLIP)

    def join(self, one: Tensor, other: Tensor) -> Tensor:
        """What the second group's convolution takes."""
        return one + other

    def forward(self, features: Tensor) -> list[Tensor]:
        """(batch, channels, H, W) -> two maps (batch, group, H, W)."""
        one = self.clip(self.one(self.clip(self.into_one(features))))
        other = self.join(one, self.clip(self.into_other(features)))
        return [one, self.clip(self.other(other))]


class _FusedGroups(_Groups):
    """The groups as two maps, joined by attention."""

    def __init__(self, block: Res2Block) -> None:
        super().__init__(block)
        self.fuse = _Half(block.fuse_models[0])
        with torch.no_grad():
            self.other.weight.mul_(2)

    def join(self, one: Tensor, other: Tensor) -> Tensor:
        """Half of the fusion."""
        half: Tensor = self.fuse(one, other)
        return half


class _Half(nn.Module):
    """Half of what an attention makes of two maps.

    Shape:
        twice (batch, channels, height, width) -> the same.
    """

    def __init__(self, fusion: nn.Module) -> None:
        super().__init__()
        attend, weigh = _attention(fusion)
        channels = weigh.out_channels
        self.of_one = convolution(attend.weight[:, :channels])
        self.of_other = convolution(attend.weight[:, channels:], attend.bias)
        self.one_share, self.other_share = (
            convolution(sign * 2 * weigh.weight, sign * 2 * _bias(weigh)) for sign in (1, -1)
        )

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """One map and the other."""
        inner = nn.functional.silu(self.of_one(one) + self.of_other(other))
        half: Tensor = one * self.one_share(inner).sigmoid() + other * self.other_share(inner).sigmoid()
        return half


class _LayerFusion(nn.Module):
    """Half of what attention makes of a layer's map and of the one before it, which a convolution brings to its size.

    Args:
        fusion: The attention.
        down: The convolution.
        factor: What the map of those before has to be multiplied by.
    """

    def __init__(self, fusion: nn.Module, down: nn.Module, *, factor: float) -> None:
        super().__init__()
        self.down = _brought_down(down, factor)
        self.fuse = _Half(fusion)

    def forward(self, own: Tensor, before: Tensor) -> Tensor:
        """The layer's map and the one before."""
        half: Tensor = self.fuse(own, self.down(before))
        return half


class _LayerFusionByDifference(nn.Module):
    """The same by the difference of both maps."""

    def __init__(self, fusion: nn.Module, down: nn.Module, *, factor: float) -> None:
        super().__init__()
        attend, weigh = _attention(fusion)
        channels = weigh.out_channels
        own, other = attend.weight[:, :channels], attend.weight[:, channels:]
        self.difference = _brought_down(down, -factor)
        self.of_own, self.of_difference = convolution(own + other), convolution(-other, attend.bias)
        self.share = convolution(-2 * weigh.weight, -2 * _bias(weigh))
        self.minus = each_channel(-1.0, channels)

    def forward(self, own: Tensor, before: Tensor) -> Tensor:
        """The layer's map and the one before."""
        difference = self.difference(before) + own
        inner = nn.functional.silu(self.of_own(own) + self.of_difference(difference))
        half: Tensor = self.minus(difference * self.share(inner).sigmoid()) + own
        return half


def _brought_down(down: nn.Module, factor: float) -> nn.Conv2d:
    assert isinstance(down, nn.Conv2d), f"no convolution: {down}"
    return convolution(factor * down.weight, stride=2, padding=1)


def _attention(fusion: nn.Module) -> tuple[nn.Conv2d, nn.Conv2d]:
    """The two convolutions of an attention, with their batch norms folded."""
    assert isinstance(fusion, AttentionalFusion), f"no attention: {fusion}"
    attend, attend_norm, _, weigh, weigh_norm = fusion.local_att
    return folded(attend, attend_norm), folded(weigh, weigh_norm)


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None, "a folded convolution has a bias"
    return conv.bias


def _without_stride(conv: nn.Conv2d) -> nn.Conv2d:
    return convolution(conv.weight, conv.bias)
