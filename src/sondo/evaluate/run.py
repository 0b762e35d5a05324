"""`sondo evaluate`: a model on a task, beside its teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sondo.errors import SondoError, require
from sondo.evaluate.embed import embed_task, teacher_embedder
from sondo.evaluate.score import compare_results, evaluate_vectors
from sondo.evaluate.tasks import load_task
from sondo.loading import load
from sondo.recipe import TeacherConfig
from sondo.screen import say


def evaluate(
    model: str | Path, *, task: str, data: Path, teacher: TeacherConfig | None = None, allow_code: bool = False
) -> dict[str, Any]:
    """Score a model on a task; with a teacher, say what it keeps.

    Args:
        model: What `sondo.load` takes.
        task: Name of the task.
        data: Folder of the task.
        teacher: The teacher to compare with; left out, the (first) one that the run's folder names, if it is one.
        allow_code: As for `sondo.load`.

    Returns:
        `metric`, `student`, `ci95_student`, and with a teacher `teacher`, `ci95_teacher`, `retention`,
        `ci95_retention`, as in `summary.json`.

    Raises:
        SondoError: No such model, task or folder.
    """
    require("sklearn", extra="train", why="A probe needs scikit-learn")
    encoder = load(model, allow_code=allow_code)
    loaded = load_task(task, data)
    made = _teacher(Path(model), teacher, task)
    student_result = evaluate_vectors(loaded, embed_task(loaded, encoder.embed, description=f"{task}: student"))
    if made is None:
        return {
            "metric": loaded.metric,
            "student": student_result.score,
            "ci95_student": list(student_result.ci95),
            "teacher": None,
            "retention": None,
        }
    vectors = embed_task(loaded, teacher_embedder(made), description=f"{task}: teacher")
    return compare_results(loaded, evaluate_vectors(loaded, vectors), student_result).to_dict()


def _teacher(model: Path, named: TeacherConfig | None, task: str) -> Any:
    """The teacher to compare with: the one that was named, else that of the run, else None."""
    config = named or _teacher_of(model)
    if config is None:
        return None
    require("torch", extra="train", why="A teacher needs torch")
    from sondo.teachers import create

    made = create(config.name, **config.options())
    if getattr(made, "needs_audio", True):
        return made
    reason = f"teacher {made.name} has vectors of the bank's clips alone: it cannot be scored on {task}"
    if named is not None:
        raise SondoError(reason)
    say(f"{reason}; this is the student by itself")
    return None


def _teacher_of(model: Path) -> TeacherConfig | None:
    """The teacher that a run's recipe names; None where the run was given an object that only its process had."""
    note = model / "recipe.json"
    if not note.is_file():
        return None
    recipe = json.loads(note.read_text(encoding="utf-8"))
    return None if "teacher_object" in recipe else TeacherConfig(**recipe["teacher"])
