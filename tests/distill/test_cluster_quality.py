"""Figures of clusters: by hand for four points, by scikit-learn for many."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from sondo.distill import cluster_quality
from sondo.distill.cluster import cluster, read_clusters
from sondo.distill.cluster_quality import measure_clusters

TEACHER = "teacher.given"


def test_four_points_by_hand(vector_bank):
    bank = vector_bank([[0], [1], [10], [11]])
    (quality,) = measure_clusters(bank, teacher=TEACHER, columns=[cluster(bank, teacher=TEACHER, k=2)])
    assert quality.inertia == pytest.approx(4 * 0.5**2)
    # Silhouette: (b - a) / b, with a = 1 to the own cluster, b = 10.5 or 9.5 to the other.
    assert quality.silhouette == pytest.approx((9.5 / 10.5 + 8.5 / 9.5) / 2)
    assert quality.calinski_harabasz == pytest.approx((4 * 5**2 / 1) / (1 / 2))
    assert quality.davies_bouldin == pytest.approx((0.5 + 0.5) / 10)
    assert (quality.k, quality.num_empty, quality.smallest, quality.median_size, quality.largest) == (2, 0, 2, 2, 2)
    assert (quality.num_clips, quality.sample_clips, quality.level) == (4, 4, 1)


def test_many_vectors_as_scikit_learn_has_them(vector_bank, blobs, monkeypatch):
    monkeypatch.setattr(cluster_quality, "BATCH_CLIPS", 64)
    bank = vector_bank(blobs(5, 60, dim=3)[0])
    vectors = np.stack(bank.read([TEACHER]).column(0).to_pylist()).astype(np.float64)
    column = cluster(bank, teacher=TEACHER, k=5)
    (quality,) = measure_clusters(bank, teacher=TEACHER, columns=[column])
    clusters = read_clusters(bank, column)[:, 0]
    whole = KMeans(5, n_init=5, random_state=0).fit(vectors)  # finds the same heaps, with their means as centres
    assert quality.inertia == pytest.approx(whole.inertia_, rel=1e-6)
    assert quality.silhouette == pytest.approx(silhouette_score(vectors, clusters), abs=1e-5)
    assert quality.calinski_harabasz == pytest.approx(calinski_harabasz_score(vectors, clusters), rel=1e-4)
    assert quality.davies_bouldin == pytest.approx(davies_bouldin_score(vectors, clusters), rel=1e-4)


def test_a_large_bank_is_scored_by_a_seeded_sample(vector_bank, blobs, monkeypatch):
    bank = vector_bank(blobs(4, 100)[0] * 2)
    columns = [cluster(bank, teacher=TEACHER, k=k) for k in (4, 6)]
    whole = measure_clusters(bank, teacher=TEACHER, columns=columns)
    monkeypatch.setattr(cluster_quality, "SAMPLE_CLIPS", 80)
    sampled = measure_clusters(bank, teacher=TEACHER, columns=columns)
    assert [quality.sample_clips for quality in sampled] == [80, 80]
    assert sampled == measure_clusters(bank, teacher=TEACHER, columns=columns)
    assert sampled[0] != measure_clusters(bank, teacher=TEACHER, columns=columns, seed=1)[0]
    assert [quality.inertia for quality in sampled] == [quality.inertia for quality in whole]
    assert sampled[0].silhouette == pytest.approx(whole[0].silhouette, abs=0.05)
    assert sampled[0].silhouette > sampled[1].silhouette  # four heaps are four clusters


def test_one_cluster_has_no_scores(vector_bank, blobs):
    bank = vector_bank(blobs(2, 20)[0])
    (quality,) = measure_clusters(bank, teacher=TEACHER, columns=[cluster(bank, teacher=TEACHER, k=1)])
    assert (quality.silhouette, quality.calinski_harabasz, quality.davies_bouldin) == (None, None, None)
    assert quality.largest == 40


def test_a_hierarchy_has_figures_for_each_level(vector_bank, blobs):
    bank = vector_bank(blobs(4, 40)[0])
    column = cluster(bank, teacher=TEACHER, k=[16, 4])
    fine, coarse = measure_clusters(bank, teacher=TEACHER, columns=[column])
    assert (fine.k, fine.level, coarse.k, coarse.level) == (16, 1, 4, 2)
    assert (coarse.smallest, coarse.largest) == (40, 40)
    assert fine.inertia < coarse.inertia


def test_clusters_without_clips_are_counted(vector_bank):
    bank = vector_bank([[1, 0]] * 6 + [[0, 1]] * 2)  # two vectors can fill two clusters at most
    (quality,) = measure_clusters(bank, teacher=TEACHER, columns=[cluster(bank, teacher=TEACHER, k=4)])
    assert quality.num_empty == 2
    assert (quality.smallest, quality.median_size, quality.largest) == (2, 4, 6)
