"""Clusters of a teacher's vectors as columns of the bank: flat ones, or a hierarchy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sondo.bank import Bank
from sondo.distill.hierarchical_kmeans import RESAMPLING_STEPS, fit_hierarchy, work
from sondo.distill.kmeans import assign, fit_kmeans, num_passes
from sondo.errors import SondoError
from sondo.recipe import ClusterConfig
from sondo.screen import say, track

DEFAULT_K = 50
PARENTS = "parents"


def default_k(num_clips: int) -> int:
    """The paper's 50 clusters, or one for every four clips of a bank of fewer than 200."""
    return max(1, min(DEFAULT_K, num_clips // 4))


def configured_k(config: ClusterConfig, num_clips: int) -> int | list[int]:
    """The number of clusters that a configuration asks for, or those of each level of a hierarchy."""
    return config.hierarchy or config.k or default_k(num_clips)


def cluster_column(teacher_column: str, k: int | Sequence[int]) -> str:
    """`teacher.<name>` and 50 to `cluster.<name>.50`; with the levels 200 and 50, to `cluster.<name>.200-50`."""
    return f"cluster.{teacher_column.removeprefix('teacher.')}.{'-'.join(map(str, _levels(k)))}"


def cluster_origin(bank: Bank, teacher_column: str, k: int | Sequence[int], seed: int) -> dict[str, Any]:
    """What identifies a clustering: the vectors that it was fitted on, how, k and the seed."""
    flat = isinstance(k, int)
    return {
        "stage": "cluster",
        "method": "minibatch-kmeans" if flat else "hierarchical-kmeans",
        "teacher": bank.origin(teacher_column),
        "num_clips": len(bank),
        "k": k if flat else list(_levels(k)),
        "seed": seed,
        **({} if flat else {"resampling_steps": RESAMPLING_STEPS}),
    }


def cluster(bank: Bank, *, teacher: str, k: int | Sequence[int], seed: int = 0) -> str:
    """Add the column of cluster numbers of a teacher's vectors.

    The vectors are streamed; memory does not grow with the bank but by some bytes a clip. A clustering that stands for
    the same vectors, k and seed is left alone; one of vectors that have changed is named and made again. The column of
    a hierarchy holds the clusters of its finest level; its metadata know the way up, see `read_clusters`.

    Args:
        bank: The bank.
        teacher: The teacher's column, `teacher.<name>`.
        k: Number of clusters; several are the levels of a hierarchy, the finest first.
        seed: Of the sample, the order and the centres.

    Returns:
        The column's name, `cluster.<name>.<k>`, with the levels of a hierarchy joined by dashes.

    Raises:
        SondoError: The teacher's column is absent or not complete, there are fewer clips than clusters, a seed that
            scikit-learn does not take, or a bank that cannot be written and lacks the column.

    Source: S-SONDO section 2 (MiniBatchKMeans, k = 50); for hierarchies see `sondo.distill.hierarchical_kmeans`.
    """
    # refuses levels that do not fall, and seeds that scikit-learn does not take
    ClusterConfig(hierarchy=None if isinstance(k, int) else list(k), seed=seed)
    with bank.lock(or_read=True):
        require_complete(bank, teacher)
        num_clips = len(bank)
        if not 1 <= max(_levels(k)) <= num_clips:
            raise SondoError(f"{max(_levels(k))} clusters of {num_clips} clips: ask for 1 to {num_clips}")
        column, origin = cluster_column(teacher, k), cluster_origin(bank, teacher, k, seed)
        standing = bank.origin(column)
        if _identity(standing) == origin and bank.num_missing(column) == 0:
            say(f"cluster: {column} is there for all {num_clips} clips")
            return column
        bank.check_writable()
        if standing is not None:
            say(f"cluster: {column} was made from other vectors or another seed; it is made again")
        numbers, parents = _fit(bank, teacher, k, seed)
        notes = {PARENTS: parents} if parents else {}
        bank.add_column(column, pa.int32(), iter([pa.array(numbers)]), origin | notes)
    return column


def read_clusters(bank: Bank, column: str) -> NDArray[np.int64]:
    """The clusters of every clip.

    Returns:
        (clips, levels), the finest level first; a flat clustering has one level.

    Raises:
        SondoError: The column is absent, or stale: made from other vectors than the teacher's column holds now.
    """
    teacher = f"teacher.{column.removeprefix('cluster.').rpartition('.')[0]}"
    origin = bank.origin(column)
    if origin is None:
        there = bank.columns("cluster")
        options = [_option(one) for one in there if one.rpartition(".")[0] == column.rpartition(".")[0]]
        raise SondoError(
            f"{bank.path} has no column {column} (clusters there: {', '.join(there) or 'none'}): run `sondo cluster` "
            f"first{', or take those that are there: ' if options else ''}{' or '.join(options)}"
        )
    if _identity(origin) != cluster_origin(bank, teacher, origin["k"], origin["seed"]):
        raise SondoError(
            f"{bank.path}: column {column} is stale: it was made from other vectors than {teacher} holds now. "
            "Run `sondo cluster` again"
        )
    levels = [np.asarray(bank.read([column]).column(0).to_numpy(), dtype=np.int64)]
    for parents in origin.get(PARENTS, []):
        levels.append(np.asarray(parents)[levels[-1]])
    return np.stack(levels, axis=1)


def require_complete(bank: Bank, column: str) -> None:
    """Refuse to go on with a column that is absent or has gaps.

    Raises:
        SondoError: Says which stage to run.
    """
    if not bank.has_column(column):
        there = ", ".join(bank.columns("teacher")) or "none"
        raise SondoError(f"{bank.path} has no column {column} (teachers there: {there}): run `sondo teach` first")
    missing = bank.num_missing(column)
    if missing:
        raise SondoError(f"{column} is missing for {missing} of {len(bank)} clips: run `sondo teach` again")


def bank_vectors(bank: Bank, column: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The vectors of some rows, (rows, dim)."""
    values = bank.take(rows, [column]).column(0).combine_chunks()
    return np.asarray(values.flatten().to_numpy().astype(np.float32).reshape(len(rows), -1))


def _fit(bank: Bank, column: str, k: int | Sequence[int], seed: int) -> tuple[NDArray[np.int32], list[list[int]]]:
    num_clips = len(bank)

    def take(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return bank_vectors(bank, column, rows)

    if isinstance(k, int):
        with track("cluster", total=(num_passes(num_clips, k) + 1) * num_clips) as line:
            centres = fit_kmeans(take, np.arange(num_clips), k, seed=seed, advance=line.advance)
            return assign(take, num_clips, centres, advance=line.advance)[0], []
    with track("cluster", total=work(num_clips, k)) as line:
        return fit_hierarchy(take, num_clips, k, seed=seed, advance=line.advance)


def _option(column: str) -> str:
    """The option that takes a column of clusters."""
    levels = column.rpartition(".")[2].split("-")
    return f"--cluster.k {levels[0]}" if len(levels) == 1 else f"--cluster.hierarchy '[{', '.join(levels)}]'"


def _levels(k: int | Sequence[int]) -> Sequence[int]:
    return [k] if isinstance(k, int) else k


def _identity(origin: dict[str, Any] | None) -> dict[str, Any] | None:
    """An origin without what the fit gave."""
    return None if origin is None else {key: value for key, value in origin.items() if key != PARENTS}
