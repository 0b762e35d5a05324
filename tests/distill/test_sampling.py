"""Balanced draws: weights against the reference, frequencies against their law."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from sondo.distill.sampling import EpochSampler, balanced_weights, class_balanced_weights, draw
from sondo.errors import SondoError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "sampling_and_schedule.json").read_text())


def sampler(clusters, **settings):
    clusters = np.asarray(clusters)
    frames = settings.pop("frames", np.full(len(clusters), 100, np.int32))
    return EpochSampler(balanced_weights(clusters), frames, **{"batch_size": 8, "clips_per_epoch": 64} | settings)


def test_weights_equal_the_reference():
    weights = balanced_weights(np.array(GOLDEN["cluster_labels"]))
    assert weights == pytest.approx(GOLDEN["cluster_weights"], abs=1e-8)
    assert weights.sum() == pytest.approx(1)


def test_every_cluster_is_drawn_equally_often():
    clusters = np.repeat([0, 1, 2], [900, 90, 10])
    drawn = draw(balanced_weights(clusters), 30_000, replacement=True, generator=np.random.default_rng(1))
    shares = np.bincount(clusters[drawn]) / 30_000
    assert shares == pytest.approx([1 / 3] * 3, abs=0.01)  # standard error 0.0027


def test_without_replacement_follows_successive_draws():
    # Three clips of weight 1/2, 1/3, 1/6, two drawn: P(clip 2 is left out) by enumeration.
    weights = np.array([3, 2, 1]) / 6
    left_out = (3 / 6) * (2 / 3) + (2 / 6) * (3 / 4)
    generator = np.random.default_rng(2)
    pairs = [set(draw(weights, 2, replacement=False, generator=generator).tolist()) for _ in range(6000)]
    assert all(len(pair) == 2 for pair in pairs)
    assert sum(pair == {0, 1} for pair in pairs) / 6000 == pytest.approx(left_out, abs=0.02)


def test_too_many_draws_without_replacement_is_refused():
    with pytest.raises(SondoError, match="cannot be drawn without replacement from 3"):
        draw(np.ones(3) / 3, 4, replacement=False, generator=np.random.default_rng(0))


def test_rows_of_weight_zero_are_never_drawn():
    weights = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    drawn = draw(weights, 1000, replacement=True, generator=np.random.default_rng(0))
    assert set(drawn.tolist()) == {1, 3}
    assert sorted(draw(weights, 2, replacement=False, generator=np.random.default_rng(0))) == [1, 3]
    with pytest.raises(SondoError, match="cannot be drawn without replacement from 2"):
        draw(weights, 3, replacement=False, generator=np.random.default_rng(0))


def test_an_epoch_depends_on_seed_and_epoch_alone():
    first, again = sampler([0, 1] * 50), sampler([0, 1] * 50)
    list(first)
    first.set_epoch(3)
    again.set_epoch(3)
    assert list(first) == list(again)
    again.set_epoch(4)
    assert list(first) != list(again)


def test_batches_are_full_and_of_like_length():
    frames = np.arange(1000, dtype=np.int32)
    batches = list(sampler([0] * 1000, frames=frames, clips_per_epoch=523, batch_size=8))
    assert sum(map(len, batches)) == 523
    assert {len(batch) for batch in batches} <= {8, 9}
    spread = np.mean([max(batch) - min(batch) for batch in batches])
    assert spread < 1000 / 4


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize(("world_size", "clips_per_epoch"), [(2, 64), (3, 60), (4, 64), (3, 70), (4, 51)])
def test_processes_share_the_draw_of_one(world_size, clips_per_epoch, replacement):
    settings = {"clips_per_epoch": clips_per_epoch, "replacement": replacement}
    clusters = [0, 1, 1, 2] * 20
    parts = [list(sampler(clusters, rank=rank, world_size=world_size, **settings)) for rank in range(world_size)]
    alone = list(sampler(clusters, **settings))
    assert sum(map(len, alone)) == clips_per_epoch
    for batch, *shares in zip(alone, *parts, strict=True):
        assert Counter(batch) == Counter(row for share in shares for row in share)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    if not replacement:
        assert len({row for batch in alone for row in batch}) == clips_per_epoch


@pytest.mark.parametrize(("replacement", "num_epochs"), [(True, 100), (False, 300)])
def test_each_process_follows_the_distribution_of_one(replacement, num_epochs):
    clusters = np.repeat([0, 1, 2, 3], [400, 200, 80, 40])
    counts = np.zeros((4, 4))
    for rank in range(4):
        part = sampler(clusters, rank=rank, world_size=4, clips_per_epoch=100, replacement=replacement, seed=5)
        for epoch in range(num_epochs):
            part.set_epoch(epoch)
            counts[rank] += np.bincount(clusters[[row for batch in part for row in batch]], minlength=4)
    if replacement:  # every process and all together: each cluster equally often
        assert chisquare(counts.sum(axis=0)).pvalue > 0.01
        assert all(chisquare(of_rank).pvalue > 0.001 for of_rank in counts)
    # No process gets more of one cluster than the others do, which cutting the draw into stretches would give: without
    # replacement the small clusters are used up first.
    assert chi2_contingency(counts).pvalue > 0.01


def test_a_hierarchy_is_drawn_evenly_at_each_level():
    # Coarse cluster 0 holds the fine ones 0 (two clips) and 4 (one clip), coarse 3 the fine one 1 (three clips).
    fine = [0, 0, 4, 1, 1, 1]
    coarse = [0, 0, 0, 3, 3, 3]
    weights = balanced_weights(np.stack([fine, coarse], axis=1))
    assert weights == pytest.approx([1 / 8, 1 / 8, 1 / 4, 1 / 6, 1 / 6, 1 / 6])


def test_a_walk_down_a_deeper_tree_gives_the_same_probabilities():
    generator = np.random.default_rng(0)
    fine = generator.integers(0, 12, 200)
    middle = np.array([0, 1, 2, 3, 4, 4, 4, 0, 1, 5, 5, 5])[fine]
    coarse = np.array([1, 1, 1, 0, 0, 7])[middle]
    expected = np.zeros(200)
    for top in set(coarse):
        below = set(middle[coarse == top])
        for centre in below:
            leaves = set(fine[middle == centre])
            for leaf in leaves:
                expected[fine == leaf] = 1 / len(set(coarse)) / len(below) / len(leaves) / (fine == leaf).sum()
    assert balanced_weights(np.stack([fine, middle, coarse], axis=1)) == pytest.approx(expected)
    assert balanced_weights(fine[:, None]) == pytest.approx(balanced_weights(fine))


def test_class_weights_equal_the_reference():
    labels = [[str(number) for number in of_clip] for of_clip in GOLDEN["class_labels"]]
    summed, largest = np.array(GOLDEN["class_weights_sum"]), np.array(GOLDEN["class_weights_max"])
    summed[7] /= 2  # the reference counts a class that is listed twice twice
    assert class_balanced_weights(labels) == pytest.approx(summed / summed.sum(), rel=1e-6)
    assert class_balanced_weights(labels, how="max") == pytest.approx(largest / largest.sum(), rel=1e-6)


def test_rare_classes_are_drawn_more_often_as_the_published_weights_say():
    # The published weights are 1000 / (clips of the class + 100); here they are shares of their sum.
    labels = [["dog"], ["dog", "rain"], ["rain"], ["dog"], ["cat", "cat"], []]
    dog, rain, cat = 1000 / 103, 1000 / 102, 1000 / 101
    summed = np.array([dog, dog + rain, rain, dog, cat, 0])
    largest = np.array([dog, rain, rain, dog, cat, 0])
    np.testing.assert_allclose(class_balanced_weights(labels), summed / summed.sum())
    np.testing.assert_allclose(class_balanced_weights(labels, how="max"), largest / largest.sum())
    with pytest.raises(SondoError, match="needs labels"):
        class_balanced_weights([[], []])
