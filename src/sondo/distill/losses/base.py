"""What all losses share: the call, float32 inside, and the rule for clips that were mixed.

Legend: B = batch, D = values of a teacher's vector, K = classes of a queue.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sondo.distill.augment import Mix
from sondo.errors import SondoError


class Loss(nn.Module):
    """A loss between mapped student vectors and the teacher's; a subclass defines `value`.

    Computed in float32 whatever comes in, under autocast too: half precision has neither the range for the squares of
    thousands of values nor the digits for cosines near 1.

    Args (of the call):
        student_BD: Mapped student vectors.
        teacher_BD: The teacher's vectors of the unmixed clips.
        clusters_B: Number of each clip's cluster, for the losses with `needs_clusters`; others do not look at it.
        mix: What was mixed into each clip; None when nothing was.

    Shape:
        (batch, dim), (batch, dim), clusters (batch,) -> scalar, float32.

    Raises (from the call):
        SondoError: Clusters are needed and were not given.
    """

    needs_clusters: bool = False

    def forward(
        self, student_BD: Tensor, teacher_BD: Tensor, *, clusters_B: Tensor | None = None, mix: Mix | None = None
    ) -> Tensor:
        """See the class."""
        if self.needs_clusters and clusters_B is None:
            raise SondoError(
                f"the loss {type(self).__name__} compares clips by their clusters and was given none: "
                "run `sondo cluster` and train from that bank, or choose a loss without clusters"
            )
        with torch.autocast(student_BD.device.type, enabled=False):
            return self.value(student_BD.float(), teacher_BD.float(), clusters_B, mix)

    def value(self, student_BD: Tensor, teacher_BD: Tensor, clusters_B: Tensor | None, mix: Mix | None) -> Tensor:
        """The loss of float32 vectors outside autocast."""
        raise NotImplementedError


class PointwiseLoss(Loss):
    """A loss that compares each clip with its own target alone; a subclass defines `per_clip`.

    Of a mixed clip it is `weight * per_clip(student, own) + (1 - weight) * per_clip(student, partner)`.
    """

    def value(self, student_BD: Tensor, teacher_BD: Tensor, clusters_B: Tensor | None, mix: Mix | None) -> Tensor:
        """Mean over the batch."""
        return self.values(student_BD, teacher_BD, mix).mean()

    def of_each_clip(self, student_BD: Tensor, teacher_BD: Tensor, *, mix: Mix | None = None) -> Tensor:
        """The loss before its mean over the batch.

        Shape:
            (batch, dim), (batch, dim) -> (batch,), float32.
        """
        with torch.autocast(student_BD.device.type, enabled=False):
            return self.values(student_BD.float(), teacher_BD.float(), mix)

    def values(self, student_BD: Tensor, teacher_BD: Tensor, mix: Mix | None) -> Tensor:
        """Each clip's loss of float32 vectors outside autocast: (batch, dim), (batch, dim) -> (batch,)."""
        own_B = self.per_clip(student_BD, teacher_BD)
        if mix is None:
            return own_B
        return mix.weight_B * own_B + (1.0 - mix.weight_B) * self.per_clip(student_BD, teacher_BD[mix.partner_B])

    def per_clip(self, student_BD: Tensor, teacher_BD: Tensor) -> Tensor:
        """(batch, dim), (batch, dim) -> (batch,)."""
        raise NotImplementedError


def check_temperature(temperature: float) -> float:
    """The temperature, if it can divide.

    Raises:
        SondoError: It is not above 0.
    """
    if not temperature > 0:
        raise SondoError(f"a loss with temperature={temperature} cannot work: set a number above 0, such as 0.07")
    return temperature


def off_diagonal_mean(pairs_BB: Tensor) -> Tensor:
    """Mean over all pairs of two different clips; 0, with a gradient of 0, for a single clip.

    Shape:
        (batch, batch) -> scalar.
    """
    size = len(pairs_BB)
    itself_BB = torch.eye(size, dtype=torch.bool, device=pairs_BB.device)
    return pairs_BB.masked_fill(itself_BB, 0.0).sum() / max(size * (size - 1), 1)
