"""Streamed k-means against k-means of everything at once."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from sondo.distill import kmeans


class Read:
    """Gives vectors by rows and remembers how many were asked for at a time."""

    def __init__(self, vectors):
        self.vectors, self.most = vectors, 0

    def __call__(self, rows):
        self.most = max(self.most, len(rows))
        return self.vectors[rows]


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(kmeans, "MAX_INIT_CLIPS", 120)
    monkeypatch.setattr(kmeans, "BATCH_CLIPS", 100)


def test_parts_give_the_clusters_of_all_vectors_at_once(blobs, small_parts):
    vectors, heap = blobs(4, 300)
    read, gone = Read(vectors), []
    centres = kmeans.fit_kmeans(read, np.arange(1200), 4, seed=0, advance=gone.append)
    labels, distances = kmeans.assign(read, 1200, centres, advance=lambda count: None)
    assert adjusted_rand_score(heap, labels) == 1
    whole = KMeans(4, n_init=3, random_state=0).fit(vectors)
    assert np.square(distances).sum() == pytest.approx(whole.inertia_, rel=0.01)
    assert sum(gone) == kmeans.num_passes(1200, 4) * 1200


@pytest.mark.parametrize("num_clips", [1200, 6000])
def test_what_is_read_at_a_time_does_not_grow_with_the_bank(blobs, small_parts, num_clips):
    read = Read(blobs(4, num_clips // 4)[0])
    centres = kmeans.fit_kmeans(read, np.arange(num_clips), 4, seed=0, advance=lambda count: None)
    kmeans.assign(read, num_clips, centres, advance=lambda count: None)
    assert read.most == 120


def test_some_rows_alone_make_the_centres(blobs, small_parts):
    vectors, heap = blobs(4, 300)
    rows = np.flatnonzero(heap == 2)
    centres = kmeans.fit_kmeans(Read(vectors), rows, 1, seed=0, advance=lambda count: None)
    np.testing.assert_allclose(centres[0], vectors[rows].mean(axis=0), atol=0.2)


def test_each_vector_goes_to_the_nearest_centre(small_parts):
    generator = np.random.default_rng(0)
    vectors, centres = generator.standard_normal((250, 3)).astype(np.float32), np.eye(3, dtype=np.float32)
    labels, distances = kmeans.assign(Read(vectors), 250, centres, advance=lambda count: None)
    by_hand = np.linalg.norm(vectors[:, None] - centres, axis=2)
    assert np.array_equal(labels, by_hand.argmin(axis=1))
    np.testing.assert_allclose(distances, by_hand.min(axis=1), rtol=1e-4)
