"""The mapping head that lifts a student's embedding into its teacher's space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

DROPOUT = 0.2


class Projector(nn.Module):
    """The mapping head: the paper's two linear layers with a hard swish and dropout between them, or one linear layer.

    Args:
        student_dim: Values of the student's embedding.
        hidden_dim: Values between the two layers, 1280 times the width for MobileNetV3; None for one layer alone.
        embedding_dim: Values of the teacher's embedding.
        dropout: Share of hidden values that training sets to zero.

    Shape:
        (..., student_dim) -> (..., embedding_dim).

    Source:
        El Adlouni et al. 2026 (arXiv 2604.24933), section 2; tensor names `mlp.0`, `mlp.3` of its checkpoints.
    """

    def __init__(
        self, student_dim: int, *, hidden_dim: int | None, embedding_dim: int, dropout: float = DROPOUT
    ) -> None:
        super().__init__()
        self.student_dim, self.hidden_dim, self.embedding_dim = student_dim, hidden_dim, embedding_dim
        if hidden_dim is None:
            self.mlp = nn.Sequential(nn.Linear(student_dim, embedding_dim))
            return
        self.mlp = nn.Sequential(
            nn.Linear(student_dim, hidden_dim),
            nn.Hardswish(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, embedding_dim),
        )

    def append_linear(self, weight: Tensor, bias: Tensor) -> None:
        """Fold a linear layer that would come behind into the last one.

        Shape:
            weight (embedding_dim, embedding_dim), bias (embedding_dim,).
        """
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear), "the mapping head ends in a linear layer"
        with torch.no_grad():
            last.bias.copy_(weight.double() @ last.bias.double() + bias.double())
            last.weight.copy_(weight.double() @ last.weight.double())

    def prepend_scaling(self, mean: Tensor, deviation: Tensor) -> None:
        """Fold `(embedding - mean) / deviation`, that would come before, into the first layer.

        Shape:
            mean, deviation (student_dim,).
        """
        first = self.mlp[0]
        assert isinstance(first, nn.Linear), "the mapping head begins with a linear layer"
        with torch.no_grad():
            scaled = first.weight.double() / deviation.double()
            first.bias.copy_(first.bias.double() - scaled @ mean.double())
            first.weight.copy_(scaled)

    def forward(self, embedding: Tensor) -> Tensor:
        """Map student embeddings into the teacher's space."""
        mapped: Tensor = self.mlp(embedding)
        return mapped


class ProjectorEnsemble(nn.Module):
    """Several mapping heads that start from unlike random weights and give the mean of what each gives.

    The mean of heads with one hidden layer is a head whose hidden layer is theirs side by side: `merged` gives that
    one, so that what is kept and loaded is a `Projector` like any other. In training the two differ by the size of the
    first weights and of the optimiser's steps; the hidden layer is as many times wider either way.

    Args:
        projectors: The heads, from and into the same spaces.

    Shape:
        (..., student_dim) -> (..., embedding_dim).

    Source: projector ensemble (Chen et al. 2022, arXiv 2210.15274), section 3, whose projectors are one layer each.
    """

    def __init__(self, projectors: Sequence[Projector]) -> None:
        super().__init__()
        self.projectors = nn.ModuleList(projectors)

    def forward(self, embedding: Tensor) -> Tensor:
        """Map student embeddings into the teacher's space."""
        return torch.stack([projector(embedding) for projector in self.projectors]).mean(0)

    def merged(self) -> Projector:
        """One head that gives what the ensemble gives, outside training."""
        each: list[Any] = list(self.projectors)
        firsts, lasts = [head.mlp[0] for head in each], [head.mlp[3] for head in each]
        one = Projector(
            each[0].student_dim,
            hidden_dim=sum(head.mlp[0].out_features for head in each),
            embedding_dim=each[0].embedding_dim,
            dropout=each[0].mlp[2].p,
        )
        one.load_state_dict(
            {
                "mlp.0.weight": torch.cat([layer.weight for layer in firsts]),
                "mlp.0.bias": torch.cat([layer.bias for layer in firsts]),
                "mlp.3.weight": torch.cat([layer.weight for layer in lasts], dim=1) / len(each),
                "mlp.3.bias": torch.stack([layer.bias for layer in lasts]).mean(0),
            }
        )
        return one
