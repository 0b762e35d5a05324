"""What sondo shows while it works: one progress view, shared by all stages of a command.

Progress and messages go to standard error, results to standard output, so that results can be piped.
May import: rich.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

console = Console(stderr=True, highlight=False, soft_wrap=True)
output = Console(highlight=False)

_active: ContextVar[Progress | None] = ContextVar("sondo_progress", default=None)


class _RateColumn(ProgressColumn):
    """Items per second, in the unit of the task ("clips/s")."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed if task.finished else task.speed
        unit = task.fields.get("unit", "items")
        return Text("" if speed is None else f"{speed:,.1f} {unit}/s", style="progress.data.speed")


@contextmanager
def progress() -> Iterator[Progress]:
    """Open the progress view, or join the one that is open, so that stages inside one command share a display."""
    current = _active.get()
    if current is not None:
        yield current
        return
    view = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
        _RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )
    token = _active.set(view)
    try:
        with view:
            yield view
    finally:
        _active.reset(token)


class Tracker:
    """One line of the progress view."""

    def __init__(self, update: Callable[..., None]) -> None:
        self._update = update

    def advance(self, count: float = 1) -> None:
        """Count finished items."""
        self._update(advance=count)

    def note(self, text: str) -> None:
        """Show a short remark at the end of the line, e.g. the current loss."""
        self._update(note=text)


@contextmanager
def track(description: str, *, total: float, unit: str = "clips", done: float = 0) -> Iterator[Tracker]:
    """Show a piece of work with its rate and the time left.

    Args:
        description: What is being done, e.g. ``"ingest"``.
        total: Number of items in all.
        unit: What an item is called.
        done: Items that an earlier, interrupted run finished already.
    """
    with progress() as view:
        task = view.add_task(description, total=total, completed=done, unit=unit, note="")
        yield Tracker(lambda **fields: view.update(task, **fields))
        view.stop_task(task)
        view.refresh()


def say(message: str) -> None:
    """Tell the user something while work goes on."""
    console.print(message)
