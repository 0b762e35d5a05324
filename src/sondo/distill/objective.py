"""What training asks of an embedding: to meet its teachers, to tell the clip's labels, or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from sondo.distill.augment import Mix
from sondo.distill.data import Batch
from sondo.distill.geometry import TargetGeometry
from sondo.distill.losses import BCELoss, Loss, Matryoshka, PointwiseLoss, prefix_embeddings
from sondo.distill.several import combine_losses


class Objective(nn.Module):
    """`supervised * labels + (1 - supervised) * teachers`: one number to minimise, and the heads that lead there.

    Args:
        projectors: For each teacher, a module from (batch, student dim) to (batch, teacher dim).
        norm: What the embedding goes through before the teachers' heads; nothing if left out.
        losses: For each teacher a `sondo.distill.losses.Loss`.
        names: What to call the teachers in the log.
        geometries: For each teacher, what is done to its vectors before they are compared.
        online: For each teacher, whether it listens in training: then its vectors are of the mixed clips already.
        matryoshka: Lengths of the embedding that are each asked to do it; the whole alone when empty.
        teacher_dropping: See `sondo.distill.several`; in training only.
        classifier: A module from (batch, student dim) to (batch, classes); None where no labels are asked for.
        supervised: The labels' share, from 0 to 1.

    Source: S-SONDO's public code, `lambda * prediction loss + (1 - lambda) * distillation loss`.
    """

    def __init__(
        self,
        projectors: Sequence[nn.Module],
        losses: Sequence[nn.Module],
        *,
        names: Sequence[str],
        norm: nn.BatchNorm1d | None = None,
        geometries: Sequence[TargetGeometry] = (),
        online: Sequence[bool] = (),
        matryoshka: Sequence[int] = (),
        teacher_dropping: float = 0.0,
        classifier: nn.Module | None = None,
        supervised: float = 0.0,
    ) -> None:
        super().__init__()
        assert len(projectors) == len(losses) == len(names), "each teacher has a mapping head, a loss and a name"
        assert (classifier is not None) == (supervised > 0), "labels are asked for with a share above 0"
        assert len(projectors) > 0 or supervised == 1, "without a teacher there are labels alone"
        self.projectors, self.losses, self.norm = nn.ModuleList(projectors), nn.ModuleList(losses), norm
        self.geometries = nn.ModuleList(geometries or [nn.Identity() for _ in projectors])
        self.classifier, self.bce = classifier, BCELoss()
        self._names, self._online = list(names), list(online) or [False] * len(projectors)
        self._dims, self._teacher_dropping, self._supervised = list(matryoshka), teacher_dropping, supervised

    def forward(self, embedding_BD: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and its parts by name where it has several.

        Shape:
            (batch, student dim) -> scalar.
        """
        parts: dict[str, Tensor] = {}
        total = embedding_BD.new_zeros(())
        if len(self.projectors):
            seen_BD = embedding_BD if self.norm is None else self.norm(embedding_BD)
            values = self._values(self._prefixes(seen_BD), batch)
            if len(values) > 1:
                parts |= {name: value.mean() for name, value in zip(self._names, values, strict=True)}
            taught = combine_losses(values, drop_probability=self._teacher_dropping if self.training else 0.0)
            parts |= {"distillation": taught} if self.classifier is not None else {}
            total = total + (1.0 - self._supervised) * taught
        if self.classifier is not None:
            assert batch.labels is not None, "the data brings labels where they are asked for"
            logits = [self.classifier(prefix) for prefix in self._prefixes(embedding_BD)]
            told = _value(self.bce, logits, batch.labels, None, batch.mix)
            parts |= {"labels": told} if len(self.projectors) else {}
            total = total + self._supervised * told
        return total, parts

    def _prefixes(self, embedding_BD: Tensor) -> list[Tensor]:
        return prefix_embeddings(embedding_BD, self._dims) if self._dims else [embedding_BD]

    def _values(self, prefixes: list[Tensor], batch: Batch) -> list[Tensor]:
        """Each teacher's loss; one value for each clip where teachers may be dropped and the loss can tell clips."""
        by_clip = self.training and self._teacher_dropping > 0
        values = []
        for loss, projector, geometry, online, target in zip(
            self.losses, self.projectors, self.geometries, self._online, batch.targets, strict=True
        ):
            mapped = [projector(prefix) for prefix in prefixes]
            mix = None if online else batch.mix
            values.append(_value(cast(Loss, loss), mapped, geometry(target), batch.clusters, mix, by_clip=by_clip))
        return values


def _value(
    loss: Loss, mapped: list[Tensor], target: Tensor, clusters: Tensor | None, mix: Mix | None, *, by_clip: bool = False
) -> Tensor:
    if len(mapped) > 1:
        return cast(Tensor, Matryoshka(loss)(mapped, target, clusters_B=clusters, mix=mix))
    if by_clip and isinstance(loss, PointwiseLoss):
        return loss.of_each_clip(mapped[0], target, mix=mix)
    return cast(Tensor, loss(mapped[0], target, clusters_B=clusters, mix=mix))
