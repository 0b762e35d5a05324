"""What training tells of itself: clips, not batches."""

import types

import torch

from sondo.distill.data import Batch
from sondo.distill.progress import ProgressLine
from sondo.screen import console


def test_the_line_counts_clips_and_starts_where_a_run_stopped(capsys):
    trainer = types.SimpleNamespace(is_global_zero=True, current_epoch=2, callback_metrics={})
    line = ProgressLine(epochs=4, clips_per_epoch=10)
    line.on_train_start(trainer, None)
    batch = Batch(torch.zeros(7, 2, 3), (torch.zeros(7, 5), torch.zeros(7, 5)), torch.arange(7))
    line.on_train_batch_end(trainer, None, None, batch, 0)
    line.teardown(trainer, None, "fit")
    assert not console.is_terminal, "the test reads the line that a log file gets"
    assert "train: 27/40 clips" in capsys.readouterr().err
