"""`sondo cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import jsonargparse

from sondo.cli.shared import add_teachers, check_not_online, teacher_columns

HELP = "stage 3: clusters of a teacher's vectors into the bank"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("--bank", required=True, help="the bank")
    add_teachers(verb)
    verb.add_argument(
        "--k",
        type=int,
        nargs="+",
        help="number of clusters, several for a column of each; 50, or fewer for a bank of under 200 clips",
    )
    verb.add_argument(
        "--hierarchy",
        type=int,
        nargs="+",
        help="number of clusters at each level of hierarchical k-means, the finest first, such as 200 50",
    )
    verb.add_argument("--seed", type=int, default=0, help="seed of k-means, of samples and of the projection")
    verb.add_argument("--report", help="folder for the clusters' figures (JSON) and pictures (PNG)")
    verb.add_argument(
        "--projection",
        type=Literal["tsne", "umap", "pca"],
        default="tsne",
        help="how pictures bring the vectors into the plane",
    )


def run(settings: Any) -> None:
    """Add the columns of clusters of each teacher, and report on them if asked to."""
    from sondo.errors import check_places, require
    from sondo.screen import tell

    check_not_online(settings)
    if settings.report is not None:
        check_places(Path(settings.report) / "cluster.json")
        require("matplotlib", extra="report", why="A picture of clusters needs matplotlib")
    require("torch", extra="train", why="Clustering needs scikit-learn and lance")
    from sondo.bank import Bank
    from sondo.distill.cluster import cluster, default_k

    bank = Bank(settings.bank)
    wanted: list[Any] = settings.k or ([] if settings.hierarchy else [default_k(len(bank))])
    if settings.hierarchy:
        wanted = [*wanted, settings.hierarchy]
    for teacher in teacher_columns(settings):
        columns = []
        for k in wanted:
            columns.append(cluster(bank, teacher=teacher, k=k, seed=settings.seed))
            tell(f"{settings.bank}: column {columns[-1]}")  # at once: the next k may be refused
        if settings.report is not None:
            _report(bank, teacher, columns, settings)


def _report(bank: Any, teacher: str, columns: list[str], settings: Any) -> None:
    from sondo.distill.cluster_report import report_clusters
    from sondo.report.cluster_table import show_clusters
    from sondo.screen import tell

    folder = Path(settings.report)
    show_clusters(
        report_clusters(
            bank,
            teacher=teacher,
            columns=columns,
            folder=folder,
            projection=settings.projection,
            seed=settings.seed,
        )
    )
    tell(f"{folder}: cluster.{teacher.removeprefix('teacher.')}.json and a picture of each column")
