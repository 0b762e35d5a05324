"""`sondo cluster`."""

from __future__ import annotations

from typing import Any

import jsonargparse

from sondo.cli.shared import add_teachers, teacher_columns

HELP = "stage 3: clusters of a teacher's vectors into the bank"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("--bank", required=True, help="the bank")
    add_teachers(verb)
    verb.add_argument("--k", type=int | None, help="number of clusters; 50, or fewer for a bank of under 200 clips")
    verb.add_argument("--seed", type=int, default=0, help="seed of k-means")


def run(settings: Any) -> None:
    """Add a column of clusters for each teacher."""
    from sondo.errors import require
    from sondo.screen import tell

    require("torch", extra="train", why="Clustering needs scikit-learn and lance")
    from sondo.bank import Bank
    from sondo.distill.cluster import cluster, default_k

    bank = Bank(settings.bank)
    for teacher in teacher_columns(settings):
        column = cluster(bank, teacher=teacher, k=settings.k or default_k(len(bank)), seed=settings.seed)
        tell(f"{settings.bank}: column {column}")
