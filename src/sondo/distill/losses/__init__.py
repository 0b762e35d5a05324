"""What the student is asked to minimise: small modules, `forward(student_BD, teacher_BD, *, clusters_B, mix) ->
scalar`.

`create` makes one by name, or a weighted sum of several; the training module receives the object and never compares
names. See `base.Loss` for what all of them keep to.
"""

from __future__ import annotations

from sondo.distill.losses.base import Loss, PointwiseLoss
from sondo.distill.losses.bce import BCELoss
from sondo.distill.losses.contrastive import ClapLoss, ClusterAwareLoss, NegClustersLoss, RealContrastiveLoss
from sondo.distill.losses.cosine import CosineLoss
from sondo.distill.losses.hybrid import CrossClusterLoss, HybridLoss
from sondo.distill.losses.kl import KLLoss
from sondo.distill.losses.l1 import L1Loss
from sondo.distill.losses.matryoshka import Matryoshka, prefix_embeddings
from sondo.distill.losses.mse import MSELoss
from sondo.distill.losses.pairwise_similarity import PairwiseSimilarityLoss
from sondo.distill.losses.queue_kl import QueueKLLoss
from sondo.distill.losses.spread_out import SpreadOutLoss
from sondo.distill.losses.weighted_sum import WeightedSum, parse

LOSSES: dict[str, type[Loss]] = {
    "clap": ClapLoss,
    "cluster_aware": ClusterAwareLoss,
    "cosine": CosineLoss,
    "cross_cluster": CrossClusterLoss,
    "hybrid": HybridLoss,
    "kl": KLLoss,
    "l1": L1Loss,
    "mse": MSELoss,
    "neg_clusters": NegClustersLoss,
    "pairwise_similarity": PairwiseSimilarityLoss,
    "queue_kl": QueueKLLoss,
    "real_contrastive": RealContrastiveLoss,
    "spread_out": SpreadOutLoss,
}

__all__ = [
    "LOSSES",
    "BCELoss",
    "ClapLoss",
    "ClusterAwareLoss",
    "CosineLoss",
    "CrossClusterLoss",
    "HybridLoss",
    "KLLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "Matryoshka",
    "NegClustersLoss",
    "PairwiseSimilarityLoss",
    "PointwiseLoss",
    "QueueKLLoss",
    "RealContrastiveLoss",
    "SpreadOutLoss",
    "WeightedSum",
    "create",
    "prefix_embeddings",
]


def create(spec: str, *, teacher_dim: int | None = None) -> Loss:
    """Make a loss from its name, or a sum: `"cosine"`, `"cosine + 0.5 * clap(temperature=0.1)"`.

    Args:
        spec: Names of `LOSSES`, each with options in brackets, weighed by numbers and added.
        teacher_dim: Values of the teacher's vector; `queue_kl` needs it.

    Raises:
        SondoError: A text of another kind, an unknown loss or option (the message lists what exists), or a value that
            does not fit.
    """
    return parse(spec, LOSSES, teacher_dim=teacher_dim)
