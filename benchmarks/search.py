"""Search: how well an index finds clips of the same label, and what the approximate index loses.

    python benchmarks/search.py recall [--rows 100000] [--dim 256]
    python benchmarks/search.py labels BANK RUN [--teacher modulation]

`recall` fills an index with made vectors (a mixture of 1,000 Gaussians on the sphere, and as many drawn evenly), and
compares its 10 nearest with those of an exact search. `labels` asks with every clip of a labelled bank, its own clip
left out: the share of the 5 nearest that have its label, for the student's own index, and for the teacher's, asked by
the student and by the teacher. Prints Markdown tables.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from sondo.search import Index, IndexInfo, build
from sondo.search import index as index_module
from sondo.search.ask import asker_of

K, QUERIES = 10, 200


def made_vectors(rows: int, dim: int, *, clustered: bool) -> np.ndarray:
    """Unit vectors (rows, dim)."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((rows, dim), dtype=np.float32)
    if clustered:
        centres = random.standard_normal((1_000, dim), dtype=np.float32)
        vectors = centres[random.integers(len(centres), size=rows)] + 0.7 * vectors
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def recall(rows: int, dim: int) -> None:
    """The approximate index beside an exact search."""
    print(f"{rows:,} vectors of {dim} values, {QUERIES} queries, {K} nearest\n")
    print("| vectors | built in s | recall | ms a query | exact, ms |")
    print("| --- | --- | --- | --- | --- |")
    for clustered in (True, False):
        vectors = made_vectors(rows + QUERIES, dim, clustered=clustered)
        with tempfile.TemporaryDirectory() as folder:
            line = _recall(Path(folder) / "index.lance", vectors)
        print(f"| {'1,000 clusters' if clustered else 'even'} | {line}", flush=True)


def _recall(path: Path, vectors: np.ndarray) -> str:
    stored, queries = vectors[:-QUERIES], vectors[-QUERIES:]
    info = IndexInfo(
        kind="student",
        space_id="made",
        model="made",
        embedding_dim=vectors.shape[1],
        sample_rate=32_000,
        licence="none",
    )
    index = Index.create(path, info)
    place = {"offset_s": 0.0, "duration_s": 10.0, "labels": None, "file_bytes": 0, "file_mtime_ns": 0}
    index.append([{"uri": f"{row}", **place} for row in range(len(stored))], stored)
    index_module.ANN_FROM_ROWS = 1
    start = time.perf_counter()
    index.finish()
    built_s = time.perf_counter() - start
    times: dict[bool, list[float]] = {True: [], False: []}
    shares = []
    for query in queries:
        found = {}
        for exact in (True, False):
            start = time.perf_counter()
            found[exact] = {hit.uri for hit in index.nearest(query, space_id="made", k=K, exact=exact)}
            times[exact].append(1000 * (time.perf_counter() - start))
        shares.append(len(found[True] & found[False]) / K)
    fast, slow = statistics.median(times[False]), statistics.median(times[True])
    return f"{built_s:.0f} | {100 * statistics.mean(shares):.1f} % | {fast:.1f} | {slow:.1f} |"


def labels(bank: Path, run: Path, teacher: str) -> None:
    """Precision at 5 by label."""
    print("| index | asked by | precision at 5 |")
    print("| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        student_index, teacher_index = Path(folder) / "student.lance", Path(folder) / "teacher.lance"
        build(bank, student_index, model=run)
        build(bank, teacher_index, teacher=teacher)
        for path, asker in (
            (student_index, None),
            (teacher_index, str(run)),
            (teacher_index, f"teacher:{teacher}"),
        ):
            value = _precision(Index(path), asker)
            print(f"| {path.stem} | {'student' if asker in (None, str(run)) else 'teacher'} | {100 * value:.1f} % |")


def _precision(index: Index, model: str | None, k: int = 5) -> float:
    asker = asker_of(index, model)
    every = index.nearest(np.ones(index.info.embedding_dim), space_id=index.info.space_id, k=len(index), exact=True)
    shares = []
    for clip in every:
        hits = index.nearest(asker.embed(Path(clip.uri)), space_id=asker.space_id, k=k + 1)
        others = [hit for hit in hits if hit.uri != clip.uri][:k]
        shares.append(statistics.mean(bool(set(hit.labels) & set(clip.labels)) for hit in others))
    return statistics.mean(shares)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser()
    what = parser.add_subparsers(dest="what", required=True)
    of_recall = what.add_parser("recall")
    of_recall.add_argument("--rows", type=int, default=100_000)
    of_recall.add_argument("--dim", type=int, default=256)
    of_labels = what.add_parser("labels")
    of_labels.add_argument("bank", type=Path)
    of_labels.add_argument("run", type=Path)
    of_labels.add_argument("--teacher", default="modulation")
    options = parser.parse_args()
    if options.what == "recall":
        recall(options.rows, options.dim)
    else:
        labels(options.bank, options.run, options.teacher)


if __name__ == "__main__":
    main()
