"""The settings of fine-tuning. May import: the standard library, `sondo.errors`, `sondo.recipe`: parsing needs it."""

from __future__ import annotations

from dataclasses import dataclass

from sondo.errors import SondoError
from sondo.recipe import LAST_SEED


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """How a student is trained on together with a head.

    Args:
        head_epochs: Epochs in which the head alone is trained, before the whole network is.
        epochs: Most epochs of the whole network.
        patience: Epochs of it without a lower loss on the validation part after which training stops.
        batch_size: Clips per batch.
        head_learning_rate: Learning rate while the head alone is trained.
        learning_rate: Highest learning rate of the whole network; it falls in a straight line.
        weight_decay: Weight decay.
        hidden_dim: Values of a hidden layer in the head; a linear head if left out.
        valid_fold: The fold to validate on, where the data has folds; the last one if left out.
        test_fold: A fold to keep back and score at the end; none if left out.
        seed: Seed of weights, draws and augmentation.

    Raises:
        SondoError: Values out of range, all in one message.
    """

    head_epochs: int = 10
    epochs: int = 40
    patience: int = 10
    batch_size: int = 16
    head_learning_rate: float = 3e-3
    learning_rate: float = 3e-4
    weight_decay: float = 1e-2
    hidden_dim: int | None = None
    valid_fold: int | None = None
    test_fold: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Say all that is out of range at once."""
        wrong = [
            f"finetune.{name} is {getattr(self, name)}: expected {what}"
            for name, what, good in (
                ("head_epochs", "at least 0", self.head_epochs >= 0),
                ("epochs", "at least 0", self.epochs >= 0),
                ("epochs", "one epoch or more in all", self.head_epochs + self.epochs >= 1),
                ("patience", "at least 1", self.patience >= 1),
                ("batch_size", "at least 2", self.batch_size >= 2),
                ("head_learning_rate", "more than 0", self.head_learning_rate > 0),
                ("learning_rate", "more than 0", self.learning_rate > 0),
                ("weight_decay", "at least 0", self.weight_decay >= 0),
                ("hidden_dim", "at least 1", self.hidden_dim is None or self.hidden_dim >= 1),
                ("seed", f"from 0 to {LAST_SEED}", 0 <= self.seed <= LAST_SEED),
            )
            if not good
        ]
        if wrong:
            raise SondoError("; ".join(wrong))
