"""The same training on a part of the clips."""

import pytest

from sondo.errors import SondoError
from sondo.recipe import TrainConfig
from sondo.recipes import make_recipe, named_recipe
from sondo.reproduce.scale import scaled


@pytest.fixture
def paper():
    return make_recipe(named_recipe("paper") | {"out": "x"}).train


@pytest.mark.parametrize("scale", [1, 0.3, 0.01, 0.0032, 0.001, 1e-4, 1e-5])
def test_the_clips_seen_are_that_part_of_the_papers_ten_million(paper, scale):
    small = scaled(paper, scale, num_clips=1)
    # Less than one clip an epoch is lost to rounding.
    assert small.epochs * small.clips_per_epoch == pytest.approx(scale * 10_000_000, abs=small.epochs)


def test_epochs_become_shorter_first_and_keep_the_schedule(paper):
    small = scaled(paper, 0.01, num_clips=1)
    assert (small.epochs, small.clips_per_epoch) == (100, 1000)
    assert (small.warmup_epochs, small.ramp_down_start, small.ramp_down_epochs) == (8, 80, 95)
    assert small.learning_rate == paper.learning_rate


def test_below_ten_batches_there_are_fewer_epochs_and_the_schedule_shrinks_with_them(paper):
    small = scaled(paper, 0.001, num_clips=1)
    assert (small.epochs, small.clips_per_epoch) == (31, 323)  # 10,000 clips, 320 at least in an epoch
    assert small.warmup_epochs / small.epochs == pytest.approx(8 / 100)
    assert small.ramp_down_start / small.epochs == pytest.approx(80 / 100)
    assert small.ramp_down_epochs / small.epochs == pytest.approx(95 / 100)


def test_the_whole_is_the_training_itself(paper):
    assert scaled(paper, 1.0, num_clips=1) == paper


def test_an_epoch_of_the_bank_and_a_schedule_that_follows_the_epochs():
    small = scaled(TrainConfig(epochs=10, batch_size=4), 0.1, num_clips=400)
    assert (small.epochs, small.clips_per_epoch) == (10, 40)
    assert small.warmup_epochs is None


@pytest.mark.parametrize("scale", [0, -1, 1.5, float("nan")])
def test_a_scale_that_is_no_part_is_refused(paper, scale):
    with pytest.raises(SondoError, match="more than 0 and at most 1"):
        scaled(paper, scale, num_clips=1)
