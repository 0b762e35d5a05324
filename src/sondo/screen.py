"""What sondo shows while it works: one progress view, shared by all stages of a command.

Progress and messages go to standard error, results to standard output, so that results can be piped. With
`SONDO_PROGRESS=0` in the environment, no progress is shown; messages, which say what happened, are.
May import: rich.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import IO, Any, Protocol, cast

from rich.console import Console, ConsoleDimensions
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

_USUAL_WIDTH, _UNFOLDED_WIDTH = 80, 1000


class _Escaping:
    """A stream to which any letter can be written: one that its encoding lacks arrives as its code.

    Args:
        stream: The stream.
        is_vital: Whether it is an error that it cannot be written to: a terminal goes away, the work does not.
    """

    def __init__(self, stream: IO[str], *, is_vital: bool) -> None:
        self._stream, self._is_vital = stream, is_vital

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:
            return self.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        except OSError:
            if self._is_vital:
                raise
            return 0

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            if self._is_vital:
                raise


class _Screen(Console):
    """A console that drops nothing for want of width or of letters.

    Some terminals and CI systems say that they are 0 wide, and some know ASCII alone.

    Args:
        least_width: Lines may be so long however narrow the terminal is.
        options: As rich has them.
    """

    def __init__(self, *, least_width: int = 1, **options: Any) -> None:
        self._least_width = least_width
        # Paths and names of users are shown as they are: no markup, no emoji in them.
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        width, height = super().size
        return ConsoleDimensions(max(width if width > 0 else _USUAL_WIDTH, self._least_width), height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self.width, self.height = new_size

    @property
    def file(self) -> IO[str]:
        """Where it writes."""
        return cast(IO[str], _Escaping(super().file, is_vital=not self.stderr))

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file


# What moves must fit in the terminal; a table needs room for its figures more than it needs to fit.
console = _Screen(stderr=True, soft_wrap=True)
output = _Screen(least_width=_USUAL_WIDTH)

LOG_EVERY_S = 15.0
"""How often a log file hears of long work; a terminal has a moving line instead."""

_active: ContextVar[Progress | None] = ContextVar("sondo_progress", default=None)


class _RateColumn(ProgressColumn):
    """Items per second, in the unit of the task ("clips/s")."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed if task.finished else task.speed
        unit = task.fields.get("unit", "items")
        return Text("" if speed is None else _rate(speed, unit), style="progress.data.speed")


def _rate(per_s: float, unit: str) -> str:
    """`3.1 clips/s`; slow work by the minute or the hour, so that it is no rate of 0.0."""
    for seconds, name in ((1, "s"), (60, "min")):
        if per_s * seconds >= 0.1 or not per_s:
            return f"{per_s * seconds:,.1f} {unit}/{name}"
    return f"{per_s * 3600:,.1f} {unit}/h"


def _is_shown() -> bool:
    """Whether progress is to be shown at all; asked each time, for a notebook may set it after the import."""
    return os.environ.get("SONDO_PROGRESS", "").lower() not in ("0", "false", "no", "off")


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
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        disable=not (console.is_terminal and _is_shown()),
    )
    token = _active.set(view)
    try:
        with view:
            yield view
    finally:
        _active.reset(token)


def _is_logged() -> bool:
    """Whether progress goes line by line to a log file."""
    return not console.is_terminal and _is_shown()


class Line(Protocol):
    """A piece of work that is shown."""

    def advance(self, count: float = 1) -> None:
        """Count finished items."""
        ...

    def note(self, text: str) -> None:
        """Show a short remark."""
        ...


