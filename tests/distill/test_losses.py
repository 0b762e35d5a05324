"""Losses against hand-computed values and the reference."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sondo.distill import losses
from sondo.errors import SondoError


def test_cosine_equals_the_reference_in_value_and_gradient():
    golden = np.load(Path(__file__).parents[1] / "golden" / "cosine_loss.npz")
    student = torch.tensor(golden["student"], requires_grad=True)
    value = losses.create("cosine")(student, torch.tensor(golden["teacher"]))
    value.backward()
    assert value.item() == pytest.approx(float(golden["loss"]), abs=4e-6)
    assert np.abs(student.grad.numpy() - golden["grad"]).max() < 7e-8


def test_cosine_by_hand_for_one_clip():
    assert losses.CosineLoss()(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]])).item() == pytest.approx(0.4)


def test_cosine_is_computed_in_float32():
    student = torch.full((1, 4096), 300.0, dtype=torch.float16)
    value = losses.CosineLoss()(student, torch.ones(1, 4096))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(0.0, abs=1e-5)


def test_an_unknown_loss_names_those_that_exist():
    with pytest.raises(SondoError, match="cosine"):
        losses.create("cosin")
