"""The table of clusterings on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from sondo.screen import tell, tell_table

if TYPE_CHECKING:
    from sondo.distill.cluster_quality import ClusterQuality


def show_clusters(qualities: Sequence[ClusterQuality]) -> None:
    """One line for each clustering of a teacher, and for each level of a hierarchy.

    Args:
        qualities: At least one, all from one bank.
    """
    first = qualities[0]
    teacher = first.column.removeprefix("cluster.").rpartition(".")[0]
    sample = first.sample_clips
    of = "all of them" if sample == first.num_clips else f"a sample of {sample:,}"
    table = Table(
        title=f"{teacher}: clusters of {first.num_clips:,} clips; scores of {of}",
        title_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("clusters")
    for head in ("empty", "min", "median", "max", "inertia", "silhouette", "CH", "DB"):
        table.add_column(head, justify="right", no_wrap=True)
    for each in qualities:
        name = each.column.rpartition(".")[2]
        scores = (each.silhouette, each.calinski_harabasz, each.davies_bouldin)
        table.add_row(
            name if name == f"{each.k}" else f"{name}, {each.k}",
            f"{each.num_empty}",
            f"{each.smallest}",
            f"{each.median_size:.10g}",
            f"{each.largest}",
            f"{each.inertia:.4g}",
            *("" if score is None else f"{score:.3g}" for score in scores),
        )
    tell_table(table)
    tell("min, median, max: clips in a cluster, of those that have any; CH: Calinski-Harabasz; DB: Davies-Bouldin")