class Tracker:
    """One piece of work on the screen: a moving line in a terminal, a line now and then in a log file."""

    def __init__(self, description: str, *, total: int, unit: str, done: int, view: Progress) -> None:
        self._view, self._unit, self._total = view, unit, total
        self._description, self._note = description, ""
        self._done: float = done
        self._start_s = self._told_s = time.monotonic()
        self._done_before = done
        self._task = view.add_task(description, total=total, completed=done, unit=unit, note="")

    def advance(self, count: float = 1) -> None:
        """Count finished items."""
        self._done += count
        self._view.update(self._task, advance=count)
        if _is_logged() and time.monotonic() - self._told_s >= LOG_EVERY_S:
            self.tell()

    def note(self, text: str) -> None:
        """Show a short remark at the end of the line, e.g. the current loss."""
        self._note = text
        self._view.update(self._task, note=text)

    def tell(self, *, is_over: bool = False) -> None:
        """Write how far the work is, with rate and, unless it is over, time left, as a line of a log.

        Work that was all done before has no rate.
        """
        self._told_s = time.monotonic()
        rate = (self._done - self._done_before) / max(self._told_s - self._start_s, 1e-9)
        goes_on = not is_over and rate > 0 and self._done < self._total
        left = f", {(self._total - self._done) / rate:,.0f} s left" if goes_on else ""
        note = f", {self._note}" if self._note else ""
        amount = f"{self._done:,.0f}/{self._total:,.0f} {self._unit}"
        speed = f", {_rate(rate, self._unit)}" if self._done < self._total or self._done > self._done_before else ""
        console.print(f"{self._description}: {amount}{speed}{left}{note}")

    def close(self) -> None:
        """Stop the clock of the line."""
        self._view.stop_task(self._task)
        self._view.refresh()
        if _is_logged():
            self.tell(is_over=True)


@contextmanager
def track(description: str, *, total: int, unit: str = "clips", done: int = 0) -> Iterator[Line]:
    """Show a piece of work with its rate and the time left.

    Args:
        description: What is being done, e.g. ``"ingest"``.
        total: Number of items in all.
        unit: What an item is called.
        done: Items that an earlier, interrupted run finished already.
    """
    if (send := _elsewhere.get()) is not None:
        send(("track", {"description": description, "total": total, "unit": unit, "done": done}))
        try:
            yield _LineElsewhere(send)
        finally:
            send(("close", {}))
        return
    with progress() as view:
        line = Tracker(description, total=total, unit=unit, done=done, view=view)
        try:
            yield line
        finally:
            line.close()


def say(message: str) -> None:
    """Tell the user something while work goes on."""
    if (send := _elsewhere.get()) is not None:
        send(("say", {"message": message}))
    else:
        console.print(message)


Event = tuple[str, dict[str, Any]]
"""What one process lets another one show: the name of a function of this module or of a line, and its arguments."""

_elsewhere: ContextVar[Callable[[Event], None] | None] = ContextVar("sondo_elsewhere", default=None)


@contextmanager
def elsewhere(send: Callable[[Event], None]) -> Iterator[None]:
    """Leave the screen to the process that started this one: two that move lines on one terminal spoil each other's.

    Args:
        send: Brings an event to that process, where `Shown` takes it.
    """
    token = _elsewhere.set(send)
    try:
        yield
    finally:
        _elsewhere.reset(token)


class _LineElsewhere:
    """A line that another process shows."""

    def __init__(self, send: Callable[[Event], None]) -> None:
        self._send = send

    def advance(self, count: float = 1) -> None:
        self._send(("advance", {"count": count}))

    def note(self, text: str) -> None:
        self._send(("note", {"text": text}))


class Shown:
    """Shows what another process is about; a context, which closes the line that a process left open."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._line: Line | None = None

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        name, arguments = event
        if name == "say":
            say(**arguments)
        elif name == "track":
            self._line = self._open.enter_context(track(**arguments))
        elif name == "close":
            self._open.close()
        elif self._line is not None:
            getattr(self._line, name)(**arguments)


def tell(message: str) -> None:
    """Give a result on standard output, on one line however long it is."""
    output.print(message, soft_wrap=True)


_LINE_ENDS = {code: ascii(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


def counted(count: int, noun: str) -> str:
    """A number with its noun, as in `1 file` and `2,000 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def one_line(text: str) -> str:
    """A line of a list with a user's names in it: line ends and other control characters show as their codes."""
    return text.translate(_LINE_ENDS)


def tell_table(table: Table) -> None:
    """Give a table on standard output; no figure is cut off, and in a file or a pipe nothing folds."""
    width = _UNFOLDED_WIDTH
    for column in table.columns:  # rich takes the room from the widest column, which is that of the names
        column.overflow = "fold"
    if output.is_terminal:
        needed = Measurement.get(output, output.options.update(max_width=_UNFOLDED_WIDTH), table).minimum
        width = max(output.width, needed)
    _Screen(width=width, height=output.height).print(table)
