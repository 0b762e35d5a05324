"""Binary cross-entropy of labels: by hand, against torch, at the edges, and mixed."""

import math

import pytest
import torch
from torch.nn import functional

from sondo.distill.augment import Mix
from sondo.distill.losses import BCELoss


def batch(size=6, classes=4):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(size, classes, generator=generator)
    labels = (torch.rand(size, classes, generator=generator) > 0.6).float()
    return logits, labels, Mix(torch.arange(size).roll(-1), 0.5 + 0.5 * torch.rand(size, generator=generator))


def test_by_hand():
    logits, labels = torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([[1.0, 0.0]])  # shares of 1/2 and 3/4
    assert BCELoss()(logits, labels).item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_mixed_clips_are_asked_for_their_mixed_labels():
    logits, labels, mix = batch()
    expected = functional.binary_cross_entropy_with_logits(logits, mix.blend(labels))
    assert BCELoss()(logits, labels, mix=mix).item() == pytest.approx(expected.item(), rel=1e-5)
    assert BCELoss()(logits, labels).item() != pytest.approx(expected.item(), rel=1e-2)


@pytest.mark.parametrize("size", [1, 6])
def test_the_gradient_is_the_share_minus_the_label(size):
    logits, labels, mix = batch(size)
    for mixed in (None, mix):
        logits = logits.detach().requires_grad_()
        BCELoss()(logits, labels, mix=mixed).backward()
        wanted = labels if mixed is None else mix.blend(labels)
        assert torch.allclose(logits.grad, (logits.sigmoid() - wanted) / logits.numel(), atol=1e-6)


def test_logits_that_are_sure_do_not_overflow_and_half_precision_is_computed_in_float32():
    value = BCELoss()(torch.tensor([[200.0, -200.0]]).half(), torch.tensor([[0.0, 1.0]]))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(200.0)
