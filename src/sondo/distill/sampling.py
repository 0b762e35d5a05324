"""Which clips an epoch sees: drawn evenly from the clusters of the teacher's vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from sondo.errors import SondoError

POOL_BATCHES = 16


def balanced_weights(clusters: NDArray[np.integer]) -> NDArray[np.float64]:
    """Probability of each clip so that every cluster that has clips is drawn equally often.

    In a hierarchy that holds for the clusters of the coarsest level, and below each of them for its finer ones.

    Args:
        clusters: (clips,) cluster of each clip, or (clips, levels) with the finest level first.

    Returns:
        (clips,) float64, sums to 1: of a flat clustering `1 / (size of the clip's cluster)`, normalised.

    Source: S-SONDO section 2 (inverse cluster frequency); values in `tests/distill/test_sampling.py`. Hierarchies: the
    balanced sampling of Vo et al. 2024 (arXiv 2405.15613). Our deviation: they draw one subset, where other clusters
    make up for what a small one lacks; clips that can be drawn in every epoch need no such limit.
    """
    weights = np.ones(len(clusters))
    above = np.zeros(len(clusters), dtype=np.int64)
    for level in clusters.reshape(len(clusters), -1).T[::-1]:
        # Numbers of the pairs (cluster above, cluster here) that have clips, and how many each cluster above has.
        pairs, here = np.unique(above * (int(level.max()) + 1) + level, return_inverse=True)
        weights /= np.bincount(pairs // (int(level.max()) + 1))[above]
        above = here
    weights /= np.bincount(above)[above]
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def class_balanced_weights(
    labels: Sequence[Sequence[str]], *, how: Literal["sum", "max"] = "sum", offset: float = 100.0
) -> NDArray[np.float64]:
    """Probability of each clip so that rare classes are drawn more often.

    A class of n clips weighs `1 / (n + offset)`; a clip weighs the sum, or the largest, of its classes' weights.

    Args:
        labels: The classes of each clip; a class that is listed twice counts once.
        how: `sum` or `max` over a clip's classes.
        offset: Keeps a class of very few clips from filling the epoch.

    Returns:
        (clips,) float64, sums to 1; 0 for a clip without a class.

    Raises:
        SondoError: No clip has a class.

    Source: EfficientAT and the supervised baseline of S-SONDO, which multiply by 1000, do not normalise, and count a
    class that is listed twice twice in the sum.
    """
    classes = [sorted(set(of_clip)) for of_clip in labels]
    counts = Counter(name for of_clip in classes for name in of_clip)
    if not counts:
        raise SondoError(
            "class-balanced sampling needs labels: the bank has none (a manifest's labels column brings them)"
        )
    combine = sum if how == "sum" else max
    weights = np.array(
        [combine(1.0 / (counts[c] + offset) for c in of_clip) if of_clip else 0.0 for of_clip in classes]
    )
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def draw(
    weights: NDArray[np.float64], num_draws: int, *, replacement: bool, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw clips by weight; those of weight 0 are never drawn.

    Without replacement, clip `i` gets the key `E_i / w_i` with `E_i` exponential, and the smallest keys win
    (Efraimidis and Spirakis 2006), which is the same as drawing one after another.

    Raises:
        SondoError: More draws without replacement than clips that have a weight.
    """
    rows = np.flatnonzero(weights)
    if replacement:
        cumulated = np.cumsum(weights[rows])
        drawn = np.searchsorted(cumulated, generator.random(num_draws) * cumulated[-1], side="right")
        return np.asarray(rows[np.minimum(drawn, len(rows) - 1)], dtype=np.int64)
    if num_draws > len(rows):
        raise SondoError(
            f"{num_draws} clips an epoch cannot be drawn without replacement from {len(rows)}: "
            "lower --train.clips_per_epoch or set --train.replacement true"
        )
    keys = generator.exponential(size=len(rows)) / weights[rows]
    return np.asarray(rows[np.argsort(keys, kind="stable")[:num_draws]], dtype=np.int64)


class EpochSampler(Sampler[list[int]]):
    """Batches of rows for one epoch after another; the draw depends on the seed and the epoch alone.

    Clips of like length share a batch: each pool of some batches is sorted by length before it is cut, and the
    batches are shuffled. Under several processes all make the same draw and each takes its part of every batch, so that
    a step of all together sees the clips that a step of one process would.

    Args:
        weights: (rows,) probability of each row.
        frames: (rows,) log-mel frames of each row.
        batch_size: Clips per batch, over all processes.
        clips_per_epoch: Draws per epoch over all processes.
        replacement: Whether a clip can be drawn twice in an epoch.
        seed: Makes the draws.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(
        self,
        weights: NDArray[np.float64],
        frames: NDArray[np.int32],
        *,
        batch_size: int,
        clips_per_epoch: int,
        replacement: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.weights, self.frames = weights, frames
        self.batch_size, self.clips_per_epoch = batch_size, clips_per_epoch
        self.replacement, self.seed = replacement, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws; lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return max(1, self.clips_per_epoch // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        drawn = draw(self.weights, self.clips_per_epoch, replacement=self.replacement, generator=generator)
        # Batch norm wants no tail batch of a few clips, so the remainder is spread over the batches.
        batches: list[NDArray[np.int64]] = []
        pools = max(1, round(len(self) / POOL_BATCHES))
        sizes = [len(part) for part in np.array_split(np.arange(len(self)), pools)]
        cuts = np.cumsum(np.array(sizes[:-1]) * len(drawn) // len(self)).astype(int)
        for pool, size in zip(np.split(drawn, cuts), sizes, strict=True):
            order = pool[np.argsort(self.frames[pool], kind="stable")]
            batches += np.array_split(order, size)
        for index in generator.permutation(len(batches)):
            # Not a stretch of it: a batch is sorted by length, and every process should hear short and long clips.
            yield [int(row) for row in batches[index][self.rank :: self.world_size]]
