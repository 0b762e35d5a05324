"""What of a .tflite file's network is in int8, and in which ranges."""

import numpy as np
import pytest

from sondo.export.litert_int8 import _in_int8, _range, _Step, _within_hard_swish

STEPS = [
    _Step("stem", "CONV_2D", ("log_mel",), 9),
    _Step("one", "CONV_2D", ("stem",), 144),
    _Step("two", "DEPTHWISE_CONV_2D", ("one",), 9),
    _Step("sum", "ADD", ("one", "two"), 0),
    _Step("gate", "LOGISTIC", ("sum",), 0),
    _Step("product", "MUL", ("sum", "gate"), 0),
    _Step("sum of products", "ADD", ("product", "sum"), 0),
    _Step("mixed", "CONV_2D", ("sum", "kernels"), 0),
    _Step("three", "CONV_2D", ("sum of products",), 16),
    _Step("linear", "FULLY_CONNECTED", ("three",), 16),
]


def window(smallest, largest):
    return {"min": np.array([[smallest]], dtype=np.float32), "max": np.array([[largest]], dtype=np.float32)}


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        (0.0, ["one", "two", "sum", "three", "linear"]),
        (0.34, ["two", "three", "linear"]),
        (0.67, ["three", "linear"]),
    ],
)
def test_sums_are_in_int8_where_all_that_they_take_is(share, wanted):
    assert [step.name for step in _in_int8(STEPS, share)] == wanted


def test_a_sound_in_a_hundred_that_is_like_no_other_does_not_set_the_range():
    windows = [window(-1.0, 2.0)] * 99 + [window(-1000.0, 3000.0)]
    found = _range(windows)
    assert (found["min"].item(), found["max"].item(), found["min"].shape) == (-1.0, 2.0, (1, 1))
    found = _range([window(-1.0, 2.0)] * 19 + [window(-3.0, 1.0)])
    assert (found["min"].item(), found["max"].item()) == (-3.0, 2.0)
    assert _range([{}, {}]) == {}


def test_what_a_hard_swish_makes_zero_has_no_steps():
    steps = [
        _Step("swished", "HARD_SWISH", ("conv",), 0),
        _Step("also swished", "HARD_SWISH", ("both",), 0),
        _Step("sum", "ADD", ("both", "swished"), 0),
    ]
    found = _within_hard_swish({name: window(-50.0, 4.0) for name in ("conv", "both")}, steps)
    assert (found["conv"]["min"].item(), found["conv"]["max"].item()) == (-3.0, 4.0)
    assert found["both"]["min"].item() == -50.0
