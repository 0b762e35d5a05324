"""What training tells of itself: clips, not batches."""

import types

import pytest
import torch

from sondo.distill.data import Batch
from sondo.distill.progress import LossWatch, ProgressLine
from sondo.errors import SondoError
from sondo.screen import console


def test_the_line_counts_clips_and_starts_where_a_run_stopped(capsys):
    trainer = types.SimpleNamespace(is_global_zero=True, current_epoch=2, callback_metrics={}, num_training_batches=2)
    line = ProgressLine(epochs=4, clips_per_epoch=10)
    line.on_train_start(trainer, None)
    batch = Batch(torch.zeros(3, 2, 3), (torch.zeros(3, 5), torch.zeros(3, 5)), torch.arange(3))  # of two devices
    line.on_train_batch_end(trainer, None, None, batch, 0)
    line.teardown(trainer, None, "fit")
    assert not console.is_terminal, "the test reads the line that a log file gets"
    said = capsys.readouterr().err
    assert "train: 25/40 clips" in said
    assert "left" not in said


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([0.9, 0.5, 0.33, 0.4, 1.1, 1.1], "from 0.3300 in epoch 5 to 1.1000 in epoch 7"),
        ([0.69, 0.38, 0.25, 0.26, 0.22, 0.30, 0.2], ""),  # wavers, and goes on
        ([0.50, 0.49, 0.496], ""),  # there was no gain to lose
        ([-3.0, -8.0, -4.0], "from -8.0000 in epoch 4 to -4.0000 in epoch 5"),
    ],
)
def test_a_loss_that_climbs_back_is_told_once(losses, said, capsys):
    watch = LossWatch(learning_rate=2e-3)
    for epoch, loss in enumerate(losses, start=2):  # a run that goes on after two epochs
        metrics = {"train_loss": torch.tensor(loss)}
        trainer = types.SimpleNamespace(
            is_global_zero=True, current_epoch=epoch, callback_metrics=metrics, early_stopping_callback=None
        )
        watch.on_train_epoch_end(trainer, None)
    metrics["train_loss"] = torch.tensor(float("nan"))
    with pytest.raises(SondoError, match=f"the loss is no number in epoch {epoch + 1}: train anew, in another --out"):
        watch.on_train_epoch_end(trainer, None)
    found = " ".join(capsys.readouterr().err.split())
    assert found.count("the loss climbed") == bool(said)
    assert said in found
    assert ("0.002 (--train.learning_rate)" in found) == bool(said)
