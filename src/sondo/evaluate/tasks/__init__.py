"""The downstream tasks, a file each, and their register: `available` lists them, `load_task` reads one from its folder.

A task's file has `INFO` and `load(folder)`. Nothing is converted: each reads the folder as its authors publish it.
May import: `sondo.evaluate.task`, `table`, `task_folder`; `sondo.audio` to look at a file's header.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sondo.errors import SondoError, near_path
from sondo.evaluate import task_folder
from sondo.evaluate.task import Task, TaskInfo, check_task
from sondo.evaluate.tasks import esc10, esc50, fsd50k, fsdd, fsdd_speakers, gtzan, mtt, nsynth, openmic, us8k

_MODULES = (openmic, nsynth, gtzan, mtt, fsd50k, esc50, us8k, esc10, fsdd, fsdd_speakers, task_folder)
_TASKS: dict[str, tuple[TaskInfo, Callable[..., Task]]] = {
    module.INFO.name: (module.INFO, module.load) for module in _MODULES
}


def available() -> tuple[TaskInfo, ...]:
    """All tasks, with metric, citation, licence, source, splits and the layout that is expected on disk."""
    return tuple(info for info, _ in _TASKS.values())


def task_info(name: str) -> TaskInfo:
    """What is known of a task without its data.

    Raises:
        SondoError: No task has that name.
    """
    if name not in _TASKS:
        raise SondoError(f"No task is called {name!r}. There are: {', '.join(_TASKS)}.")
    return _TASKS[name][0]


def load_task(name: str, data: Path | str, *, needs_test: bool = True, **options: Any) -> Task:
    """Read the clips, labels and folds of a task.

    Args:
        name: One of `available`, e.g. ``"esc50"`` or ``"folder"``.
        data: The task's folder as published; for ``"folder"`` also a CSV file.
        needs_test: Whether a split must have a test part.
        options: What the task takes beyond that. ``"folder"``: `title` (name of the task), `num_folds` and `seed`
            (where the data brings no folds). The others take none.

    Raises:
        SondoError: Unknown task or option; missing folder, table or audio files; labels that cannot be probed.
    """
    info = task_info(name)
    unknown = sorted(set(options) - set(info.options))
    if unknown:
        known = f"it takes {', '.join(info.options)}" if info.options else "it takes none"
        raise SondoError(f"Task {name!r} has no option {', '.join(unknown)}; {known}.")
    folder = Path(data)
    if not folder.exists():
        raise SondoError(f"Task {name!r}: there is no {folder}: {near_path(folder) or f'expected {info.layout}'}")
    return check_task(_TASKS[name][1](folder, **options), folder, needs_test=needs_test)
