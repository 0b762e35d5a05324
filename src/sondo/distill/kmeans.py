"""Mini-batch k-means over vectors that are read in parts: the bank's, or the centres of a finer clustering."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin_min

INIT_CLIPS_PER_CLUSTER = 100
MAX_INIT_CLIPS = 10_000
BATCH_CLIPS = 4096
MIN_STEPS = 20

Take: TypeAlias = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Gives the vectors of some rows, (rows, dim) float32."""

Advance: TypeAlias = Callable[[float], None]
"""Hears how many vectors were gone through."""


def fit_kmeans(take: Take, rows: NDArray[np.int64], k: int, *, seed: int, advance: Advance) -> NDArray[np.float32]:
    """Find the centres of k clusters.

    k-means++ centres come from a random sample, and `partial_fit` refines them over all rows in a random order; no more
    than the sample or one batch is in memory, whatever the number of rows.

    Args:
        take: Gives the vectors.
        rows: The rows to cluster, at least k.
        k: Number of clusters.
        seed: Of the sample, the order and the centres.
        advance: Hears of `num_passes` times the rows.

    Returns:
        (k, dim) centres.

    Source: S-SONDO section 2 (MiniBatchKMeans); Sculley, "Web-scale k-means clustering", WWW 2010.
    """
    generator = np.random.default_rng(seed)
    sample = np.sort(generator.choice(len(rows), size=_init_clips(len(rows), k), replace=False))
    batch = _batch_clips(len(rows), k)
    model = MiniBatchKMeans(k, random_state=seed, batch_size=batch, init_size=len(sample), n_init=3)
    model.fit(take(rows[sample]))
    for _ in range(num_passes(len(rows), k)):
        order = generator.permutation(len(rows))
        for first in range(0, len(rows) - len(rows) % batch, batch):
            model.partial_fit(take(rows[np.sort(order[first : first + batch])]))
            advance(batch)
        advance(len(rows) % batch)
    return np.asarray(model.cluster_centers_, dtype=np.float32)


def assign(
    take: Take, num_rows: int, centres: NDArray[np.float32], *, advance: Advance
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The nearest centre of every row.

    Returns:
        (rows,) number of the centre, and (rows,) Euclidean distance to it.
    """
    labels, distances = np.empty(num_rows, np.int32), np.empty(num_rows, np.float32)
    for first in range(0, num_rows, BATCH_CLIPS):
        part = slice(first, min(first + BATCH_CLIPS, num_rows))
        labels[part], distances[part] = pairwise_distances_argmin_min(take(np.arange(part.start, part.stop)), centres)
        advance(part.stop - part.start)
    return labels, distances


def num_passes(num_rows: int, k: int) -> int:
    """How often `fit_kmeans` goes over all rows after its sample; 0 where the sample is all of them."""
    if _init_clips(num_rows, k) == num_rows:
        return 0
    return max(1, -(-MIN_STEPS * _batch_clips(num_rows, k) // num_rows))


def _init_clips(num_rows: int, k: int) -> int:
    # Three vectors a cluster are the fewest that scikit-learn starts from by itself.
    return min(num_rows, max(3 * k, min(INIT_CLIPS_PER_CLUSTER * k, MAX_INIT_CLIPS)))


def _batch_clips(num_rows: int, k: int) -> int:
    return max(k, min(BATCH_CLIPS, num_rows))
