"""DyMN for log-mels, at any width, with the tensor names of the published checkpoints.

Source:
    Schmid et al. 2023 (arXiv 2310.15648; EfficientAT, `models/dymn`), with dynamic blocks throughout, as used by
    S-SONDO (arXiv 2604.24933). Widths, kernels and strides are MobileNetV3's.
"""

from __future__ import annotations

from torch import Tensor, nn

from sondo.errors import SondoError
from sondo.students.dymn_blocks import DynamicBlock
from sondo.students.mobilenetv3 import (
    _BLOCKS,
    _LAST_CHANNELS,
    _LAST_EXPANSION,
    _STEM_CHANNELS,
    _conv_norm,
    _initialise,
    make_divisible,
)

EVEN_TEMPERATURE = 30.0
"""Softmax temperature that mixes the kernels almost evenly: what the published distillation trains with (S-SONDO,
`pretrain_final_temp` in config.py), and what training from nothing takes here."""


class DyMN(nn.Module):
    """The convolutional part of DyMN, from a log-mel to a map of features.

    Args:
        width_mult: Factor on every number of channels, above 0; 1.0 has 8.64 M parameters, 0.4 has 1.49 M.
        temperature: Softmax temperature of the dynamic convolutions, above 0. EfficientAT's checkpoints of AudioSet
            want 1, those of S-SONDO what their config says; training from nothing takes `EVEN_TEMPERATURE`.

    Shape:
        (batch, 1, mels, frames) -> (batch, num_features, ceil(mels / 32), ceil(frames / 32)).

    Raises:
        SondoError: A width or a temperature that is not above 0.
    """

    def __init__(self, *, width_mult: float = 1.0, temperature: float = 1.0) -> None:
        super().__init__()
        if not 0 < width_mult <= 100:
            raise SondoError(f"width_mult is {width_mult}: the width of a student must be above 0, e.g. 0.4 or 1.0")
        if not 0 < temperature < float("inf"):
            raise SondoError(f"temperature is {temperature}: that of a softmax must be above 0, e.g. 1 or 30")
        channels = make_divisible(_STEM_CHANNELS * width_mult)
        self.in_c = _conv_norm(1, channels, kernel=3, stride=2, activation=nn.Hardswish)
        self.layers = nn.ModuleList()
        ends: dict[int, int] = {}  # layer -> channels, for the last block of each width
        for index, (kernel, expanded, out, _, hard_swish, stride) in enumerate(_BLOCKS):
            block = DynamicBlock(
                channels,
                make_divisible(expanded * width_mult),
                make_divisible(out * width_mult),
                kernel=kernel,
                stride=stride,
                activation=nn.Hardswish if hard_swish else nn.ReLU,
                width_mult=width_mult,
                temperature=temperature,
            )
            self.layers.append(block)
            channels = make_divisible(out * width_mult)
            if index + 1 == len(_BLOCKS) or _BLOCKS[index + 1][2] != out:
                ends[index] = channels
        self.num_features: int = _LAST_EXPANSION * channels
        self.projector_width: int = make_divisible(_LAST_CHANNELS * width_mult)
        self.out_c = _conv_norm(channels, self.num_features, activation=nn.Hardswish)
        self.stage_features: tuple[int, ...] = (*ends.values(), self.num_features)
        self._stage_ends = tuple(ends)
        self.apply(_initialise)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map a log-mel to features."""
        return self.stages(log_mel)[-1]

    def stages(self, log_mel: Tensor) -> list[Tensor]:
        """The maps at the last block of each width (16, 24, 40, 80, 112 and 160 channels at width 1.0), and the last.

        Shape:
            (batch, 1, mels, frames) -> list of (batch, channels, height, width), channels as in `stage_features`.
        """
        maps: list[Tensor] = []
        features = self.in_c(log_mel)
        for index, block in enumerate(self.layers):
            features = block(features)
            if index in self._stage_ends:
                maps.append(features)
        return [*maps, self.out_c(features)]
