"""Labelled data of which a few files cannot be read: the task without them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sondo.errors import SondoError
from sondo.evaluate import Task
from sondo.evaluate.task import check_task

MAX_BAD_SHARE = 0.05
"""Share of files that may be unreadable before the work stops, as in an ingest."""


def readable_part(task: Task, readable: Sequence[int], data: Path) -> Task:
    """The task with its readable clips alone.

    Args:
        task: The task.
        readable: Its clips that can be read.
        data: Where it is from, for messages.

    Raises:
        SondoError: A class has no clip left, or what is left is no task (see `check_task`).
    """
    left = task.only(readable)
    lost = sorted({*task.classes} - {*left.classes})
    if lost:
        raise SondoError(f"{data}: no clip of {', '.join(lost)} can be read. Mend them, or leave the class out")
    return check_task(left, data, needs_test=task.splits is None or "test" in task.splits)
