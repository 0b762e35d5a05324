"""The learning rate's course against the reference's values."""

import json
import math
from pathlib import Path

import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from sondo.distill.fit import tell_of_schedule
from sondo.distill.schedule import WarmUpRampDown
from sondo.recipe import TrainConfig

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


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 2}, "2 epochs, and the rate warms up for 8: it reaches 4.8e-05 of 0.0008"),
        ({"epochs": 20}, "20 epochs, and the rate falls from epoch 80 on: it does not fall"),
        ({"epochs": 100}, ""),
        ({"epochs": 2, "warmup_epochs": None, "ramp_down_start": None, "ramp_down_epochs": None}, ""),
    ],
)
def test_a_schedule_of_a_longer_run_is_told(settings, said, capsys):
    papers = {"learning_rate": 8e-4, "warmup_epochs": 8, "ramp_down_start": 80, "ramp_down_epochs": 95}
    tell_of_schedule(TrainConfig(**(papers | settings)))
    told = " ".join(capsys.readouterr().err.split())
    assert said in told
    assert bool(told) == bool(said)


def test_no_warm_up_starts_at_one():
    assert WarmUpRampDown(warmup_epochs=0, ramp_down_start=5, ramp_down_epochs=1, last_factor=1)(0) == 1
    half = WarmUpRampDown(warmup_epochs=10, ramp_down_start=99, ramp_down_epochs=1, last_factor=1)(5)
    assert half == pytest.approx(math.exp(-5 * 0.25))
