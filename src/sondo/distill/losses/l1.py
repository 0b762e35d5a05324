"""The absolute difference of the values themselves."""

from __future__ import annotations

from torch import Tensor

from sondo.distill.losses.base import PointwiseLoss


class L1Loss(PointwiseLoss):
    """Mean of `|student - teacher|` over the batch and the values of a vector.

    A value far off pulls no harder than one close by: for teachers with outliers, where `mse` would chase those.

    Source: S-SONDO, losses compared in its public code; where that mixes clips it stops with an error.

    >>> import torch
    >>> float(L1Loss()(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])))
    1.5
    """

    def per_clip(self, student_BD: Tensor, teacher_BD: Tensor) -> Tensor:
        """See the class."""
        return (student_BD - teacher_BD).abs().mean(1)
