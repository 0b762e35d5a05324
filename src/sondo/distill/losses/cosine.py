"""The paper's loss: one minus the cosine between the mapped student vector and the teacher's."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class CosineLoss(nn.Module):
    """Mean of `1 - cos(student, teacher)` over the batch, computed in float32.

    Shape:
        - student_BD: (batch, dim), any floating dtype
        - teacher_BD: (batch, dim)
        - output: scalar, float32, in [0, 2]

    Source: S-SONDO, equation of section 2 (arXiv 2604.24933).

    >>> import torch
    >>> float(CosineLoss()(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])))
    1.0
    """

    def forward(self, student_BD: Tensor, teacher_BD: Tensor) -> Tensor:
        """See the class."""
        cosine_B = functional.cosine_similarity(student_BD.float(), teacher_BD.float(), dim=-1)
        return (1.0 - cosine_B).mean()
