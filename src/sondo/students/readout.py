"""Read-outs: how a backbone's maps of features become one vector.

- `last`: what the architecture was published with: the mean over the last map, or ERes2Net's temporal statistics.
- `multilevel`: the means of every stage's map beside `last`, and the mean of each mel band. Early stages keep what the
  last one has thrown away for its teacher's sake (Schmid et al. 2023, arXiv 2303.01879).
- `multilevel_stats`: the same, with the standard deviation over time beside every mean.
- `multilevel_nested`: the values of `multilevel_stats`, dealt out so that the first values of the vector are a fair
  part of all levels; for vectors that are to be cut (Matryoshka).
- `stats`: mean and standard deviation over time of the last map, averaged over frequency.

Legend: B = batch, C = channels, H = height (frequency), W = width (time), M = mel bands, F = frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sondo.errors import SondoError
from sondo.students.backbone import Backbone


class Pool(nn.Module):
    """From a map to a vector, by statistics over time of what `columns` gives."""

    def columns(self, features_BCHW: Tensor) -> Tensor:
        """What the statistics are taken of: the mean over frequency. Float32 in any precision.

        Shape:
            (batch, channels, height, width) -> (batch, values, width).
        """
        return features_BCHW.float().mean(2)


class AveragePool(Pool):
    """The mean over frequency and time. Float32 in any precision.

    Shape:
        (batch, channels, height, width) -> (batch, channels).
    """

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """Average the map."""
        return features_BCHW.float().mean((2, 3))


class Statistics(Pool):
    """Mean and standard deviation over time of the map's mean over frequency. Float32 in any precision.

    The variance is the biased one, so a single column has 0; 1e-8 is added to it, for the square root's gradient.

    Shape:
        (batch, channels, height, width) -> (batch, 2 * channels).
    """

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """Take the statistics."""
        columns_BCW = self.columns(features_BCHW)
        mean_BC = columns_BCW.mean(2)
        variance_BC = (columns_BCW - mean_BC[..., None]).square().mean(2)
        # torch's ONNX exporter drops an added 1e-8 as if it were 0; this is the same number, and it stays.
        return torch.cat([mean_BC, 1e-4 * (1e8 * variance_BC + 1).sqrt()], dim=1)


class Readout(nn.Module):
    """A vector from one map alone: the last.

    Args:
        pool: Maps (batch, channels, height, width) to (batch, embedding_dim).
        embedding_dim: Values of the vector.

    Shape:
        stages as `Backbone.stages` gives them, log_mel (batch, mels, frames) -> (batch, embedding_dim).
    """

    def __init__(self, pool: nn.Module, embedding_dim: int) -> None:
        super().__init__()
        self.pool, self.embedding_dim = pool, embedding_dim

    def forward(self, stages: Sequence[Tensor], log_mel_BMF: Tensor) -> Tensor:
        """Read the last map."""
        vector: Tensor = self.pool(stages[-1])
        return vector

    def frames(self, stages: Sequence[Tensor]) -> Tensor:
        """What the pool sees of the last map, column by column.

        Shape:
            stages as `Backbone.stages` gives them -> (batch, width, values), float32.
        """
        assert isinstance(self.pool, Pool), "only a network of vectors has another"
        return self.pool.columns(stages[-1]).transpose(1, 2)


class MultiLevel(Readout):
    """The last map's vector, then the means of the earlier stages from the first on, then those of the mel bands.

    Args:
        pool: As for `Readout`.
        last_dim: Values of the last map's vector.
        stage_features: Channels of all stages, the last one included.
        num_mels: Mel bands of the front-end.
    """

    def __init__(self, pool: nn.Module, last_dim: int, *, stage_features: Sequence[int], num_mels: int) -> None:
        super().__init__(pool, last_dim + sum(stage_features[:-1]) + num_mels)

    def forward(self, stages: Sequence[Tensor], log_mel_BMF: Tensor) -> Tensor:
        """Read all maps and the log-mel."""
        means = [stage.float().mean((2, 3)) for stage in stages[:-1]]
        return torch.cat([self.pool(stages[-1]), *means, log_mel_BMF.float().mean(2)], dim=1)


class MultiLevelStats(Readout):
    """The last map's vector and deviations, then means and deviations of the earlier stages and of the mel bands.

    Deviations are over time, of the mean over frequency, as in `Statistics`.

    Args:
        pool: As for `Readout`.
        last_dim: Values of the last map's vector.
        stage_features: Channels of all stages, the last one included.
        num_mels: Mel bands of the front-end.
    """

    def __init__(self, pool: nn.Module, last_dim: int, *, stage_features: Sequence[int], num_mels: int) -> None:
        earlier = 2 * (sum(stage_features[:-1]) + num_mels)
        super().__init__(pool, last_dim + stage_features[-1] + earlier)
        self.statistics = Statistics()

    def forward(self, stages: Sequence[Tensor], log_mel_BMF: Tensor) -> Tensor:
        """Read all maps and the log-mel."""
        deviations_BC = self.statistics(stages[-1])[:, stages[-1].shape[1] :]
        earlier = [self.statistics(stage) for stage in (*stages[:-1], log_mel_BMF.unsqueeze(2))]
        return torch.cat([self.pool(stages[-1]), deviations_BC, *earlier], dim=1)


class Nested(MultiLevelStats):
    """The values of `MultiLevelStats`, each of its parts spread evenly over the vector.

    Value i of a part of n values has the place (i + 1/2) / n; the vector is in the order of these places, so that any
    prefix holds of each part about the share that the whole vector does.
    """

    order: Tensor

    def __init__(self, pool: nn.Module, last_dim: int, *, stage_features: Sequence[int], num_mels: int) -> None:
        super().__init__(pool, last_dim, stage_features=stage_features, num_mels=num_mels)
        earlier = [features for features in (*stage_features[:-1], num_mels) for _ in range(2)]
        parts = [last_dim, stage_features[-1], *earlier]
        places = torch.cat([(torch.arange(part, dtype=torch.float64) + 0.5) / part for part in parts])
        self.register_buffer("order", torch.argsort(places, stable=True), persistent=False)

    def forward(self, stages: Sequence[Tensor], log_mel_BMF: Tensor) -> Tensor:
        """Read all maps and the log-mel, and deal the values out."""
        return super().forward(stages, log_mel_BMF)[:, self.order]


def _last(backbone: Backbone, pool: nn.Module, pool_dim: int, num_mels: int) -> Readout:
    return Readout(pool, pool_dim)


def _multilevel(backbone: Backbone, pool: nn.Module, pool_dim: int, num_mels: int) -> Readout:
    return MultiLevel(pool, pool_dim, stage_features=backbone.stage_features, num_mels=num_mels)


def _multilevel_stats(backbone: Backbone, pool: nn.Module, pool_dim: int, num_mels: int) -> Readout:
    return MultiLevelStats(pool, pool_dim, stage_features=backbone.stage_features, num_mels=num_mels)


def _nested(backbone: Backbone, pool: nn.Module, pool_dim: int, num_mels: int) -> Readout:
    return Nested(pool, pool_dim, stage_features=backbone.stage_features, num_mels=num_mels)


def _stats(backbone: Backbone, pool: nn.Module, pool_dim: int, num_mels: int) -> Readout:
    return Readout(Statistics(), 2 * backbone.num_features)


READOUTS: dict[str, Callable[[Backbone, nn.Module, int, int], Readout]] = {
    "last": _last,
    "multilevel": _multilevel,
    "multilevel_stats": _multilevel_stats,
    "multilevel_nested": _nested,
    "stats": _stats,
}


def make_readout(
    name: str, backbone: Backbone, *, num_mels: int, pool: nn.Module | None = None, pool_dim: int | None = None
) -> Readout:
    """Make a read-out for a backbone.

    Args:
        name: `last`, `multilevel`, `multilevel_stats`, `multilevel_nested` or `stats`.
        backbone: The network that it reads.
        num_mels: Mel bands of the front-end.
        pool: What the architecture reads its last map with; the mean when left out.
        pool_dim: Values that `pool` gives; `backbone.num_features` when left out.

    Raises:
        SondoError: No such read-out, or one that a network without stages does not have.
    """
    if name not in READOUTS:
        raise SondoError(f"no read-out is called {name!r}: there is {', '.join(READOUTS)}")
    if name != "last" and not backbone.stage_features:
        raise SondoError(f"this student gives vectors, not maps, so it has no read-out {name!r}: leave it at 'last'")
    return READOUTS[name](backbone, pool or AveragePool(), pool_dim or backbone.num_features, num_mels)
