"""MobileNetV3 for log-mels, at any width, with the tensor names of the published checkpoints.

Source:
    Howard et al. 2019 (arXiv 1905.02244), table 1 (large), as adapted to audio by Schmid et al. 2023
    (arXiv 2211.04772; EfficientAT, `models/mn`) and used by S-SONDO (arXiv 2604.24933). One input channel, batch norm
    with eps 1e-3 and momentum 0.01, squeeze-and-excitation over channels with a plain sigmoid.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from sondo.errors import SondoError

# kernel, expanded channels, output channels, squeeze-and-excitation, hard swish, stride; channels at width 1.0
_BLOCKS = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
_STEM_CHANNELS, _LAST_CHANNELS, _LAST_EXPANSION, _SQUEEZE = 16, 1280, 6, 4


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round a channel count to a multiple of `divisor`, never to less than one multiple nor to less than 90 %."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class MobileNetV3(nn.Module):
    """The convolutional part of MobileNetV3, from a log-mel to a map of features.

    Args:
        width_mult: Factor on every number of channels, above 0; 1.0 has 2.97 M parameters, 0.4 has 0.52 M.

    Shape:
        (batch, 1, mels, frames) -> (batch, num_features, ceil(mels / 32), ceil(frames / 32)).

    Raises:
        SondoError: A width that is not above 0.
    """

    def __init__(self, *, width_mult: float = 1.0) -> None:
        super().__init__()
        if not 0 < width_mult <= 100:
            raise SondoError(f"width_mult is {width_mult}: the width of a student must be above 0, e.g. 0.4 or 1.0")
        channels = make_divisible(_STEM_CHANNELS * width_mult)
        ends: dict[int, int] = {}  # layer -> channels, for the last block of each width
        layers: list[nn.Module] = [_conv_norm(1, channels, kernel=3, stride=2, activation=nn.Hardswish)]
        for index, (kernel, expanded, out, squeezed, hard_swish, stride) in enumerate(_BLOCKS):
            is_last = index + 1 == len(_BLOCKS) or _BLOCKS[index + 1][2] != out
            block = InvertedResidual(
                channels,
                make_divisible(expanded * width_mult),
                make_divisible(out * width_mult),
                kernel=kernel,
                stride=stride,
                squeezed=squeezed,
                activation=nn.Hardswish if hard_swish else nn.ReLU,
            )
            layers.append(block)
            channels = make_divisible(out * width_mult)
            if is_last:
                ends[len(layers) - 1] = channels
        self.num_features: int = _LAST_EXPANSION * channels
        self.projector_width: int = make_divisible(_LAST_CHANNELS * width_mult)
        layers.append(_conv_norm(channels, self.num_features, activation=nn.Hardswish))
        self.features = nn.Sequential(*layers)
        self.stage_features: tuple[int, ...] = (*ends.values(), self.num_features)
        self._stage_ends = (*ends, len(layers) - 1)
        self.apply(_initialise)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map a log-mel to features."""
        features: Tensor = self.features(log_mel)
        return features

    def stages(self, log_mel: Tensor) -> list[Tensor]:
        """The maps at the last block of each width (16, 24, 40, 80, 112 and 160 channels at width 1.0), and the last.

        Shape:
            (batch, 1, mels, frames) -> list of (batch, channels, height, width), channels as in `stage_features`.
        """
        maps: list[Tensor] = []
        features = log_mel
        for index, layer in enumerate(self.features):
            features = layer(features)
            if index in self._stage_ends:
                maps.append(features)
        return maps


class InvertedResidual(nn.Module):
    """Widen, filter each channel on its own, weigh the channels, narrow; added to the input where the shape allows.

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
        squeezed: bool,
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.is_residual = stride == 1 and channels == out
        layers: list[nn.Module] = []
        if expanded != channels:
            layers.append(_conv_norm(channels, expanded, activation=activation))
        layers.append(
            _conv_norm(expanded, expanded, kernel=kernel, stride=stride, groups=expanded, activation=activation)
        )
        if squeezed:
            layers.append(ConcurrentSqueezeExcitation(expanded))
        layers.append(_conv_norm(expanded, out))
        self.block = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """One block."""
        result: Tensor = self.block(features)
        return result + features if self.is_residual else result


class ConcurrentSqueezeExcitation(nn.Module):
    """EfficientAT's holder of squeeze-and-excitations over several axes, with the only one in use: channels.

    It exists for the names of its tensors (`conc_se_layers.0.fc1`).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([SqueezeExcitation(channels)])

    def forward(self, features: Tensor) -> Tensor:
        """Weigh the channels."""
        result: Tensor = self.conc_se_layers[0](features)
        return result


class SqueezeExcitation(nn.Module):
    """Weigh channels by a small network on their means.

    Source:
        Hu et al. 2018 (arXiv 1709.01507). The bottleneck is a quarter of the channels, floored before it is rounded to
        a multiple of 8; the gate is a sigmoid, where MobileNetV3 itself has a hard one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        bottleneck = make_divisible(channels // _SQUEEZE)
        self.fc1 = nn.Linear(channels, bottleneck)
        self.fc2 = nn.Linear(bottleneck, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Weigh the channels."""
        gate: Tensor = self.fc2(self.fc1(features.mean((2, 3))).relu()).sigmoid()
        return features * gate[:, :, None, None]


def _conv_norm(
    channels: int,
    out: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    activation: Callable[[], nn.Module] | None = None,
) -> nn.Sequential:
    """Convolution without bias (index 0), batch norm (1), activation (2)."""
    convolution = nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    layers: list[nn.Module] = [convolution, nn.BatchNorm2d(out, eps=1e-3, momentum=0.01)]
    return nn.Sequential(*layers, *([activation()] if activation is not None else []))


def _initialise(module: nn.Module) -> None:
    """Starting values as in EfficientAT; batch norm starts at one and zero by itself."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)
