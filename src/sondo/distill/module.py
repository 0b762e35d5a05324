"""The LightningModule of distillation: objects in, one loss out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from sondo.audio.logmel import LogMelConfig
from sondo.distill.augment import Mix, augment, clip_seeds
from sondo.distill.data import Batch
from sondo.distill.geometry import TargetGeometry
from sondo.distill.losses import Loss, Matryoshka, prefix_embeddings
from sondo.distill.losses.base import PointwiseLoss
from sondo.distill.several import combine_losses
from sondo.recipe import AugmentConfig


class TrainableStudent(Protocol):
    """What training asks of a student beyond `forward`."""

    def embed_log_mel(self, log_mel: Tensor) -> Tensor:
        """(batch, mels, frames) -> (batch, embedding_dim)."""
        ...


class Distillation(lightning.LightningModule):
    """Train a student so that its mapped embedding meets its teacher's, or those of several teachers.

    Args:
        student: A `sondo.students.Student`.
        projectors: For each teacher, a module from (batch, student dim) to (batch, teacher dim).
        losses: For each teacher a `sondo.distill.losses.Loss`.
        geometries: For each teacher, what is done to its vectors before they are compared.
        matryoshka: Lengths of the embedding that are each asked to meet the teacher; the whole alone when empty.
        augmentation: How clips are changed.
        log_offset: The front-end's, which some changes need.
        optimizer: Makes the optimiser from the parameters.
        schedule: Factor on the learning rate as a function of the epoch; it moves with every step.
        steps_per_epoch: Optimiser steps in an epoch.
        seed: Of the dropout; set anew at each epoch, so that a resumed run repeats an undisturbed one.
        names: What to call the teachers in the log.
        teacher_dropping: See `sondo.distill.several`.
    """

    def __init__(
        self,
        student: nn.Module,
        projectors: Sequence[nn.Module],
        losses: Sequence[nn.Module],
        *,
        optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        schedule: Callable[[float], float],
        steps_per_epoch: int,
        seed: int,
        geometries: Sequence[TargetGeometry] = (),
        matryoshka: Sequence[int] = (),
        augmentation: AugmentConfig | None = None,
        log_offset: float = LogMelConfig.log_offset,
        names: Sequence[str] = ("teacher",),
        teacher_dropping: float = 0.0,
    ) -> None:
        super().__init__()
        assert len(projectors) == len(losses) == len(names), "each teacher has a mapping head, a loss and a name"
        self.student = student
        self.projectors, self.losses = nn.ModuleList(projectors), nn.ModuleList(losses)
        self.geometries = nn.ModuleList(geometries or [nn.Identity() for _ in projectors])
        self._dims, self._augmentation = list(matryoshka), augmentation or AugmentConfig()
        self._log_offset = log_offset
        self._names, self._teacher_dropping = list(names), teacher_dropping
        self._make_optimizer, self._schedule = optimizer, schedule
        self._steps_per_epoch, self._seed = steps_per_epoch, seed

    def on_train_epoch_start(self) -> None:
        """Tie the random numbers to the epoch."""
        torch.manual_seed(self._seed + 1_000_003 * (self.current_epoch + 1) + self.global_rank)

    def _step(self, batch: Batch, name: str, *, mix: Mix | None = None, teacher_dropping: float = 0.0) -> Tensor:
        embedding = cast(TrainableStudent, self.student).embed_log_mel(batch.log_mel)
        prefixes = prefix_embeddings(embedding, self._dims) if self._dims else [embedding]
        values = []
        for loss, projector, geometry, target in zip(
            self.losses, self.projectors, self.geometries, batch.targets, strict=True
        ):
            mapped = [projector(prefix) for prefix in prefixes]
            values.append(_value(loss, mapped, geometry(target), batch.clusters, mix, teacher_dropping > 0))
        total = combine_losses(values, drop_probability=teacher_dropping)
        self._log(name, total, batch)
        if len(values) > 1:
            for teacher, value in zip(self._names, values, strict=True):
                self._log(f"{name}.{teacher}", value.mean(), batch)
        return total

    def _log(self, name: str, value: Tensor, batch: Batch) -> None:
        self.log(name, value, on_epoch=True, on_step=False, batch_size=len(batch.log_mel), sync_dist=True)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch, changed as its clips' seeds say."""
        mix = None
        if self._augmentation != AugmentConfig():
            seeds = clip_seeds(self._seed, self.current_epoch, batch.rows.tolist())
            log_mel, mix = augment(batch.log_mel, seeds, self._augmentation, log_offset=self._log_offset)
            batch = batch._replace(log_mel=log_mel)
        return self._step(batch, "train_loss", mix=mix, teacher_dropping=self._teacher_dropping)

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The same on clips that are not trained on; nothing is changed and no teacher is dropped."""
        return self._step(batch, "valid_loss")

    def configure_optimizers(self) -> Any:
        """The optimiser and the schedule."""
        optimizer = self._make_optimizer([p for p in self.parameters() if p.requires_grad])
        scheduler = LambdaLR(optimizer, lambda step: self._schedule(step / self._steps_per_epoch))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _value(
    loss: nn.Module, mapped: list[Tensor], target: Tensor, clusters: Tensor | None, mix: Mix | None, by_clip: bool
) -> Tensor:
    """A loss's value; with `by_clip` one value for each clip, where the loss looks at each by itself."""
    if len(mapped) > 1:
        return cast(Tensor, Matryoshka(cast(Loss, loss))(mapped, target, clusters_B=clusters, mix=mix))
    if by_clip and mix is None and isinstance(loss, PointwiseLoss):
        return loss.per_clip(mapped[0].float(), target.float())
    return cast(Tensor, loss(mapped[0], target, clusters_B=clusters, mix=mix))
