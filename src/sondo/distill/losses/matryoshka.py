"""Embeddings that may be cut: the first values alone already meet the teacher."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sondo.distill.augment import Mix
from sondo.distill.losses.base import Loss
from sondo.errors import SondoError


def prefix_embeddings(embedding_BD: Tensor, dims: Sequence[int]) -> list[Tensor]:
    """The embedding cut after each of `dims` values, as a mapping head for whole embeddings takes it.

    What is cut off is zero: the head's first layer then adds up its first `dim` columns and its bias alone, so one head
    serves all prefixes and none is added for a smaller one (the weight-tied form of the paper).

    Args:
        embedding_BD: The student's embedding, before its mapping head.
        dims: Values that stay, e.g. `[64, 256, 960]`; name the whole length too if it is to be trained.

    Shape:
        (batch, embedding_dim) -> list of (batch, embedding_dim), one for each of `dims`.

    Raises:
        SondoError: A length outside 1 to embedding_dim, or none at all.

    Source: Matryoshka representation learning (Kusupati et al. 2022, arXiv 2205.13147), section 3, MRL-E.
    """
    whole = embedding_BD.shape[1]
    if not dims or not all(1 <= dim <= whole for dim in dims):
        raise SondoError(
            f"matryoshka dims {list(dims)} do not fit an embedding of {whole} values: each is from 1 to {whole}"
        )
    kept = torch.arange(whole, device=embedding_BD.device)
    return [embedding_BD if dim == whole else embedding_BD.masked_fill(kept >= dim, 0.0) for dim in dims]


class Matryoshka(nn.Module):
    """The mean of one loss over the mapped prefixes of an embedding.

    Args:
        loss: The loss; what it remembers of a batch (`queue_kl`) it remembers once.

    Shape:
        list of (batch, teacher dim), (batch, teacher dim) -> scalar.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss
        self.needs_clusters = loss.needs_clusters

    def forward(
        self,
        students: Sequence[Tensor],
        teacher_BD: Tensor,
        *,
        clusters_B: Tensor | None = None,
        mix: Mix | None = None,
    ) -> Tensor:
        """Compare each mapped prefix with the teacher."""
        first, *others = students
        values = [self.loss(first, teacher_BD, clusters_B=clusters_B, mix=mix)]
        was_training = self.loss.training
        self.loss.eval()
        values += [self.loss(other, teacher_BD, clusters_B=clusters_B, mix=mix) for other in others]
        self.loss.train(was_training)
        return torch.stack(values).mean()
