"""Heads as arrays, by hand."""

import numpy as np
import pytest

from sondo.classifier import Head
from sondo.errors import SondoError

LINEAR = {
    "mean": np.array([1.0, 2.0]),
    "scale": np.array([2.0, 1.0]),
    "layers": ((np.array([[1.0, 0.0], [0.0, -1.0]]), np.array([0.0, 0.5])),),
    "classes": ("a", "b"),
}


def test_a_linear_head_standardises_first():
    head = Head(**LINEAR)
    # (3 - 1) / 2 = 1 and (2 - 2) / 1 = 0: the logits are 1 and 0.5
    assert head.logits(np.array([[3.0, 2.0]]))[0].tolist() == [1.0, 0.5]
    odds = np.exp([1.0, 0.5])
    assert head.probabilities(np.array([[3.0, 2.0]]))[0] == pytest.approx(odds / odds.sum())
    assert (head.kind, head.embedding_dim) == ("linear", 2)


def test_two_layers_have_a_relu_between_them():
    first, second = (np.eye(2), np.array([0.0, -5.0])), (np.array([[2.0, 1.0], [7.0, 7.0]]), np.array([0.0, 1.0]))
    head = Head(**LINEAR | {"layers": (first, second)})
    # standardised (1, 0), behind the first layer (1, -5), behind the ReLU (1, 0)
    assert head.logits(np.array([[3.0, 2.0]]))[0].tolist() == [2.0, 2.0]
    assert head.kind == "mlp"


def test_several_labels_are_asked_one_by_one_and_nothing_overflows():
    head = Head(**LINEAR | {"multi_label": True})
    expected = [1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(-0.5))]
    assert head.probabilities(np.array([[3.0, 2.0]]))[0] == pytest.approx(expected)
    with np.errstate(over="raise"):
        assert head.probabilities(np.array([[1e6, 1e6]]))[0].tolist() == [1.0, 0.0]
        assert Head(**LINEAR).probabilities(np.array([[1e6, 1e6]]))[0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("a",)}, "1 class names for a head of 2"),
        ({"classes": ("a", "a")}, "'a' is there more than once"),
        ({"classes": ("a", "")}, "a name is empty"),
        ({"scale": np.array([np.nan, 1.0])}, "NaN or infinity"),
        ({"layers": ((np.zeros((3, 2)), np.zeros(2)),)}, r"shape \(3, 2\), expected \(2, 2\)"),
    ],
)
def test_heads_that_cannot_be(change, message):
    with pytest.raises(SondoError, match=message):
        Head(**LINEAR | change)
