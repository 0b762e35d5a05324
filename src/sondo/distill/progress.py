"""Training on sondo's progress view: clips per second, time left, the loss."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import lightning

from sondo.screen import Tracker, track


class ProgressLine(lightning.Callback):
    """One line for the whole run, counted in clips; a resumed run starts where it stopped.

    Args:
        epochs: Number of epochs.
        clips_per_epoch: Clips that one process sees in an epoch.
    """

    def __init__(self, *, epochs: int, clips_per_epoch: int) -> None:
        self.epochs, self.clips_per_epoch = epochs, clips_per_epoch
        self._stack = ExitStack()
        self._line: Tracker | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open the line."""
        if trainer.is_global_zero:
            done = trainer.current_epoch * self.clips_per_epoch
            self._line = self._stack.enter_context(track("train", total=self.epochs * self.clips_per_epoch, done=done))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch."""
        if self._line is not None:
            self._line.advance(len(batch.log_mel))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the loss of the epoch."""
        if self._line is not None:
            values = [f"{name} {float(value):.4f}" for name, value in trainer.callback_metrics.items()]
            self._line.note(f"epoch {trainer.current_epoch + 1}/{self.epochs}, " + ", ".join(values))

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Close the line, also after an interruption."""
        self._stack.close()
