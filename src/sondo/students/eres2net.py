"""ERes2Net for log-mels in its five-layer form, with the tensor names of the published checkpoints.

Source:
    Chen et al. 2023, "An Enhanced Res2Net with Local and Global Feature Fusion" (arXiv 2305.12838), figure 2; the fifth
    layer and temporal statistics of 3D-Speaker, as used by S-SONDO (arXiv 2604.24933). Batch norm with eps 1e-5; the
    activations clip at 20, but for the first one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sondo.errors import SondoError
from sondo.students.readout import Pool

# blocks, channels as a multiple of the first layer's, stride, whether the groups of channels are fused by attention
_LAYERS = ((3, 1, 1, False), (4, 2, 2, False), (6, 4, 2, True), (3, 8, 2, True), (3, 2, 2, True))
_EXPANSION, _SHRINK, _CLIP = 2, 4, 20.0
_FUSED = ("12", "123", "1234", "12345")  # the layers that each fusion joins
_HEIGHT_STEP = 16
_PROJECTOR_WIDTH = 1280


class ERes2Net(nn.Module):
    """The convolutional part of ERes2Net: five layers, each fused with all before it, from the first one on.

    Args:
        channels: Channels of the first layer, above 0; all others follow. 16 has 1.37 M parameters, 24 has 3.07 M.
        mels: Mel bands of the log-mel, a multiple of 16.

    Shape:
        (batch, 1, mels, frames) -> (batch, num_features, mels / 16, ceil(frames / 16)).

    Raises:
        SondoError: No channels, or mel bands that are no multiple of 16.
    """

    def __init__(self, *, channels: int = 16, mels: int = 128) -> None:
        super().__init__()
        if not 0 < channels <= 4096:
            raise SondoError(f"channels is {channels}: the channels of an ERes2Net must be above 0, e.g. 16 or 24")
        if mels < _HEIGHT_STEP or mels % _HEIGHT_STEP:
            raise SondoError(f"mels is {mels}: an ERes2Net needs mel bands in a multiple of {_HEIGHT_STEP}, e.g. 128")
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        before = channels
        widths: list[int] = []
        for index, (num_blocks, multiple, stride, is_fusing) in enumerate(_LAYERS, start=1):
            planes = channels * multiple
            blocks: list[nn.Module] = []
            for block in range(num_blocks):
                blocks.append(Res2Block(before, planes, stride=1 if block else stride, is_fusing=is_fusing))
                before = _EXPANSION * planes
            self.add_module(f"layer{index}", nn.Sequential(*blocks))
            widths.append(before)
        for index, joined in enumerate(_FUSED, start=1):
            down = nn.Conv2d(widths[index - 1], widths[index], 3, stride=2, padding=1, bias=False)
            self.add_module(f"layer{index}_downsample", down)
            self.add_module(f"fuse_mode{joined}", AttentionalFusion(widths[index]))
        self.stage_features: tuple[int, ...] = tuple(widths)
        self.num_features: int = widths[-1]
        self.projector_width: int = _PROJECTOR_WIDTH

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map a log-mel to features."""
        return self.stages(log_mel)[-1]

    def stages(self, log_mel: Tensor) -> list[Tensor]:
        """The first layer's map, then that of each further layer fused with the ones before it.

        Shape:
            (batch, 1, mels, frames) -> list of (batch, channels, height, width), channels as in `stage_features`.
        """
        features = self.get_submodule("layer1")(self.bn1(self.conv1(log_mel)).relu())
        fused = [features]
        for index, joined in enumerate(_FUSED, start=1):
            features = self.get_submodule(f"layer{index + 1}")(features)
            before = self.get_submodule(f"layer{index}_downsample")(fused[-1])
            fused.append(self.get_submodule(f"fuse_mode{joined}")(features, before))
        return fused


class Res2Block(nn.Module):
    """A residual block that filters two groups of channels one after the other, the second with the first's result.

    Args:
        channels: Channels of the input.
        planes: Half the channels of the output.
        stride: Stride of both axes.
        is_fusing: Whether attention joins the groups; otherwise they are added.

    Shape:
        (batch, channels, height, width) -> (batch, 2 * planes, ceil(height / stride), ceil(width / stride)).
    """

    def __init__(self, channels: int, planes: int, *, stride: int, is_fusing: bool) -> None:
        super().__init__()
        group, out = max(planes // 2, 1), _EXPANSION * planes
        self.conv1 = nn.Conv2d(channels, 2 * group, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * group)
        self.convs = nn.ModuleList(nn.Conv2d(group, group, 3, padding=1, bias=False) for _ in range(2))
        self.bns = nn.ModuleList(nn.BatchNorm2d(group) for _ in range(2))
        self.fuse_models = nn.ModuleList([AttentionalFusion(group)] if is_fusing else [])
        self.relu = nn.Hardtanh(0.0, _CLIP, inplace=True)
        self.conv3 = nn.Conv2d(2 * group, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, features: Tensor) -> Tensor:
        """One block."""
        first, second = self.relu(self.bn1(self.conv1(features))).chunk(2, dim=1)
        first = self.relu(self.bns[0](self.convs[0](first)))
        second = self.fuse_models[0](first, second) if self.fuse_models else first + second
        second = self.relu(self.bns[1](self.convs[1](second)))
        inner = self.bn3(self.conv3(torch.cat([first, second], dim=1)))
        inner += self.shortcut(features)
        result: Tensor = self.relu(inner)
        return result


class AttentionalFusion(nn.Module):
    """Join two maps, weighed against each other at each point by a small network on both.

    Shape:
        twice (batch, channels, height, width) -> the same.

    Source:
        Dai et al. 2021 (arXiv 2009.14082); Chen et al. 2023, equation 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // _SHRINK, 1)
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.SiLU(),
            nn.Conv2d(inner, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Join the maps: first * (1 + a) + second * (1 - a), with a in (-1, 1)."""
        weight = self.local_att(torch.cat([first, second], dim=1)).tanh()
        return torch.addcmul(first + second, weight, first - second)


class TemporalStatistics(Pool):
    """Mean and standard deviation over time of each channel and row. Float32 in any precision.

    The variance is the unbiased one, plus 1e-8. The published code gives NaN for a single column, which is what is left
    of 16 frames or fewer; here such a column has a variance of 0.

    Shape:
        (batch, channels, height, width) -> (batch, 2 * channels * height): all means, then all deviations.
    """

    def columns(self, features_BCHW: Tensor) -> Tensor:
        """All rows of a column. (batch, channels, height, width) -> (batch, channels * height, width), float32."""
        return features_BCHW.float().flatten(1, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Take the statistics."""
        features = features.float()
        mean = features.mean(3, keepdim=True)
        others = (torch.ones_like(features[0, 0, 0]).sum() - 1).clamp(min=1)  # no branch on a length, for the export
        variance = (features - mean).square().sum(3) / others
        # sqrt(variance + 1e-8), in a form that the ONNX exporter keeps: it takes a summand of 1e-8 for 0 and drops it.
        deviation = 1e-4 * (1e8 * variance + 1).sqrt()
        return torch.cat([mean.flatten(1), deviation.flatten(1)], dim=1)
