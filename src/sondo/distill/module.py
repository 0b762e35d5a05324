"""The LightningModule of distillation: objects in, one loss out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from sondo.distill.data import Batch
from sondo.distill.objective import Objective
from sondo.distill.supervised import AveragePrecision
from sondo.distill.whole_batch import whole_batch


class TrainableStudent(Protocol):
    """What training asks of a student beyond `forward`."""

    def embed_log_mel(self, log_mel: Tensor) -> Tensor:
        """(batch, mels, frames) -> (batch, embedding_dim)."""
        ...


View = Callable[[Batch, int, int], Batch]
"""What an epoch sees of a batch, from the batch as it was read, the epoch and the batch's place in it."""


class Distillation(lightning.LightningModule):
    """Train a student so that its embedding does what an objective asks.

    Several devices share the clips of a batch and the work of the student; the objective sees the whole batch in each.

    Args:
        student: A `sondo.students.Student`.
        objective: What is asked, with its heads.
        view: What training sees of a batch, see `sondo.distill.views`.
        optimizer: Makes the optimiser from the parameters.
        schedule: Factor on the learning rate as a function of the epoch; it moves with every step.
        steps_per_epoch: Optimiser steps in an epoch.
        seed: Of the dropout; set anew at each epoch, so that a resumed run repeats an undisturbed one.
    """

    def __init__(
        self,
        student: nn.Module,
        objective: Objective,
        *,
        view: View,
        optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        schedule: Callable[[float], float],
        steps_per_epoch: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.student, self.objective = student, objective
        self._view, self._precision = view, AveragePrecision()
        self._make_optimizer, self._schedule = optimizer, schedule
        self._steps_per_epoch, self._seed = steps_per_epoch, seed

    def on_train_epoch_start(self) -> None:
        """Tie the random numbers to the epoch."""
        torch.manual_seed(self._seed + 1_000_003 * (self.current_epoch + 1) + self.global_rank)

    def _step(self, batch: Batch, name: str) -> tuple[Tensor, Tensor, Batch]:
        """A batch's embedding and its loss, which is logged with its parts, and the batch as the loss saw it."""
        embedding = cast(TrainableStudent, self.student).embed_log_mel(batch.log_mel)
        if self.trainer.world_size > 1:
            embedding, batch = whole_batch(self, embedding, batch)
        total, parts = self.objective(embedding, batch)
        for key, value in {name: total, **{f"{name}.{part}": value for part, value in parts.items()}}.items():
            self.log(key, value, on_epoch=True, on_step=False, batch_size=len(embedding), sync_dist=True)
        return embedding, total, batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch, as this epoch sees it."""
        return self._step(self._view(batch, self.current_epoch, batch_idx), "train_loss")[1]

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The same on clips that are not trained on, as they are; no teacher is dropped."""
        embedding, total, batch = self._step(batch, "valid_loss")
        if self.objective.classifier is not None and batch.labels is not None:
            self._precision.add(self.objective.classifier(embedding), batch.labels)
        return total

    def on_validation_epoch_end(self) -> None:
        """Log how well the labels are told."""
        if self._precision.num_clips:
            self.log("valid_map", self._precision.result(), sync_dist=True)

    def configure_optimizers(self) -> Any:
        """The optimiser and the schedule."""
        optimizer = self._make_optimizer([p for p in self.parameters() if p.requires_grad])
        scheduler = LambdaLR(optimizer, lambda step: self._schedule(step / self._steps_per_epoch))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
