"""How a backbone's map of features becomes one vector."""

from __future__ import annotations

from torch import Tensor, nn


class AveragePool(nn.Module):
    """The mean over frequency and time of the last map of features: the published read-out. Float32 in any precision.

    Shape:
        (batch, num_features, height, width) -> (batch, num_features).
    """

    def forward(self, features: Tensor) -> Tensor:
        """Average the map."""
        return features.float().mean((2, 3))
