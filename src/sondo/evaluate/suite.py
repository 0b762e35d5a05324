"""Several models on several tasks: the table of the paper, with one's own models in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sondo.errors import SondoError
from sondo.evaluate.contender import Contender
from sondo.evaluate.copies import told_trained_on
from sondo.evaluate.intervals import Interval, mean_interval
from sondo.evaluate.knn import NUM_NEIGHBOURS
from sondo.evaluate.score import ProbeResult, compare_results
from sondo.evaluate.scored import score_contender
from sondo.evaluate.task import Task
from sondo.evaluate.tasks import load_task, task_info
from sondo.screen import say

SUITES: Mapping[str, tuple[str, ...]] = {"paper": ("openmic", "nsynth", "gtzan", "mtt", "fsd50k", "esc50", "us8k")}
"""The tasks of each suite, in the order of the paper's Table 1."""

_BESIDE = ("retention", "ci95_retention", "chance", "at_chance")
"""What a line of the table has of its comparison with a teacher."""


def find_tasks(names: Sequence[str], root: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Which of the tasks are in a folder, under their own name or that of the published folder.

    Args:
        names: Tasks to look for.
        root: The folder of folders.

    Returns:
        The folder of each task that is there; and for each of the others what was looked for.

    Raises:
        SondoError: No such folder, or none of the tasks is in it.
    """
    if not root.is_dir():
        raise SondoError(f"no such folder: {root}. --data is the folder that holds a folder for each task")
    children = {child.name.lower(): child for child in sorted(root.iterdir()) if child.is_dir()}
    found: dict[str, Path] = {}
    absent: dict[str, str] = {}
    for name in names:
        wanted = list(dict.fromkeys([name, *task_info(name).folders]))
        folder = next((children[one.lower()] for one in wanted if one.lower() in children), None)
        if folder is None:
            absent[name] = f"not in {root}: looked for {', '.join(wanted)}"
        else:
            found[name] = folder
    if not found:
        looked = "; ".join(f"{name}: {reason.partition('looked for ')[2]}" for name, reason in absent.items())
        raise SondoError(f"{root} holds none of the tasks. Looked for the folders {looked}")
    return found, absent


def evaluate_all(
    contenders: Sequence[Contender],
    folders: Mapping[str, Path],
    *,
    baselines: Sequence[int | None],
    cache: Path | None = None,
    seeds: int = 0,
    after_task: Callable[[dict[str, Any]], object] | None = None,
) -> dict[str, Any]:
    """Probe every model on every task, with the same data and the same probe.

    Args:
        contenders: The models.
        folders: Folder of each task by its name.
        baselines: For each model the number of the teacher that it is compared with.
        cache: Folder of vectors and scores that are kept, for the next time.
        seeds: As for `evaluate_vectors`.
        after_task: Called after each task with the results so far.

    Returns:
        `tasks` (what was scored: `title`, `metric`, `clips`, `complete`, `note`, `licence`, `citation`) by name, and
        `rows`, one for each model: `model`, `is_teacher`, `params`, `bytes`, `embedding_dim`, `space`, `licence`,
        `tasks` (by name `metric`, `score`, `ci95`, …, and with a teacher `retention`, `ci95_retention`, `chance` and
        `at_chance`) and `average`. JSON-able.

    Raises:
        SondoError: A task's folder is not as published, or a file cannot be embedded.
    """
    tasks = {name: load_task(name, folder) for name, folder in folders.items()}
    rows: list[dict[str, Any]] = [_about(contender) for contender in contenders]
    done: dict[str, Any] = {}
    for name, task in tasks.items():
        results: list[ProbeResult] = []
        notes: list[str] = []
        for contender, row in zip(contenders, rows, strict=True):
            scored = score_contender(task, contender, cache=cache, seeds=seeds)
            results.append(scored.probe)
            notes.append(scored.note)
            row["tasks"][name] = scored.probe.to_dict() | {"knn": scored.knn, "ci95_knn": list(scored.ci95_knn)}
            title = task_info(name).title or name
            say(f"{title}, {contender.name}: {100 * scored.probe.score:.1f}, kNN {100 * scored.knn:.1f}")
        for row, result, baseline in zip(rows, results, baselines, strict=True):
            if baseline is not None:
                beside = compare_results(task, results[baseline], result)
                row["tasks"][name] |= {key: beside.to_dict()[key] for key in _BESIDE}
        for row, baseline in zip(rows, baselines, strict=True):
            row["baseline"] = None if baseline is None else contenders[baseline].name
            row["average"] = _average(row["tasks"], None if baseline is None else rows[baseline]["tasks"])
        said = [notes[0], *_trained_on(task, contenders)]  # what is alike is so to every model
        done[name] = _about_task(task, folders[name], note="; ".join(filter(None, said)))
        if after_task is not None:
            after_task({"tasks": done, "neighbours": NUM_NEIGHBOURS, "seeds": seeds, "rows": rows})
    return {"tasks": done, "neighbours": NUM_NEIGHBOURS, "seeds": seeds, "rows": rows}


def _average(tasks: Mapping[str, Any], teacher: Mapping[str, Any] | None) -> dict[str, Any]:
    """The mean over tasks, which are independent; the retention is the quotient of the means, as in the paper."""
    count = len(tasks)
    score = _mean(task["score"] for task in tasks.values())
    half = mean_interval([Interval(*task["ci95"]) for task in tasks.values()], [1 / count] * count)
    average: dict[str, Any] = {"score": score, "ci95": [score - half, score + half]}
    average["knn"] = _mean(task["knn"] for task in tasks.values())
    if teacher is not None:
        theirs = [task["score"] for task in teacher.values()]
        retention = score / _mean(theirs)
        intervals = [Interval(*task["ci95_retention"]) for task in tasks.values()]
        half = mean_interval(intervals, [value / sum(theirs) for value in theirs])
        average |= {"retention": retention, "ci95_retention": [retention - half, retention + half]}
    return average


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _about(contender: Contender) -> dict[str, Any]:
    return {
        "model": contender.name,
        "is_teacher": contender.is_teacher,
        "params": contender.num_params,
        "bytes": contender.num_bytes,
        "embedding_dim": contender.embedding_dim,
        "space": contender.space,
        "licence": contender.licence,
        "tasks": {},
    }


def _trained_on(task: Task, contenders: Sequence[Contender]) -> Iterator[str]:
    """Of each model that was fine-tuned on clips of the task, that it was."""
    for contender in contenders:
        if note := told_trained_on(replace(task, note=""), contender.name).note:
            yield f"{contender.name}: {note}"


def _about_task(task: Task, folder: Path, *, note: str) -> dict[str, Any]:
    return {
        "title": task_info(task.name).title or task.name,
        "metric": task.metric,
        "clips": len(task),
        "complete": task.complete,
        "note": note,
        "licence": task.licence,
        "citation": task.citation,
        "folder": str(folder),
    }
