"""A report on the clusters of a teacher: figures as JSON, and a picture of each clustering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sondo.bank import Bank
from sondo.claim import write_json
from sondo.distill.cluster import bank_vectors, read_clusters
from sondo.distill.cluster_picture import PICTURE_CLIPS, Projection, draw_clusters, project
from sondo.distill.cluster_quality import ClusterQuality, measure_clusters, sample_rows
from sondo.errors import require
from sondo.screen import say

NAMES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}


def report_clusters(
    bank: Bank,
    *,
    teacher: str,
    columns: Sequence[str],
    folder: Path,
    projection: Projection = "tsne",
    seed: int = 0,
) -> list[ClusterQuality]:
    """Measure clusterings and draw them.

    `folder` then holds `cluster.<teacher>.json` and, for each column, a PNG of its name. A hierarchy is coloured by its
    coarsest level. The pictures show the same even sample of the bank, `PICTURE_CLIPS` clips at most.

    Args:
        bank: The bank.
        teacher: The teacher's column.
        columns: The cluster columns, made from that teacher.
        folder: Where the report goes.
        projection: How the vectors come into the plane.
        seed: Of the samples and the projection.

    Returns:
        The figures that the JSON holds.

    Raises:
        SondoError: A column that is absent or stale.
        MissingExtraError: matplotlib or the projection is not installed.
    """
    require("matplotlib", extra="report", why="A picture of clusters needs matplotlib")
    qualities = measure_clusters(bank, teacher=teacher, columns=columns, seed=seed)
    rows = sample_rows(len(bank), PICTURE_CLIPS, seed=seed)
    write_json(
        folder / f"cluster.{teacher.removeprefix('teacher.')}.json",
        {
            "bank": str(bank.path),
            "teacher": teacher,
            "seed": seed,
            "projection": projection,
            "picture_clips": len(rows),
            "clusterings": [asdict(quality) for quality in qualities],
        },
    )
    say(f"cluster: {NAMES[projection]} of {len(rows):,} clips")
    points = project(bank_vectors(bank, teacher, rows), projection, seed=seed)
    labels = _first_labels(bank, rows.tolist())
    for column in columns:
        title = f"{column}, {NAMES[projection]} of {len(rows):,} of {len(bank):,} clips"
        clusters = read_clusters(bank, column)[rows, -1]
        draw_clusters(points, clusters, labels, folder / f"{column}.png", title=title)
    return qualities


def _first_labels(bank: Bank, rows: Sequence[int]) -> list[str | None] | None:
    """The first label of each clip; None where no clip has one."""
    labels = [(of_clip or [None])[0] for of_clip in bank.take(rows, ["labels"]).column(0).to_pylist()]
    return labels if any(label is not None for label in labels) else None
