"""Alignment of the clips, contrast between the clusters, and alignment of the clusters' centres."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sondo.distill.augment import Mix
from sondo.distill.losses.base import Loss
from sondo.distill.losses.contrastive import ClusterAwareLoss
from sondo.distill.losses.cosine import CosineLoss


class CrossClusterLoss(Loss):
    """Minus the cosine between the student's and the teacher's centre of each cluster, mean over the batch's clusters.

    In [-1, 1]; a centre is the mean of unit vectors. A mixed clip stands in its own cluster, and its teacher vector is
    mixed as the sound was.

    Source:
        S-SONDO code, third term of its hybrid loss. The code says that distances between clusters are kept; what it
        computes, and what this is, sets each centre beside its own teacher's and compares no two clusters.
    """

    needs_clusters = True

    def value(self, student_BD: Tensor, teacher_BD: Tensor, clusters_B: Tensor | None, mix: Mix | None) -> Tensor:
        """See the class."""
        assert clusters_B is not None, "forward asks for clusters"
        student_BD, teacher_BD = functional.normalize(student_BD, dim=1), functional.normalize(teacher_BD, dim=1)
        if mix is not None:
            teacher_BD = mix.blend(teacher_BD)
        names, place_B = torch.unique(clusters_B, return_inverse=True)
        # A sum points where the mean does, and the cosine looks at nothing else.
        centres = torch.zeros(len(names), student_BD.shape[1], device=student_BD.device)
        student_centres = centres.index_add(0, place_B, student_BD)
        teacher_centres = centres.index_add(0, place_B, teacher_BD)
        return -functional.cosine_similarity(student_centres, teacher_centres, dim=1).mean()


class HybridLoss(Loss):
    """`alignment_weight * cosine + contrastive_weight * cluster_aware + cross_cluster_weight * cross_cluster`.

    Args:
        temperature: Of the contrastive term, above 0.
        alignment_weight: Of the cosine.
        contrastive_weight: Of the contrast between clusters.
        cross_cluster_weight: Of the clusters' centres.

    Source:
        S-SONDO code, "hybrid", whose contrastive term has the fault that `ClusterAwareLoss` names. With mixup the code
        stops with an error, and its method mixes the first term alone; here all three know of the mixing.
    """

    needs_clusters = True

    def __init__(
        self,
        temperature: float = 0.07,
        alignment_weight: float = 1.0,
        contrastive_weight: float = 1.0,
        cross_cluster_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.alignment, self.contrastive = CosineLoss(), ClusterAwareLoss(temperature)
        self.cross_cluster = CrossClusterLoss()
        self.weights = (alignment_weight, contrastive_weight, cross_cluster_weight)

    def value(self, student_BD: Tensor, teacher_BD: Tensor, clusters_B: Tensor | None, mix: Mix | None) -> Tensor:
        """See the class."""
        parts = (self.alignment, self.contrastive, self.cross_cluster)
        values = [part(student_BD, teacher_BD, clusters_B=clusters_B, mix=mix) for part in parts]
        return torch.stack([weight * value for weight, value in zip(self.weights, values, strict=True)]).sum()
