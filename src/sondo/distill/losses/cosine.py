"""The paper's loss: one minus the cosine between the mapped student vector and the teacher's."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from sondo.distill.losses.base import PointwiseLoss


class CosineLoss(PointwiseLoss):
    """Mean of `1 - cos(student, teacher)` over the batch; in [0, 2].

    Source: S-SONDO, equation of section 2 (arXiv 2604.24933).

    >>> import torch
    >>> float(CosineLoss()(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])))
    1.0
    """

    def per_clip(self, student_BD: Tensor, teacher_BD: Tensor) -> Tensor:
        """See the class."""
        return 1.0 - functional.cosine_similarity(student_BD, teacher_BD, dim=-1)
