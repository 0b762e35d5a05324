"""What is asked of an embedding: the sum of labels and teachers, and who hears of the mixing."""

import pytest
import torch
from torch import nn

from sondo.distill.augment import Mix
from sondo.distill.data import Batch
from sondo.distill.losses import BCELoss, CosineLoss, QueueKLLoss
from sondo.distill.objective import Objective

MIX = Mix(torch.tensor([1, 0, 3, 2]), torch.tensor([0.6, 0.7, 0.8, 0.9]))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    targets = (torch.randn(4, 3, generator=generator), torch.randn(4, 3, generator=generator))
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    return Batch(torch.zeros(4, 1, 1), targets, torch.arange(4), labels=labels, mix=MIX)


@pytest.fixture
def embedding():
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


def make(num_teachers=2, loss=CosineLoss, **options):
    heads = [nn.Identity() for _ in range(num_teachers)]
    return Objective(heads, [loss() for _ in heads], names=[f"t{index}" for index in range(num_teachers)], **options)


def test_labels_and_teachers_are_weighed(batch, embedding):
    classifier = nn.Linear(3, 2)
    total, parts = make(classifier=classifier, supervised=0.25)(embedding, batch)
    cosines = [CosineLoss()(embedding, target, mix=MIX) for target in batch.targets]
    told = BCELoss()(classifier(embedding), batch.labels, mix=MIX)
    assert total.item() == pytest.approx((0.25 * told + 0.75 * (cosines[0] + cosines[1]) / 2).item())
    assert {name: value.item() for name, value in parts.items()} == pytest.approx(
        {
            "t0": cosines[0].item(),
            "t1": cosines[1].item(),
            "distillation": (sum(cosines) / 2).item(),
            "labels": told.item(),
        }
    )


def test_labels_alone_need_no_teacher(batch, embedding):
    classifier = nn.Linear(3, 2)
    total, parts = make(0, classifier=classifier, supervised=1.0)(embedding, batch._replace(targets=()))
    assert total.item() == pytest.approx(BCELoss()(classifier(embedding), batch.labels, mix=MIX).item())
    assert parts == {}


def test_a_teacher_that_heard_the_mix_is_not_mixed_again(batch, embedding):
    _, parts = make(online=[True, False])(embedding, batch)
    assert parts["t0"].item() == pytest.approx(CosineLoss()(embedding, batch.targets[0]).item())
    assert parts["t1"].item() == pytest.approx(CosineLoss()(embedding, batch.targets[1], mix=MIX).item())


def test_dropping_leaves_each_mixed_clip_its_hardest_teacher_in_training_alone(batch, embedding):
    each = torch.stack([CosineLoss().of_each_clip(embedding, target, mix=MIX) for target in batch.targets])
    objective = make(teacher_dropping=1.0)
    assert objective(embedding, batch)[0].item() == pytest.approx(each.max(0).values.mean().item())
    assert objective.eval()(embedding, batch)[0].item() == pytest.approx(each.mean().item())


def test_dropping_teachers_fills_their_queues(batch, embedding):
    objective = make(teacher_dropping=0.5, loss=lambda: QueueKLLoss(3, size=8))
    objective(embedding, batch)
    assert [int(loss.num_seen) for loss in objective.losses] == [4, 4]


def test_prefixes_are_asked_for_labels_too(batch, embedding):
    classifier = nn.Linear(3, 2)
    total, _ = make(0, classifier=classifier, supervised=1.0, matryoshka=[1, 3])(embedding, batch._replace(targets=()))
    cut = embedding * torch.tensor([1.0, 0.0, 0.0])
    each = [BCELoss()(classifier(vectors), batch.labels, mix=MIX).item() for vectors in (cut, embedding)]
    assert total.item() == pytest.approx(sum(each) / 2)
