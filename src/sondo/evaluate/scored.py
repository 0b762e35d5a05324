"""A model's scores on a task, kept beside its vectors: a table that was interrupted goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.evaluate.cache import VectorCache
from sondo.evaluate.contender import Contender, vectors_of
from sondo.evaluate.copies import told_copies
from sondo.evaluate.intervals import Interval
from sondo.evaluate.knn import NUM_NEIGHBOURS, knn_score
from sondo.evaluate.probe import GRID
from sondo.evaluate.score import ProbeResult, TestPart, evaluate_vectors
from sondo.evaluate.task import Task
from sondo.scratch import replacing


class Scored(NamedTuple):
    """What the probe and the neighbours say of a model on a task."""

    probe: ProbeResult
    knn: float
    ci95_knn: Interval
    note: str
    """Of the task, with what the vectors tell of its clips."""


def score_contender(task: Task, contender: Contender, *, cache: Path | None, seeds: int) -> Scored:
    """Embed, probe and ask the neighbours; or read what an earlier call with the same clips, model and labels wrote.

    Args:
        task: The task.
        contender: The model.
        cache: Folder of vectors and scores that are kept; None to keep none.
        seeds: As for `evaluate_vectors`.

    Raises:
        SondoError: A file cannot be embedded, or a kept file cannot be read.
    """
    file = None if cache is None or not contender.is_told else _file(task, contender, cache, seeds)
    if file is not None and file.exists():
        return _read(file)
    vectors = vectors_of(task, contender, cache)
    note = told_copies(task, vectors).note
    scored = Scored(evaluate_vectors(task, vectors, seeds=seeds), *knn_score(task, vectors), note)
    if file is not None:
        _write(file, scored)
    return scored


def _file(task: Task, contender: Contender, cache: Path, seeds: int) -> Path:
    """Named after everything that the scores depend on."""
    kept = VectorCache(folder=cache, space=contender.space)
    depends_on = {
        "clips": kept.index(task),
        "labels": [task.labels, task.judged, task.folds, task.splits, task.groups],
        "note": task.note,
        "probe": [task.metric, contender.num_kept, seeds, GRID, NUM_NEIGHBOURS],
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
    return kept.folder_of(task) / f"scores-{digest}.npz"


def _write(file: Path, scored: Scored) -> None:
    probe = scored.probe
    about = {
        "metric": probe.metric,
        "score": probe.score,
        "ci95": probe.ci95,
        "per_fold": probe.per_fold,
        "chosen_c": probe.chosen_c,
        "interval": probe.interval,
        "per_seed": probe.per_seed,
        "knn": scored.knn,
        "ci95_knn": scored.ci95_knn,
        "note": scored.note,
    }
    arrays: dict[str, NDArray[Any]] = {"about": np.array(json.dumps(about))}
    for number, part in enumerate(probe.parts):
        arrays |= {f"clips{number}": part.clips, f"decision{number}": part.decision}
    with replacing(file) as scratch, scratch.open("wb") as target:
        np.savez(target, allow_pickle=False, **arrays)


def _read(file: Path) -> Scored:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            count = len(about["per_fold"])
            parts = tuple(TestPart(arrays[f"clips{i}"], arrays[f"decision{i}"]) for i in range(count))
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise SondoError(f"{file} cannot be read ({error}): remove it, and the model is scored again") from error
    probe = ProbeResult(
        metric=about["metric"],
        score=about["score"],
        ci95=Interval(*about["ci95"]),
        per_fold=tuple(about["per_fold"]),
        chosen_c=tuple(about["chosen_c"]),
        interval=about["interval"],
        parts=parts,
        per_seed=tuple(about["per_seed"]),
    )
    return Scored(probe, about["knn"], Interval(*about["ci95_knn"]), about["note"])
