"""Clusters of a teacher's vectors: mini-batch k-means, streamed over the bank."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

from sondo.bank import Bank
from sondo.errors import SondoError
from sondo.screen import say, track

DEFAULT_K = 50
INIT_CLIPS_PER_CLUSTER = 100
BATCH_CLIPS = 4096
MIN_STEPS = 20


def default_k(num_clips: int) -> int:
    """The paper's 50 clusters, or one for every four clips of a bank of fewer than 200."""
    return max(1, min(DEFAULT_K, num_clips // 4))


def cluster_column(teacher_column: str, k: int) -> str:
    """`teacher.<name>` and k to `cluster.<name>.<k>`."""
    return f"cluster.{teacher_column.removeprefix('teacher.')}.{k}"


def cluster_origin(bank: Bank, teacher_column: str, k: int, seed: int) -> dict[str, Any]:
    """What identifies a clustering: the vectors that it was fitted on, k and the seed."""
    return {
        "stage": "cluster",
        "method": "minibatch-kmeans",
        "teacher": bank.origin(teacher_column),
        "num_clips": len(bank),
        "k": k,
        "seed": seed,
    }


def cluster(bank: Bank, *, teacher: str, k: int, seed: int = 0) -> str:
    """Add the column of cluster numbers of a teacher's vectors.

    k-means++ centres are found on a random sample, then refined by `partial_fit` over the whole bank in a random
    order that the seed fixes; memory does not grow with the bank. A clustering that stands for the same vectors, k
    and seed is left alone; one of vectors that have changed is named and made again.

    Args:
        bank: The bank.
        teacher: The teacher's column, `teacher.<name>`.
        k: Number of clusters.
        seed: Of the sample, the order and the centres.

    Returns:
        The column's name, `cluster.<name>.<k>`.

    Raises:
        SondoError: The teacher's column is absent or not complete, or there are fewer clips than clusters.

    Source: S-SONDO section 2 (MiniBatchKMeans, k = 50).
    """
    with bank.lock():
        bank.refresh()
        require_complete(bank, teacher)
        num_clips = len(bank)
        if not 1 <= k <= num_clips:
            raise SondoError(f"{k} clusters of {num_clips} clips: give a --k between 1 and {num_clips}")
        column, origin = cluster_column(teacher, k), cluster_origin(bank, teacher, k, seed)
        standing = bank.origin(column)
        if standing == origin and bank.num_missing(column) == 0:
            say(f"cluster: {column} is there for all {num_clips} clips")
            return column
        if standing is not None:
            say(f"cluster: {column} was made from other vectors or another seed; it is made again")
        labels = _fit_predict(bank, teacher, k, seed)
        bank.add_column(column, pa.int32(), iter([pa.array(labels)]), origin)
    return column


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


def _fit_predict(bank: Bank, column: str, k: int, seed: int) -> NDArray[np.int32]:
    num_clips = len(bank)
    generator = np.random.default_rng(seed)
    sample = np.sort(generator.choice(num_clips, size=min(num_clips, INIT_CLIPS_PER_CLUSTER * k), replace=False))
    batch = max(k, min(BATCH_CLIPS, num_clips))
    model = MiniBatchKMeans(k, random_state=seed, batch_size=batch, init_size=len(sample), n_init=3)
    passes = max(1, -(-MIN_STEPS * batch // num_clips)) if num_clips > len(sample) else 0
    with track("cluster", total=(passes + 1) * num_clips) as line:
        model.fit(_vectors(bank, column, sample))
        for _ in range(passes):
            order = generator.permutation(num_clips)
            for first in range(0, num_clips - num_clips % batch, batch):
                model.partial_fit(_vectors(bank, column, np.sort(order[first : first + batch])))
                line.advance(batch)
            line.advance(num_clips % batch)
        labels = []
        for first in range(0, num_clips, BATCH_CLIPS):
            rows = np.arange(first, min(first + BATCH_CLIPS, num_clips))
            labels.append(model.predict(_vectors(bank, column, rows)))
            line.advance(len(rows))
    return np.asarray(np.concatenate(labels), dtype=np.int32)


def _vectors(bank: Bank, column: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    values = bank.take(rows, [column]).column(0).combine_chunks()
    return np.asarray(values.flatten().to_numpy().astype(np.float32).reshape(len(rows), -1))
