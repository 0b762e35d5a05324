"""Contrastive losses: each student vector picks its teacher's out of the batch.

One formula: over the logits `cos(student_i, teacher_j) / T`, minus the log of the share that the positive pairs have in
the candidates. The variants differ in which pairs are which:

    loss               positives of clip i            candidates                       directions
    clap               (i, i)                         all pairs                        both
    real_contrastive   (i, i)                         all but (i, i)                   student to teacher
    cluster_aware      same cluster, but not (i, i)   all but (i, i)                   both
    neg_clusters       (i, i)                         (i, i) and the other clusters    student to teacher

A clip without a positive or without a negative counts neither in the sum nor in the mean; a batch of such clips (one
clip, one cluster) gives 0 with a gradient of 0.

A mixed clip is asked for its own teacher vector with its weight and for its partner's with the rest, where it stands in
its partner's cluster; the S-SONDO code trains mixed sound on unmixed vectors here.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sondo.distill.augment import Mix
from sondo.distill.losses.base import Loss, check_temperature


class _Contrastive(Loss):
    """What the variants share.

    Args:
        temperature: T, above 0; lower looks more at the nearest negatives.

    Raises:
        SondoError: The temperature is not above 0.
    """

    both_directions = False

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def pairs(self, itself_BB: Tensor, same_cluster_BB: Tensor) -> tuple[Tensor, Tensor]:
        """Which pairs are positives and which are candidates, both boolean and symmetric."""
        raise NotImplementedError

    def value(self, student_BD: Tensor, teacher_BD: Tensor, clusters_B: Tensor | None, mix: Mix | None) -> Tensor:
        """Mean over the clips that count."""
        if clusters_B is None:
            clusters_B = torch.arange(len(student_BD), device=student_BD.device)
        student_BD, teacher_BD = functional.normalize(student_BD, dim=1), functional.normalize(teacher_BD, dim=1)
        value_B, weight_B = self._per_clip(student_BD, teacher_BD, clusters_B)
        if mix is not None:
            partners = mix.partner_B
            other_B, other_weight_B = self._per_clip(student_BD, teacher_BD[partners], clusters_B[partners])
            value_B = torch.cat([value_B, other_B])
            weight_B = torch.cat([mix.weight_B * weight_B, (1.0 - mix.weight_B) * other_weight_B])
        return (weight_B * value_B).sum() / weight_B.sum().clamp_min(torch.finfo(torch.float32).tiny)

    def _per_clip(self, student_BD: Tensor, teacher_BD: Tensor, clusters_B: Tensor) -> tuple[Tensor, Tensor]:
        """Each clip's loss, and 1 where it counts or 0."""
        itself_BB = torch.eye(len(student_BD), dtype=torch.bool, device=student_BD.device)
        positives_BB, candidates_BB = self.pairs(itself_BB, clusters_B[:, None] == clusters_B)
        counts_B = positives_BB.any(1) & (candidates_BB & ~positives_BB).any(1)
        logits_BB = student_BD @ teacher_BD.T / self.temperature
        value_B = _surprise(logits_BB, positives_BB, candidates_BB, counts_B)
        if self.both_directions:
            value_B = 0.5 * (value_B + _surprise(logits_BB.T, positives_BB, candidates_BB, counts_B))
        return value_B, counts_B.float()


def _surprise(logits_BB: Tensor, positives_BB: Tensor, candidates_BB: Tensor, counts_B: Tensor) -> Tensor:
    """Minus the log of the positives' share in the candidates of each row; 0 where the row does not count."""
    # A row of nothing but -inf has no gradient, so a row that does not count sums all pairs on both sides.
    everything_BB = ~counts_B[:, None]
    positive_B = logits_BB.masked_fill(~(positives_BB | everything_BB), -torch.inf).logsumexp(1)
    return logits_BB.masked_fill(~(candidates_BB | everything_BB), -torch.inf).logsumexp(1) - positive_B


class ClapLoss(_Contrastive):
    """Symmetric InfoNCE: student picks teacher and teacher picks student, out of the batch.

    Clips that are alike are pushed apart like any other, also the same clip drawn twice. Needs large batches.

    Args:
        temperature: Above 0; 0.07 as in CLIP's start and in S-SONDO's runs.

    Source: CLAP (Wu et al. 2023, arXiv 2211.06687); called vanilla contrastive in the S-SONDO code.
    """

    both_directions = True

    def pairs(self, itself_BB: Tensor, same_cluster_BB: Tensor) -> tuple[Tensor, Tensor]:
        """See the module."""
        return itself_BB, torch.ones_like(itself_BB)


class RealContrastiveLoss(_Contrastive):
    """InfoNCE with the positive pair left out of the denominator, from student to teacher; it can be negative.

    Without the pair there, a clip that is already well placed still pulls; batches may be smaller.

    Args:
        temperature: Above 0.

    Source:
        Decoupled contrastive learning (Yeh et al. 2022, arXiv 2110.06848); the S-SONDO code's
        "real contrastive". That subtracts 1e9 from the diagonal, so a batch of one clip gives -1e9; here it gives 0.
    """

    def pairs(self, itself_BB: Tensor, same_cluster_BB: Tensor) -> tuple[Tensor, Tensor]:
        """See the module."""
        return itself_BB, ~itself_BB


class ClusterAwareLoss(_Contrastive):
    """Clips of the same cluster are positives, those of the others negatives.

    The clip's own teacher vector is neither: the loss shapes the neighbourhood, and `cosine` beside it, or `hybrid`,
    does the alignment. A clip that is alone in its cluster does not count.

    Args:
        temperature: Above 0.

    Source:
        S-SONDO code, "cluster aware" (supervised contrastive learning, arXiv 2004.11362, with clusters for classes).
        The code multiplies logits by a mask of 0 and 1 before exp, so each masked pair adds exp(0) = 1 to a sum that
        should not know it: clips of other clusters count among the positives and the reverse, and a batch of one
        cluster has a loss although there is nothing to tell apart. Here masked pairs are -inf.
    """

    needs_clusters = True
    both_directions = True

    def pairs(self, itself_BB: Tensor, same_cluster_BB: Tensor) -> tuple[Tensor, Tensor]:
        """See the module."""
        return same_cluster_BB & ~itself_BB, ~itself_BB


class NegClustersLoss(_Contrastive):
    """InfoNCE from student to teacher whose negatives are the clips of other clusters: likely twins are left alone.

    Args:
        temperature: Above 0.

    Source:
        S-SONDO code, "negative clusters only". The code multiplies masked logits by 0 before exp, so the clip itself
        and each clip of its cluster add 1 to the denominator, and exp without a shift overflows to NaN below a
        temperature of 0.0113. Here masked pairs are -inf and the sum is a logsumexp.
    """

    needs_clusters = True

    def pairs(self, itself_BB: Tensor, same_cluster_BB: Tensor) -> tuple[Tensor, Tensor]:
        """See the module."""
        return itself_BB, itself_BB | ~same_cluster_BB
