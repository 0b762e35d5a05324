"""Labels instead of a teacher: each class by itself, there or not."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from sondo.distill.losses.base import PointwiseLoss


class BCELoss(PointwiseLoss):
    """Binary cross-entropy between logits and labels of 0 and 1, mean over the batch and the classes.

    A clip may have several labels. Of a mixed clip it is the cross-entropy with the labels mixed by the same shares,
    for it is linear in them. It takes no vectors, so `create` does not know it: `train.supervised` weighs it.

    Shape:
        logits (batch, classes), labels (batch, classes) -> scalar.

    Source: the supervised baseline of EfficientAT and of S-SONDO's public code, mixing of labels too.

    >>> import torch
    >>> round(float(BCELoss()(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))), 4)
    0.6931
    """

    def per_clip(self, student_BD: Tensor, teacher_BD: Tensor) -> Tensor:
        """See the class."""
        return functional.binary_cross_entropy_with_logits(student_BD, teacher_BD, reduction="none").mean(1)
