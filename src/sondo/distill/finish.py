"""What is left of training's heads: one plain mapping head for each teacher, from the embedding into its own space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from sondo.distill.batch_norm import batch_norms_of, measure_batch_norms, scaling_of
from sondo.distill.data import Batch, DrawnBatches
from sondo.distill.geometry import TargetGeometry
from sondo.screen import track
from sondo.students import Projector, ProjectorEnsemble, Student


def finish(
    student: Student,
    heads: Sequence[Projector | ProjectorEnsemble],
    geometries: Sequence[TargetGeometry],
    batches: DrawnBatches,
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
        batches: What it is measured on.
        norm: What training put between the embedding and the heads.

    Returns:
        For each teacher a head from (batch, student dim) to (batch, teacher dim).
    """
    is_heard = norm is not None or any(geometry.kind != "none" for geometry in geometries)
    has_norms = bool(batch_norms_of(student))
    what = "batch norms" if has_norms else "mapping heads"
    with track(what, total=(has_norms + is_heard) * len(batches), unit="batches") as line:

        def counted() -> Iterator[Batch]:
            for batch in batches:
                yield batch
                line.advance()

        if has_norms:
            measure_batch_norms(student, student.embed_log_mel, (batch.log_mel for batch in counted()))
        student.eval()
        with torch.no_grad():
            heard = [(student.embed_log_mel(batch.log_mel), batch.targets) for batch in counted()] if is_heard else []
    projectors = [head.merged() if isinstance(head, ProjectorEnsemble) else head for head in heads]
    if norm is not None:
        measure_batch_norms(norm, norm, (embedding for embedding, _ in heard))
        for projector in projectors:
            projector.prepend_scaling(*scaling_of(norm))
    for index, (projector, geometry) in enumerate(zip(projectors, geometries, strict=True)):
        projector.eval()
        factor = _factor(projector, geometry, [(embedding, targets[index]) for embedding, targets in heard])
        weight, bias = geometry.as_linear()
        projector.append_linear(factor * weight, bias)
    return projectors


def _factor(projector: Projector, geometry: TargetGeometry, heard: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The factor of a head; 1 where no geometry brings a mean back, or where the head points away."""
    if geometry.kind == "none":
        return 1.0
    along = square = 0.0
    with torch.no_grad():
        for embedding, vectors in heard:
            mapped, target = projector(embedding).double(), geometry(vectors).double()
            along += float((target * mapped).sum())
            square += float(mapped.square().sum())
    return along / square if along > 0 else 1.0
