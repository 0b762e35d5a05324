"""`sondo evaluate`: a model on a task beside its teacher, or several models on several tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sondo.claim import kind_of_run
from sondo.errors import SondoError, require
from sondo.evaluate.contender import (
    Contender,
    OnlyBankVectorsError,
    open_contender,
    open_teacher,
    teacher_of_run,
    vectors_of,
)
from sondo.evaluate.copies import told_copies, told_trained_on
from sondo.evaluate.score import compare_results, evaluate_vectors
from sondo.evaluate.suite import SUITES, evaluate_all, find_tasks
from sondo.evaluate.tasks import load_task
from sondo.recipe import TeacherConfig
from sondo.screen import say


def evaluate(
    model: str | Path,
    *,
    task: str,
    data: Path,
    teacher: TeacherConfig | None = None,
    cache: Path | None = None,
    seeds: int = 0,
    allow_code: bool = False,
) -> dict[str, Any]:
    """Score a model on a task; with a teacher, say what it keeps.

    Args:
        model: What `sondo.load` takes.
        task: Name of the task.
        data: Folder of the task.
        teacher: The teacher to compare with; left out, the (first) one that the run's folder names, if it is one.
        cache: Folder of vectors that are kept, for the next time.
        seeds: As for `evaluate_vectors`.
        allow_code: As for `sondo.load`.

    Returns:
        `metric`, `student`, `ci95_student`, with a teacher all that `TaskComparison.to_dict` has, and `note`, what a
        reader of the score must know.

    Raises:
        SondoError: No such model, task or folder.
    """
    require("scipy", extra="train", why="A probe needs scipy")
    student = open_contender(model, allow_code=allow_code)
    loaded = load_task(task, data)
    made = _teacher(Path(model), teacher)
    vectors = vectors_of(loaded, student, cache)
    loaded = told_trained_on(told_copies(loaded, vectors), model)
    student_result = evaluate_vectors(loaded, vectors, seeds=seeds)
    if made is None:
        return {
            "metric": loaded.metric,
            "student": student_result.score,
            "ci95_student": list(student_result.ci95),
            "teacher": None,
            "retention": None,
            "note": loaded.note,
        }
    teacher_result = evaluate_vectors(loaded, vectors_of(loaded, made, cache), seeds=seeds)
    return compare_results(loaded, teacher_result, student_result).told(made.name).to_dict() | {"note": loaded.note}


def evaluate_suite(
    models: Sequence[str | Path],
    *,
    data: Path,
    suite: str | None = None,
    task: str | None = None,
    teacher: TeacherConfig | None = None,
    dims: Sequence[int] = (),
    cache: Path | None = None,
    seeds: int = 0,
    allow_code: bool = False,
    after_task: Callable[[dict[str, Any]], object] | None = None,
) -> dict[str, Any]:
    """Score models on the tasks of a suite, or on one task, with the same probe for all.

    Args:
        models: What `sondo.load` takes, and `teacher:NAME` or `teacher:NAME@CHECKPOINT`.
        data: With `suite` the folder that holds the tasks' folders, with `task` the task's own.
        suite: ``"paper"`` for the seven tasks of the paper.
        task: One task instead.
        teacher: Whom all are compared with; left out, the first `teacher:` among the models, else each run's own.
        dims: Leading values of each student's vectors to score besides all of them.
        cache: Folder of vectors that are kept, for the next time.
        seeds: As for `evaluate_vectors`.
        allow_code: As for `sondo.load`.
        after_task: Called after each task with the results so far, in which the tasks to come are absent: what is
            kept of them is not lost where a later task fails.

    Returns:
        What `evaluate_all` says, with `suite` and `absent`: the tasks of the suite that are not there, and what was
        looked for.

    Raises:
        SondoError: No such model or suite, none of the tasks is there, or a folder is not as it was published.
    """
    require("scipy", extra="train", why="A probe needs scipy")
    assert (suite is None) != (task is None), "a suite or a task"
    if suite is not None and suite not in SUITES:
        raise SondoError(f"No suite is called {suite!r}. There are: {', '.join(SUITES)}.")
    given = [open_contender(model, allow_code=allow_code) for model in models]
    folders, absent = ({task: data}, {}) if task is not None else find_tasks(SUITES[suite or ""], data)
    contenders, baselines = _lines(models, given, teacher, dims)
    for name, reason in absent.items():
        say(f"{name} is absent: {reason}")

    def whole(results: dict[str, Any]) -> dict[str, Any]:
        to_come = {name: "not scored yet" for name in folders if name not in results["tasks"]}
        return {"suite": suite, "absent": absent | to_come, **results}

    told = None if after_task is None else lambda results: after_task(whole(results))
    return whole(evaluate_all(contenders, folders, baselines=baselines, cache=cache, seeds=seeds, after_task=told))


def _lines(
    models: Sequence[str | Path], given: Sequence[Contender], teacher: TeacherConfig | None, dims: Sequence[int]
) -> tuple[list[Contender], list[int | None]]:
    """The lines of the table, teachers that students are compared with first; for each the number of its teacher."""
    everyone = None if teacher is None else open_teacher(teacher)
    everyone = everyone or next((one for one in given if one.is_teacher), None)
    teachers: list[Contender] = []
    students: list[tuple[Contender, str | None]] = []
    for model, contender in zip(models, given, strict=True):
        if contender.is_teacher:
            teachers.append(contender)
            continue
        own = everyone or _teacher(Path(model), None)
        if own is not None:
            teachers.append(own)
        space = None if own is None else own.space
        students += [(line, space) for line in (contender, *(contender.cut(dim) for dim in dims))]
    each = {one.space: one for one in teachers}
    numbers = {space: number for number, space in enumerate(each)}
    lines = [*each.values(), *(student for student, _ in students)]
    return lines, [None] * len(each) + [None if space is None else numbers[space] for _, space in students]


def _teacher(model: Path, named: TeacherConfig | None) -> Contender | None:
    """The teacher to compare with: the one that was named, else that of the run, else None."""
    if named is not None:
        return open_teacher(named)
    config = teacher_of_run(model)
    if config is None:
        if kind_of_run(model) in ("train", "distill"):  # it knows a bank's column, or had an object for a teacher
            say(f"{model}: to say what it keeps, name its teacher (--teacher)")
        return None
    try:
        return open_teacher(config)
    except OnlyBankVectorsError as error:
        say(f"{error}; this is the student by itself")
        return None
