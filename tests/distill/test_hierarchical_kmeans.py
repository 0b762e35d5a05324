"""Hierarchical k-means: a tree that holds together, and centres that density does not draw."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.cluster import KMeans

from sondo.distill import hierarchical_kmeans, kmeans
from sondo.distill.hierarchical_kmeans import fit_hierarchy, nearest_rows, work


def fit(vectors, levels, *, seed=0):
    """Clusters of each level, the finest first."""
    gone = []
    numbers, parents = fit_hierarchy(vectors.__getitem__, len(vectors), levels, seed=seed, advance=gone.append)
    found = [numbers]
    for above in parents:
        found.append(np.asarray(above)[found[-1]])
    return found, sum(gone)


@pytest.fixture
def dense_and_sparse():
    """In the plane: 6000 points in a square, 300 in one of the same size beside it."""
    generator = np.random.default_rng(0)
    dense, sparse = generator.random((6000, 2)), generator.random((300, 2)) + np.array([1, 0])
    return np.concatenate([dense, sparse]).astype(np.float32)


def share_of_dense_half(vectors, clusters):
    """Share of the clusters that lie in the dense square; each half has the same area."""
    middles = np.array([vectors[clusters == number].mean(axis=0) for number in np.unique(clusters)])
    return (middles[:, 0] < 1).mean()


@pytest.mark.slow
def test_density_draws_fewer_clusters_than_in_flat_kmeans(dense_and_sparse):
    flat = KMeans(20, n_init=3, random_state=0).fit_predict(dense_and_sparse)
    (_, coarse), _ = fit(dense_and_sparse, [200, 20])
    assert share_of_dense_half(dense_and_sparse, flat) > 0.75
    assert share_of_dense_half(dense_and_sparse, coarse) == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
def test_resampling_evens_out_one_level(dense_and_sparse, monkeypatch):
    (with_steps, _), _ = fit(dense_and_sparse, [60, 6])
    monkeypatch.setattr(hierarchical_kmeans, "RESAMPLING_STEPS", 0)
    (without, _), _ = fit(dense_and_sparse, [60, 6])
    shares = [share_of_dense_half(dense_and_sparse, clusters) for clusters in (with_steps, without)]
    assert shares[0] < shares[1] - 0.05


@pytest.mark.slow
def test_levels_have_their_numbers_and_each_cluster_one_above(dense_and_sparse):
    vectors = dense_and_sparse[::5]
    levels, gone = fit(vectors, [80, 20, 5])
    assert [len(np.unique(numbers)) for numbers in levels] == [80, 20, 5]
    for below, above in pairwise(levels):
        assert all(len(np.unique(above[below == number])) == 1 for number in np.unique(below))
    again, _ = fit(vectors, [80, 20, 5])
    other, _ = fit(vectors, [80, 20, 5], seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(levels, again, strict=True))
    assert not np.array_equal(levels[0], other[0])
    assert gone <= work(len(vectors), [80, 20, 5])


@pytest.mark.slow
def test_a_large_bank_is_read_in_parts(blobs, monkeypatch):
    monkeypatch.setattr(kmeans, "MAX_INIT_CLIPS", 120)
    monkeypatch.setattr(kmeans, "BATCH_CLIPS", 100)
    vectors, heap = blobs(4, 500)
    most = []

    def read(rows):
        most.append(len(rows))
        return vectors[rows]

    numbers, (above,) = fit_hierarchy(read, 2000, [12, 4], seed=0, advance=lambda count: None)
    assert max(most) == 120
    coarse = np.asarray(above)[numbers]
    assert all(len(np.unique(heap[coarse == number])) == 1 for number in np.unique(coarse))


def test_the_nearest_of_each_cluster():
    clusters = np.array([0, 0, 0, 2, 2, 0], np.int32)  # cluster 1 is empty
    distances = np.array([5, 1, 3, 2, 9, 4], np.float32)
    assert nearest_rows(clusters, distances, per_cluster=2).tolist() == [1, 2, 3, 4]
    assert nearest_rows(clusters, distances, per_cluster=1).tolist() == [1, 3]
