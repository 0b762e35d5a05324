"""The LightningModule of fine-tuning: the head first, then the whole network."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from sondo.classifier.config import FinetuneConfig
from sondo.distill.augment import augment, clip_seeds
from sondo.distill.data import Batch
from sondo.evaluate.metrics import metric_value
from sondo.recipe import AugmentConfig
from sondo.students.with_head import StudentWithHead

_LAST_FACTOR = 0.01


class Finetuning(lightning.LightningModule):
    """Train a student with a head on labels.

    The batch norms stay in evaluation mode throughout: the network that is trained is the one that will be used, and a
    batch of a few clips cannot spoil statistics that thousands made. Their scales and shifts are trained.

    Args:
        model: The student and its head.
        config: How to train.
        augmentation: How clips are changed; mixed clips have mixed labels.
        multi_label: Whether several classes can hold at once.
        steps_per_epoch: Optimiser steps in an epoch.
    """

    def __init__(
        self,
        model: StudentWithHead,
        *,
        config: FinetuneConfig,
        augmentation: AugmentConfig,
        multi_label: bool,
        steps_per_epoch: int,
    ) -> None:
        super().__init__()
        self.model = model
        self._config, self._augmentation, self._multi_label = config, augmentation, multi_label
        self._steps_per_epoch = steps_per_epoch
        self._watched: list[tuple[Tensor, Tensor]] = []

    @property
    def metric(self) -> str:
        """What the validation part is scored with."""
        return "map" if self._multi_label else "accuracy"

    def on_train_epoch_start(self) -> None:
        """The head alone, or everything."""
        if self.current_epoch < self._config.head_epochs:
            self.model.freeze_backbone()
        else:
            self.model.unfreeze_backbone()
            self.model.student.eval()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch, changed as its clips' seeds say."""
        log_mel, labels = batch.log_mel, labels_of(batch)
        if self._augmentation != AugmentConfig():
            seeds = clip_seeds(self._config.seed, self.current_epoch, batch.rows.tolist())
            offset = self.model.student.front_end.config.log_offset
            log_mel, mix = augment(log_mel, seeds, self._augmentation, log_offset=offset)
            labels = labels if mix is None else mix.blend(labels)
        loss = self.loss(self.model.classify_log_mel(log_mel), labels)
        self.log("train_loss", loss, on_epoch=True, on_step=False, batch_size=len(labels))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Clips that are not trained on, unchanged."""
        logits, labels = self.model.classify_log_mel(batch.log_mel), labels_of(batch)
        self.log("valid_loss", self.loss(logits, labels), batch_size=len(logits))
        self._watched.append((logits.double().cpu(), labels.cpu()))

    def on_validation_epoch_end(self) -> None:
        """The score of the validation part."""
        logits, labels = (torch.cat(parts) for parts in zip(*self._watched, strict=True))
        self._watched = []
        targets = labels.long() if self._multi_label else labels.argmax(dim=1)
        metric: Any = self.metric
        self.log(f"valid_{metric}", metric_value(logits.numpy(), targets.numpy(), metric=metric))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy with one label, binary cross-entropy with several.

        Shape:
            logits, labels (batch, classes); labels from 0 to 1 -> scalar.
        """
        if self._multi_label:
            return functional.binary_cross_entropy_with_logits(logits.float(), labels)
        return functional.cross_entropy(logits.float(), labels)

    def configure_optimizers(self) -> Any:
        """AdamW; one rate while the head is alone, then a lower one for everything, which falls."""
        config = self._config
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.head_learning_rate, weight_decay=config.weight_decay
        )

        def factor(step: int) -> float:
            epoch = step / self._steps_per_epoch - config.head_epochs
            if epoch < 0:
                return 1.0
            left = 1.0 - epoch / max(config.epochs, 1)
            return config.learning_rate / config.head_learning_rate * max(left, _LAST_FACTOR)

        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}


def labels_of(batch: Batch) -> Tensor:
    """The labels of a batch that was read with them, (batch, classes)."""
    assert batch.labels is not None, "the batches are read with their labels"
    return batch.labels


class StopWhenNoBetter(EarlyStopping):
    """Stop after some epochs of the whole network without a lower loss on the validation part.

    Args:
        head_epochs: Epochs of the head alone, which are not counted.
        patience: Epochs.
    """

    def __init__(self, *, head_epochs: int, patience: int) -> None:
        super().__init__("valid_loss", patience=patience, mode="min", check_on_train_epoch_end=True)
        self._head_epochs = head_epochs

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at the loss."""
        if trainer.current_epoch >= self._head_epochs:
            super().on_train_epoch_end(trainer, pl_module)

    def said(self, *, epochs: int) -> str:
        """That training stopped before its last epoch, and why; empty where it did not."""
        stopped = self.stopped_epoch + 1
        if not self.stopped_epoch or stopped == epochs:
            return ""
        why = f"no lower loss on the validation part since epoch {stopped - self.wait_count}"
        if self.wait_count < self.patience:
            why = "the loss on the validation part is no number any more; a lower --finetune.learning_rate may help"
        return f"stopped early, in epoch {stopped} of {epochs}: {why}"
