"""What a student's network offers to the read-outs and to the mapping head."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Backbone(Protocol):
    """A network from a log-mel to maps of features; an `nn.Module` besides.

    Attributes:
        num_features: Channels of the last map.
        stage_features: Channels of each stage's map, from the first to the last, `num_features`.
        projector_width: Hidden width of the mapping head that training puts behind it.
    """

    num_features: int
    stage_features: tuple[int, ...]
    projector_width: int

    def stages(self, log_mel: Tensor) -> list[Tensor]:
        """The maps where the network's resolution or width changes; the last is what `forward` returns.

        Shape:
            (batch, 1, mels, frames) -> list of (batch, channels, height, width).
        """
        ...
