"""`sondo evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_code, instance
from sondo.recipe import TeacherConfig

HELP = "what a student keeps of its teacher on a task"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("model", help="folder of a run or of a student, an .onnx file, a published .ckpt or its name")
    verb.add_argument("--task", required=True, help="name of the task, see `sondo tasks`")
    verb.add_argument("--data", required=True, help="folder of the task")
    verb.add_class_arguments(TeacherConfig, "teacher")
    verb.set_defaults({"teacher.name": None})
    verb.add_argument("--json", help="write the result here too")
    add_code(verb)


def run(settings: Any) -> None:
    """Score and show."""
    from sondo.evaluate.run import evaluate
    from sondo.recipe import write_json
    from sondo.report import show_task

    teacher = None if settings.teacher.name is None else instance(TeacherConfig, settings.teacher)
    result = evaluate(
        settings.model,
        task=settings.task,
        data=Path(settings.data),
        teacher=teacher,
        allow_code=settings.allow_code,
    )
    show_task(settings.task, result)
    if settings.json:
        write_json(Path(settings.json), {settings.task: result})
