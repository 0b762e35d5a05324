"""The register of downstream tasks: `available` lists them, `load_task` reads one from its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sondo.errors import SondoError
from sondo.evaluate import task_esc10, task_folder, task_fsdd
from sondo.evaluate.task import Task, TaskInfo, check_task

_TASKS: dict[str, tuple[TaskInfo, Callable[..., Task]]] = {
    module.INFO.name: (module.INFO, module.load) for module in (task_esc10, task_fsdd, task_folder)
}


def available() -> tuple[TaskInfo, ...]:
    """All tasks, with metric, citation, licence, source and the layout that is expected on disk."""
    return tuple(info for info, _ in _TASKS.values())


def load_task(name: str, data: Path | str, **options: Any) -> Task:
    """Read the clips, labels and folds of a task.

    Args:
        name: One of `available`: ``"esc10"``, ``"fsdd"`` or ``"folder"``.
        data: The task's folder as published; for ``"folder"`` also a CSV file.
        options: What the task takes beyond that. ``"folder"``: `title` (name of the task), `num_folds` and `seed`
            (where the data brings no folds). The others take none.

    Raises:
        SondoError: Unknown task or option; missing folder, table or audio files; labels that cannot be probed.
    """
    if name not in _TASKS:
        raise SondoError(f"No task is called {name!r}. There are: {', '.join(_TASKS)}.")
    info, load = _TASKS[name]
    unknown = sorted(set(options) - set(info.options))
    if unknown:
        known = f"it takes {', '.join(info.options)}" if info.options else "it takes none"
        raise SondoError(f"Task {name!r} has no option {', '.join(unknown)}; {known}.")
    folder = Path(data)
    if not folder.exists():
        raise SondoError(f"Task {name!r}: no such folder: {folder}. Expected: {info.layout}.")
    return check_task(load(folder, **options), folder)
