"""A student with a head for classes: what fine-tuning trains, and what any training loop in torch can."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sondo.errors import SondoError

if TYPE_CHECKING:
    from sondo.students.student import Student

_LEAST_SHARE, _MOST, _ROUNDING = 1e-4, 0.9, 1e-6
"""A value that varies less than this share of the deviation at that quantile varies by rounding, as in
`sondo.evaluate.probe.moments`; so does one that varies by less than this share of its mean."""


class ClassHead(nn.Module):
    """One linear layer, or two with a ReLU between them, on a standardised embedding.

    Args:
        embedding_dim: Values of the embedding.
        num_classes: Logits.
        hidden_dim: Values between two layers; one layer when left out.

    Shape:
        (..., embedding_dim) -> (..., num_classes).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, embedding_dim: int, num_classes: int, *, hidden_dim: int | None = None) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(embedding_dim))
        self.register_buffer("scale", torch.ones(embedding_dim))
        widths = [embedding_dim, *([] if hidden_dim is None else [hidden_dim]), num_classes]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))

    def standardise_by(self, vectors: Tensor) -> None:
        """Take the mean and the deviation of these embeddings for what every embedding is standardised by.

        A value that varies by rounding alone is not divided by that.

        Shape:
            (n, embedding_dim).
        """
        deviation, mean = torch.std_mean(vectors.double(), dim=0, correction=0)
        self.mean.copy_(mean)
        rounding = torch.maximum(_ROUNDING * mean.abs(), _LEAST_SHARE * deviation.quantile(_MOST))
        self.scale.copy_(torch.where(deviation > rounding, deviation, 1.0))

    def forward(self, embedding: Tensor) -> Tensor:
        """Logits of embeddings."""
        values = (embedding - self.mean) / self.scale
        for number, layer in enumerate(self.layers):
            values = layer(values.relu() if number else values)
        return values


class StudentWithHead(nn.Module):
    """A student and a head: raw sound in, logits out.

    Args:
        student: The student.
        classes: Names of the classes, in the order of the logits.
        hidden_dim: As for `ClassHead`.

    Shape:
        audio (batch, samples) at `sample_rate` -> (batch, classes).

    Raises:
        SondoError: Fewer than two classes, a name that is there twice, or a width below 1.

    Example:
        >>> import torch, sondo
        >>> model = sondo.students.create("mobilenetv3", width_mult=0.1).with_head(["dog", "cat"])
        >>> model.freeze_backbone()
        >>> model(torch.zeros(3, 32000)).shape
        torch.Size([3, 2])
    """

    def __init__(self, student: Student, classes: Sequence[str], *, hidden_dim: int | None = None) -> None:
        super().__init__()
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise SondoError(f"a head needs two classes or more, each with its own name, not {list(classes)}")
        if hidden_dim is not None and hidden_dim < 1:
            raise SondoError(f"hidden_dim is {hidden_dim}: the layer between needs 1 value or more, or leave it out")
        self.student = student
        self.classes = tuple(classes)
        self.head = ClassHead(student.embedding_dim, len(classes), hidden_dim=hidden_dim)

    @property
    def sample_rate(self) -> int:
        """Hz that `forward` expects."""
        return self.student.sample_rate

    def freeze_backbone(self) -> None:
        """As `Student.freeze_backbone`: only the head is trained from now on."""
        self.student.freeze_backbone()

    def unfreeze_backbone(self) -> None:
        """Train the student again."""
        self.student.unfreeze_backbone()

    def classify_log_mel(self, log_mel: Tensor) -> Tensor:
        """Logits of clips that are log-mels already, each as a whole.

        Shape:
            (batch, num_mels, frames) -> (batch, classes).
        """
        logits: Tensor = self.head(self.student.embed_log_mel(log_mel))
        return logits

    def forward(self, audio: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """Logits of sound of any length from 0.1 s: those of its embedding, the average over its windows.

        Args:
            audio: Mono samples in [-1, 1] at `sample_rate`.
            lengths: Samples that count in each row, (batch,); all when left out.

        Raises:
            SondoError: As `Student.forward`.
        """
        logits: Tensor = self.head(self.student(audio, lengths))
        return logits
