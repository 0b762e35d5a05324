"""What is left of training's heads: one plain mapping head for each teacher, from the embedding into its own space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

from sondo.distill.batch_norm import measure_batch_norms, scaling_of
from sondo.distill.data import Batch
from sondo.distill.geometry import TargetGeometry
from sondo.students import Projector, ProjectorEnsemble, Student


def finish(
    student: Student,
    heads: Sequence[Projector | ProjectorEnsemble],
    geometries: Sequence[TargetGeometry],
    batches: Callable[[], Iterable[Batch]],
    *,
    norm: nn.BatchNorm1d | None = None,
) -> list[Projector]:
    """Measure what training only estimated, and fold all that stands around the heads into them.

    A loss that looks at directions leaves the length of what a head gives to chance. In the teacher's own space, to
    which the mean comes back, the length counts: each head is scaled by the factor of least squares,
    ``sum(target . mapped) / sum(mapped . mapped)``.

    Args:
        student: The student; its batch norms are measured again.
        heads: As training left them, one for each teacher.
        geometries: What training did to each teacher's vectors.
        batches: Gives batches, as often as it is called.
        norm: What training put between the embedding and the heads.

    Returns:
        For each teacher a head from (batch, student dim) to (batch, teacher dim).
    """
    measure_batch_norms(student, batches, behind=norm)
    projectors = [head.merged() if isinstance(head, ProjectorEnsemble) else head for head in heads]
    for projector in projectors:
        projector.eval()
        if norm is not None:
            projector.prepend_scaling(*scaling_of(norm))
    for projector, geometry, factor in zip(
        projectors, geometries, _factors(student, projectors, geometries, batches), strict=True
    ):
        weight, bias = geometry.as_linear()
        projector.append_linear(factor * weight, bias)
    return projectors


def _factors(
    student: Student,
    projectors: Sequence[Projector],
    geometries: Sequence[TargetGeometry],
    batches: Callable[[], Iterable[Batch]],
) -> list[float]:
    """The factor of each head; 1 where no geometry brings a mean back, or where the head points away."""
    along, square = [0.0] * len(projectors), [0.0] * len(projectors)
    if all(geometry.kind == "none" for geometry in geometries):
        return [1.0] * len(projectors)
    student.eval()
    with torch.no_grad():
        for batch in batches():
            embedding = student.embed_log_mel(batch.log_mel)
            for index, (projector, geometry) in enumerate(zip(projectors, geometries, strict=True)):
                mapped, target = projector(embedding).double(), geometry(batch.targets[index]).double()
                along[index] += float((target * mapped).sum())
                square[index] += float(mapped.square().sum())
    return [
        a / s if geometry.kind != "none" and a > 0 else 1.0
        for a, s, geometry in zip(along, square, geometries, strict=True)
    ]
