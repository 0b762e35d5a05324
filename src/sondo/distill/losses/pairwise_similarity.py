"""A relational loss: clips stand to each other in the student's space as they do in the teacher's."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from sondo.distill.augment import Mix
from sondo.distill.losses.base import Loss, off_diagonal_mean


class PairwiseSimilarityLoss(Loss):
    """Mean of `(cos(student_i, student_j) - cos(teacher_i, teacher_j))^2` over all pairs of different clips.

    It looks at angles alone, so that any rotation of the teacher's space meets it; beside `cosine` it sharpens what the
    latter hardly weighs, how clips that are all alike differ. One clip gives 0. For a mixed clip the teacher's unit
    vectors are mixed as the sound was.

    Source: Jasper and Stella (Zhang et al. 2024, arXiv 2412.19048), similarity loss; relational distillation
    (1904.05068).
    """

    def value(self, student_BD: Tensor, teacher_BD: Tensor, clusters_B: Tensor | None, mix: Mix | None) -> Tensor:
        """See the class."""
        if mix is not None:
            teacher_BD = mix.blend(functional.normalize(teacher_BD, dim=1))
        return off_diagonal_mean((_cosines(student_BD) - _cosines(teacher_BD)).square())


def _cosines(vectors_BD: Tensor) -> Tensor:
    unit_BD = functional.normalize(vectors_BD, dim=1)
    return unit_BD @ unit_BD.T
