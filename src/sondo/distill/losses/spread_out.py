"""A regulariser: student vectors of different clips use the whole sphere."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from sondo.distill.augment import Mix
from sondo.distill.losses.base import Loss, off_diagonal_mean


class SpreadOutLoss(Loss):
    """`mean(cos)^2 + max(0, mean(cos^2) - 1 / dim)` over all pairs of different clips' student vectors.

    Both moments are what vectors spread evenly over the sphere have: 0 and 1 / dim. The teacher is not looked at, so it
    belongs beside another loss, with a small weight (`cosine + 0.01 * spread_out`): a teacher whose vectors share a
    large mean contradicts it, unless the target geometry takes that mean away. One clip gives 0.

    Source: global orthogonal regularisation (Zhang et al. 2017, arXiv 1708.06320).
    """

    def value(self, student_BD: Tensor, teacher_BD: Tensor, clusters_B: Tensor | None, mix: Mix | None) -> Tensor:
        """See the class."""
        unit_BD = functional.normalize(student_BD, dim=1)
        cosines_BB = unit_BD @ unit_BD.T
        excess = off_diagonal_mean(cosines_BB.square()) - 1.0 / student_BD.shape[1]
        return off_diagonal_mean(cosines_BB).square() + excess.clamp_min(0.0)
