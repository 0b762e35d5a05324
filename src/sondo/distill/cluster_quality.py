"""How good clusters are: sizes and inertia over the whole bank, scores of scikit-learn on a sample of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.metrics import (
    calinski_harabasz_score,
    davies_bouldin_score,
    pairwise_distances,
    silhouette_score,
)

from sondo.bank import Bank
from sondo.distill.cluster import bank_vectors, read_clusters
from sondo.distill.kmeans import BATCH_CLIPS
from sondo.screen import track

SAMPLE_CLIPS = 5000


@dataclass(frozen=True, kw_only=True)
class ClusterQuality:
    """Figures of one clustering, or of one level of a hierarchy.

    Args:
        column: The bank's column.
        level: Level in the hierarchy, 1 is the finest; 1 for flat clusters.
        k: Number of clusters asked for.
        num_clips: Clips that were clustered.
        num_empty: Clusters without a clip.
        smallest: Clips in the smallest cluster that has any.
        median_size: Median size of the clusters that have clips.
        largest: Clips in the largest cluster.
        inertia: Sum over all clips of the squared Euclidean distance to the mean of their cluster.
        sample_clips: Clips that the scores below were computed from.
        silhouette: Mean silhouette by Euclidean distance, from -1 to 1, higher is better.
        calinski_harabasz: Variance ratio, higher is better.
        davies_bouldin: Mean likeness of each cluster to its nearest, lower is better.

    The scores are None where the sample has one cluster alone, or no two clips of one cluster.
    """

    column: str
    level: int
    k: int
    num_clips: int
    num_empty: int
    smallest: int
    median_size: float
    largest: int
    inertia: float
    sample_clips: int
    silhouette: float | None
    calinski_harabasz: float | None
    davies_bouldin: float | None


def sample_rows(num_clips: int, most: int, *, seed: int) -> NDArray[np.int64]:
    """Rows of an even random sample, in ascending order; all rows where they are no more than `most`."""
    return np.sort(np.random.default_rng(seed).choice(num_clips, size=min(num_clips, most), replace=False))


def measure_clusters(bank: Bank, *, teacher: str, columns: Sequence[str], seed: int = 0) -> list[ClusterQuality]:
    """Measure clusterings of a teacher's vectors.

    The vectors are read once in parts for the inertia of all clusterings, and those of the sample once for the scores.

    Args:
        bank: The bank.
        teacher: The teacher's column.
        columns: The cluster columns, made from that teacher.
        seed: Of the sample, which has `SAMPLE_CLIPS` clips at most.

    Returns:
        One for each clustering, and for each level of a hierarchy, the finest first.

    Raises:
        SondoError: A column that is absent or stale.
    """
    named = [(column, read_clusters(bank, column)) for column in columns]
    levels = [(column, level, numbers) for column, all_levels in named for level, numbers in enumerate(all_levels.T)]
    ks = [_num_clusters(bank, column)[level] for column, level, _ in levels]
    numbers = [numbers for _, _, numbers in levels]
    inertias = _inertias(bank, teacher, numbers, ks)
    rows = sample_rows(len(bank), SAMPLE_CLIPS, seed=seed)
    vectors = bank_vectors(bank, teacher, rows)
    distances = pairwise_distances(vectors)
    measured = []
    for (column, level, clusters), k, inertia in zip(levels, ks, inertias, strict=True):
        sizes = np.bincount(clusters, minlength=k)
        filled = sizes[sizes > 0]
        silhouette, calinski_harabasz, davies_bouldin = _scores(vectors, distances, clusters[rows])
        measured.append(
            ClusterQuality(
                column=column,
                level=level + 1,
                k=k,
                num_clips=len(clusters),
                num_empty=int((sizes == 0).sum()),
                smallest=int(filled.min()),
                median_size=float(np.median(filled)),
                largest=int(filled.max()),
                inertia=inertia,
                sample_clips=len(rows),
                silhouette=silhouette,
                calinski_harabasz=calinski_harabasz,
                davies_bouldin=davies_bouldin,
            )
        )
    return measured


def _num_clusters(bank: Bank, column: str) -> list[int]:
    k = (bank.origin(column) or {})["k"]
    return [k] if isinstance(k, int) else k


def _inertias(bank: Bank, teacher: str, clusterings: list[NDArray[np.int64]], ks: list[int]) -> list[float]:
    """Within-cluster sums of squares, by `sum |x|^2 - sum over clusters of |sum x|^2 / size` in float64."""
    squares = 0.0
    sums: list[NDArray[np.float64]] = []
    num_clips = len(bank)
    with track("inertia", total=num_clips) as line:
        for first in range(0, num_clips, BATCH_CLIPS):
            rows = np.arange(first, min(first + BATCH_CLIPS, num_clips))
            vectors = bank_vectors(bank, teacher, rows).astype(np.float64)
            squares += float(np.square(vectors).sum())
            sums = sums or [np.zeros((k, vectors.shape[1])) for k in ks]
            for total, clusters, k in zip(sums, clusterings, ks, strict=True):
                # Row c of this matrix picks the vectors of cluster c.
                picks = csr_matrix((np.ones(len(rows)), (clusters[rows], np.arange(len(rows)))), shape=(k, len(rows)))
                total += picks @ vectors
            line.advance(len(rows))
    sizes = [np.maximum(np.bincount(clusters, minlength=k), 1) for clusters, k in zip(clusterings, ks, strict=True)]
    return [squares - float((np.square(s).sum(axis=1) / n).sum()) for s, n in zip(sums, sizes, strict=True)]


def _scores(
    vectors: NDArray[np.float32], distances: NDArray[np.float32], clusters: NDArray[np.int64]
) -> tuple[float | None, float | None, float | None]:
    if not 2 <= len(np.unique(clusters)) < len(clusters):
        return None, None, None
    return (
        float(silhouette_score(distances, clusters, metric="precomputed")),
        float(calinski_harabasz_score(vectors, clusters)),
        float(davies_bouldin_score(vectors, clusters)),
    )
