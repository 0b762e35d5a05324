"""The LightningModule of distillation: objects in, one loss out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR


class TrainableStudent(Protocol):
    """What training asks of a student beyond `forward`."""

    def embed_log_mel(self, log_mel: Tensor) -> Tensor:
        """(batch, mels, frames) -> (batch, embedding_dim)."""
        ...


class Distillation(lightning.LightningModule):
    """Train a student so that its mapped embedding meets the teacher's.

    Args:
        student: A `sondo.students.Student`.
        projector: Maps (batch, student dim) to (batch, teacher dim).
        loss: `forward(student, teacher) -> scalar`.
        optimizer: Makes the optimiser from the parameters.
        schedule: Factor on the learning rate as a function of the epoch; it moves with every step.
        steps_per_epoch: Optimiser steps in an epoch.
        seed: Of the dropout; set anew at each epoch, so that a resumed run repeats an undisturbed one.
    """

    def __init__(
        self,
        student: nn.Module,
        projector: nn.Module,
        loss: nn.Module,
        *,
        optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        schedule: Callable[[float], float],
        steps_per_epoch: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.student, self.projector, self.loss = student, projector, loss
        self._make_optimizer, self._schedule = optimizer, schedule
        self._steps_per_epoch, self._seed = steps_per_epoch, seed

    def on_train_epoch_start(self) -> None:
        """Tie the random numbers to the epoch."""
        torch.manual_seed(self._seed + 1_000_003 * (self.current_epoch + 1) + self.global_rank)

    def _step(self, batch: tuple[Tensor, Tensor], name: str) -> Tensor:
        log_mel, target = batch
        student = cast(TrainableStudent, self.student)
        value: Tensor = self.loss(self.projector(student.embed_log_mel(log_mel)), target)
        self.log(name, value, on_epoch=True, on_step=False, batch_size=len(target), sync_dist=True)
        return value

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """One batch of (log-mel, teacher vector)."""
        return self._step(batch, "train_loss")

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The same on clips that are not trained on."""
        return self._step(batch, "valid_loss")

    def configure_optimizers(self) -> Any:
        """The optimiser and the schedule."""
        optimizer = self._make_optimizer([p for p in self.parameters() if p.requires_grad])
        scheduler = LambdaLR(optimizer, lambda step: self._schedule(step / self._steps_per_epoch))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
