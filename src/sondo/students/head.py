"""The mapping head that lifts a student's embedding into its teacher's space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

DROPOUT = 0.2


class Projector(nn.Module):
    """The paper's mapping head: two linear layers with a hard swish and dropout between them.

    Args:
        student_dim: Values of the student's embedding.
        hidden_dim: Values between the two layers; 1280 times the width for MobileNetV3.
        embedding_dim: Values of the teacher's embedding.
        dropout: Share of hidden values that training sets to zero.

    Shape:
        (..., student_dim) -> (..., embedding_dim).

    Source:
        El Adlouni et al. 2026 (arXiv 2604.24933), section 2; tensor names `mlp.0`, `mlp.3` of its checkpoints.
    """

    def __init__(self, student_dim: int, *, hidden_dim: int, embedding_dim: int, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.student_dim, self.hidden_dim, self.embedding_dim = student_dim, hidden_dim, embedding_dim
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
        last = self.mlp[3]
        assert isinstance(last, nn.Linear), "the mapping head ends in a linear layer"
        with torch.no_grad():
            last.bias.copy_(weight.double() @ last.bias.double() + bias.double())
            last.weight.copy_(weight.double() @ last.weight.double())

    def forward(self, embedding: Tensor) -> Tensor:
        """Map student embeddings into the teacher's space."""
        mapped: Tensor = self.mlp(embedding)
        return mapped
