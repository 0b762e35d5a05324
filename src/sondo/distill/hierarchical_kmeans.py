"""Hierarchical k-means: the centres of one clustering are clustered again, so that dense regions do not take most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from sondo.distill.kmeans import Advance, Take, assign, fit_kmeans, num_passes

RESAMPLING_STEPS = 10
LLOYD_STEPS = 50


def fit_hierarchy(
    take: Take, num_rows: int, levels: Sequence[int], *, seed: int, advance: Advance
) -> tuple[NDArray[np.int32], list[list[int]]]:
    """Cluster vectors, then the centres of these clusters, and so on.

    At each level the centres are found again, ten times over, from the vectors nearest to each centre alone, half as
    many for each as a cluster has on average. That evens out the density, and the centres spread over the space where
    plain k-means crowds them into its densest parts.

    Args:
        take: Gives the vectors.
        num_rows: Number of vectors.
        levels: Number of clusters at each level, the finest first.
        seed: Of everything random.
        advance: Hears of about `work` vectors.

    Returns:
        (rows,) cluster at the finest level; and for each further level, the cluster there that each cluster of the
        level below belongs to.

    Source: Vo et al. 2024 (arXiv 2405.15613), hierarchical k-means with resampling; steps and share of vectors as in
        the published settings of facebookresearch/ssl-data-curation (7a48ee3). Our deviation: mini-batch k-means, as
        for the flat clusters, where the vectors are too many to be in memory.
    """
    lowest: NDArray[np.int32] | None = None
    parents: list[list[int]] = []
    for level, k in enumerate(levels):
        seeds = np.random.default_rng([seed, level]).integers(2**31, size=RESAMPLING_STEPS + 1)
        numbers, centres = _fit_level(take, num_rows, k, seeds=seeds, advance=advance)
        if lowest is None:
            lowest = numbers
        else:
            parents.append(numbers.tolist())
        take, num_rows = centres.__getitem__, k
    assert lowest is not None, "a hierarchy of no levels"
    return lowest, parents


def work(num_rows: int, levels: Sequence[int]) -> int:
    """About how many vectors `fit_hierarchy` goes through, for the time left on the screen."""
    total = 0
    for k in levels:
        nearest = min(num_rows, k * _per_cluster(num_rows, k))
        steps = RESAMPLING_STEPS if _per_cluster(num_rows, k) > 1 else 0
        total += num_rows * (num_passes(num_rows, k) + 1) + steps * (num_rows + nearest * num_passes(nearest, k))
        num_rows = k
    return total


def nearest_rows(clusters: NDArray[np.int32], distances: NDArray[np.float32], *, per_cluster: int) -> NDArray[np.int64]:
    """The rows nearest to their own centre: up to `per_cluster` of each cluster, in ascending order."""
    order = np.lexsort((distances, clusters))
    sizes = np.bincount(clusters)
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(order)) - starts[clusters[order]]
    return np.asarray(np.sort(order[rank < per_cluster]), dtype=np.int64)


def _fit_level(
    take: Take, num_rows: int, k: int, *, seeds: NDArray[np.int64], advance: Advance
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    centres = _centres(take, np.arange(num_rows), k, seed=int(seeds[0]), advance=advance)
    numbers, distances = assign(take, num_rows, centres, advance=advance)
    per_cluster = _per_cluster(num_rows, k)
    if per_cluster == 1:  # one vector of each cluster says no more than its centre
        return numbers, centres
    for seed in seeds[1:]:
        rows = nearest_rows(numbers, distances, per_cluster=per_cluster)
        if len(rows) < k:  # so many clusters are empty that their vectors are too few for k centres
            break
        centres = _centres(take, rows, k, seed=int(seed), advance=advance)
        numbers, distances = assign(take, num_rows, centres, advance=advance)
    return numbers, centres


def _centres(take: Take, rows: NDArray[np.int64], k: int, *, seed: int, advance: Advance) -> NDArray[np.float32]:
    if num_passes(len(rows), k):
        return fit_kmeans(take, rows, k, seed=seed, advance=advance)
    model = KMeans(k, n_init=1, max_iter=LLOYD_STEPS, random_state=seed).fit(take(rows))
    return np.asarray(model.cluster_centers_, dtype=np.float32)


def _per_cluster(num_rows: int, k: int) -> int:
    return max(1, num_rows // (2 * k))
