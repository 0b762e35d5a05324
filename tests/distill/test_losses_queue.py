"""The losses with a memory, and the one over prefixes."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from sondo.distill import losses
from sondo.distill.augment import Mix
from sondo.errors import SondoError


def vectors(count: int, seed: int, dim: int = 4) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def by_hand(student, teacher, classes, temperature=0.07):
    """The divergence in float64 numpy."""
    student, teacher, classes = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (student, teacher, classes))
    p, q = (np.exp(x @ classes.T / temperature) for x in (teacher, student))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    return (p * np.log(p / q)).sum(1).mean()


def test_queue_kl_takes_its_own_batch_in_first_and_forgets_the_oldest():
    loss = losses.QueueKLLoss(4, size=8)
    batches = [(vectors(3, 2 * n), vectors(3, 2 * n + 1)) for n in range(4)]
    seen = np.zeros((0, 4))
    for student, teacher in batches:
        seen = np.concatenate([seen, teacher.double().numpy()])[-8:]
        value = loss(student, teacher).item()
        assert value == pytest.approx(by_hand(student.double().numpy(), teacher.double().numpy(), seen), rel=1e-4)


def test_asked_for_each_clip_it_takes_its_batch_in_as_well():
    whole, by_clip = losses.QueueKLLoss(4, size=8), losses.QueueKLLoss(4, size=8)
    for n in range(3):
        student, teacher = vectors(3, 2 * n), vectors(3, 2 * n + 1)
        assert by_clip.of_each_clip(student, teacher).mean().item() == pytest.approx(whole(student, teacher).item())
    assert by_clip.num_seen == 9


def test_a_batch_larger_than_the_queue_leaves_its_last_vectors():
    loss = losses.QueueKLLoss(4, size=3)
    loss(vectors(2, 0), vectors(2, 1))
    loss(vectors(7, 2), vectors(7, 3))
    unit = functional.normalize(vectors(7, 3), dim=1)
    assert {tuple(row) for row in loss.queue_KD.tolist()} == {tuple(row) for row in unit[-3:].tolist()}
    loss(vectors(1, 4), vectors(1, 5))
    left = torch.cat([unit[-2:], functional.normalize(vectors(1, 5), dim=1)])
    assert {tuple(row) for row in loss.queue_KD.tolist()} == {tuple(row) for row in left.tolist()}


def test_validation_leaves_the_queue_alone_and_works_before_training():
    loss = losses.QueueKLLoss(4, size=8).eval()
    student, teacher = vectors(3, 0), vectors(3, 1)
    expected = by_hand(student.double().numpy(), teacher.double().numpy(), teacher.double().numpy())
    assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-4)
    assert loss.num_seen == 0
    assert (loss.queue_KD == 0).all()


def test_a_resumed_run_repeats():
    first = losses.QueueKLLoss(4, size=5)
    for n in range(3):
        first(vectors(2, n), vectors(2, 10 + n))
    resumed = losses.QueueKLLoss(4, size=5)
    resumed.load_state_dict({key: tensor.clone() for key, tensor in first.state_dict().items()})
    for n in range(3, 6):
        assert torch.equal(first(vectors(2, n), vectors(2, 10 + n)), resumed(vectors(2, n), vectors(2, 10 + n)))


def test_clips_that_come_again_change_nothing_but_the_size_of_the_queue():
    once, twice = losses.QueueKLLoss(4, size=64), losses.QueueKLLoss(4, size=64)
    student, teacher = vectors(5, 0), vectors(5, 1)
    twice(student, teacher)
    assert twice(student, teacher).item() == pytest.approx(once(student, teacher).item(), rel=1e-5)


def test_prefixes_keep_their_values_and_are_zero_behind():
    embedding = vectors(2, 0, dim=6)
    short, whole = losses.prefix_embeddings(embedding, [2, 6])
    assert torch.equal(short, torch.cat([embedding[:, :2], torch.zeros(2, 4)], dim=1))
    assert torch.equal(whole, embedding)


def test_a_prefix_passes_a_shared_layer_as_its_own_smaller_layer_would():
    embedding, layer = vectors(2, 0, dim=6), torch.nn.Linear(6, 3)
    (short,) = losses.prefix_embeddings(embedding, [2])
    own = embedding[:, :2] @ layer.weight[:, :2].T + layer.bias
    assert torch.allclose(layer(short), own, atol=1e-6)


@pytest.mark.parametrize("dims", [[], [0], [3, 7], [-1]])
def test_prefixes_that_do_not_fit_are_refused(dims):
    with pytest.raises(SondoError, match="6 values"):
        losses.prefix_embeddings(vectors(2, 0, dim=6), dims)


def test_matryoshka_is_the_mean_and_remembers_a_batch_once():
    student, other, teacher = vectors(3, 0), vectors(3, 1), vectors(3, 2)
    loss = losses.Matryoshka(losses.QueueKLLoss(4, size=8))
    value = loss([student, other], teacher)
    assert loss.loss.num_seen == 3
    assert loss.loss.training
    single = losses.QueueKLLoss(4, size=8)
    expected = (single(student, teacher) + single.eval()(other, teacher)) / 2
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_spread_out_is_nothing_for_vectors_that_are_evenly_spread():
    corners = torch.eye(4)
    assert losses.SpreadOutLoss()(torch.cat([corners, -corners]), corners).item() == pytest.approx(
        (-1 / 7) ** 2 + max(0.0, 1 / 7 - 1 / 4)
    )
    assert losses.SpreadOutLoss()(torch.ones(3, 4), corners).item() == pytest.approx(1 + 1 - 1 / 4)


def test_pairwise_similarity_does_not_see_a_rotation():
    teacher = vectors(6, 0)
    turn, _ = torch.linalg.qr(vectors(4, 1))
    assert losses.PairwiseSimilarityLoss()(3 * teacher @ turn, teacher).item() == pytest.approx(0, abs=1e-10)
    assert math.isclose(losses.PairwiseSimilarityLoss()(-teacher, teacher).item(), 0, abs_tol=1e-10)


def test_pairwise_similarity_mixes_directions_whatever_their_lengths():
    student, teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[5.0, 0.0], [0.0, 1.0]])
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))  # the first target points to (3, 1)
    assert losses.PairwiseSimilarityLoss()(student, teacher, mix=mix).item() == pytest.approx(1 / 10)
