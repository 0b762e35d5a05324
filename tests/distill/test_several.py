"""Losses of several teachers: the mean, and the hardest teacher of each clip."""

import pytest
import torch

from sondo.distill.several import combine_losses

EASY = torch.tensor([0.1, 0.2, 0.9])
HARD = torch.tensor([0.5, 0.1, 0.3])


def test_without_dropping_it_is_the_mean():
    assert float(combine_losses([EASY, HARD])) == pytest.approx(0.35)
    assert float(combine_losses([torch.tensor(0.2), torch.tensor(0.4)])) == pytest.approx(0.3)


def test_full_dropping_leaves_each_clip_its_hardest_teacher():
    assert float(combine_losses([EASY, HARD], drop_probability=1.0)) == pytest.approx((0.5 + 0.2 + 0.9) / 3)


def test_half_dropping_lies_between_and_reaches_every_hardest_teacher():
    torch.manual_seed(0)
    values = [EASY.clone().requires_grad_(), HARD.clone().requires_grad_()]
    found = [float(combine_losses([EASY, HARD], drop_probability=0.5)) for _ in range(2000)]
    assert min(found) == pytest.approx(0.35)
    assert max(found) == pytest.approx(1.6 / 3)
    # Each of three clips keeps its easy teacher with 1/2: the mean over the 8 equally likely cases, by hand.
    cases = [(1.6 + 0.1 * a + 0.1 * b + 0.3 * c) / (3 + a + b + c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    assert sum(found) / len(found) == pytest.approx(sum(cases) / 8, abs=0.005)
    combine_losses(values, drop_probability=0.5).backward()
    assert values[1].grad[0] > 0
    assert values[0].grad[1] > 0
    assert values[0].grad[2] > 0


def test_one_teacher_is_never_dropped():
    assert float(combine_losses([EASY], drop_probability=1.0)) == pytest.approx(0.4)
