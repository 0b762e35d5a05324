"""Training on sondo's progress view: clips per second, time left, the loss, and a word where it climbs back."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

import lightning

from sondo.errors import SondoError
from sondo.screen import Line, say, track

_GAIN_SHARE, _LEAST_GAIN = 0.5, 0.1


class ProgressLine(lightning.Callback):
    """One line for the whole run, counted in clips; a resumed run starts where it stopped.

    Args:
        epochs: Number of epochs.
        clips_per_epoch: Clips of an epoch.
    """

    def __init__(self, *, epochs: int, clips_per_epoch: int) -> None:
        self.epochs, self.clips_per_epoch = epochs, clips_per_epoch
        self._stack = ExitStack()
        self._line: Line | None = None

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
            self._line.advance(self.clips_per_epoch / trainer.num_training_batches)  # those of other devices count too

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the loss of the epoch."""
        if self._line is not None:
            shown = {name: value for name, value in trainer.callback_metrics.items() if not name.startswith("lr-")}
            values = [f"{name} {float(value):.4f}" for name, value in shown.items()]
            self._line.note(f"epoch {trainer.current_epoch + 1}/{self.epochs}, " + ", ".join(values))

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Close the line, also after an interruption."""
        self._stack.close()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Close the line where training fails: lightning tears nothing down then, and later work would join it."""
        self._stack.close()


class LossWatch(lightning.Callback):
    """Says once that the loss has lost half of what it had gained, which a learning rate that is too high does.

    Gains of less than a tenth of the first epoch's loss are passed over. A loss that is no number ends the training,
    where no early stopping does: what follows would be none either.

    Args:
        learning_rate: The highest learning rate, for the message.
    """

    def __init__(self, *, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self._losses: list[float] = []
        self._has_spoken = False

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at the loss of the epoch."""
        if "train_loss" not in trainer.callback_metrics:
            return
        is_watched = trainer.early_stopping_callback is not None  # which sees it, and keeps weights of before
        if not is_watched and not math.isfinite(float(trainer.callback_metrics["train_loss"])):
            raise SondoError(
                f"the loss is no number in epoch {trainer.current_epoch + 1}: train anew, in another --out, with a "
                f"learning rate below {self.learning_rate:g} (--train.learning_rate), milder augmentation, or other "
                "weights to start from"
            )
        if self._has_spoken or not trainer.is_global_zero:
            return
        self._losses.append(float(trainer.callback_metrics["train_loss"]))
        first, lowest, last = self._losses[0], min(self._losses), self._losses[-1]
        if first - lowest > _LEAST_GAIN * abs(first) and last - lowest > _GAIN_SHARE * (first - lowest):
            self._has_spoken = True
            epoch = trainer.current_epoch + 1
            best = epoch - len(self._losses) + 1 + self._losses.index(lowest)
            say(
                f"train: the loss climbed from {lowest:.4f} in epoch {best} to {last:.4f} in epoch {epoch}. If it "
                f"stays there, the learning rate is too high for this student: train anew with less than "
                f"{self.learning_rate:g} (--train.learning_rate) in another --out"
            )
