"""The learning rate's course against the reference's values."""

import json
import math
from pathlib import Path

import pytest

from sondo.distill.schedule import WarmUpRampDown

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "sampling_and_schedule.json").read_text())


def test_equals_the_reference_at_every_epoch():
    settings = GOLDEN["schedule"]
    schedule = WarmUpRampDown(
        warmup_epochs=settings["warm_up_len"],
        ramp_down_start=settings["ramp_down_start"],
        ramp_down_epochs=settings["ramp_down_len"],
        last_factor=settings["last_lr_value"],
    )
    assert [schedule(epoch) for epoch in range(settings["epochs"])] == pytest.approx(GOLDEN["factors"], abs=2e-7)


def test_ends_at_the_last_factor_and_never_leaves_the_unit_interval():
    schedule = WarmUpRampDown(warmup_epochs=0.4, ramp_down_start=1, ramp_down_epochs=4, last_factor=0.01)
    factors = [schedule(step / 10) for step in range(80)]
    assert factors[-1] == 0.01
    assert all(0 < factor <= 1 for factor in factors)
    assert schedule(3) == pytest.approx(0.01 + 0.99 / 2)


def test_no_warm_up_starts_at_one():
    assert WarmUpRampDown(warmup_epochs=0, ramp_down_start=5, ramp_down_epochs=1, last_factor=1)(0) == 1
    half = WarmUpRampDown(warmup_epochs=10, ramp_down_start=99, ramp_down_epochs=1, last_factor=1)(5)
    assert half == pytest.approx(math.exp(-5 * 0.25))
