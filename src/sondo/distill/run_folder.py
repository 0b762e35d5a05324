"""The folder of a run while a student is trained in it: by one process, with the settings that it was begun with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sondo.claim import LOCK, InUseError, make_folder, no_trace_if_refused

STUDENT = "student"
_STATE = ("checkpoints", "views", STUDENT)


def has_begun(out: Path) -> bool:
    """Whether training has left something that belongs to its settings."""
    return any((out / name).exists() for name in _STATE)


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Keep other processes from training in this folder; a killed one lets go by itself.

    What is refused inside before it has done anything leaves no trace of itself.

    Raises:
        InUseError: Another process is at it.
    """
    with no_trace_if_refused(out):
        make_folder(out)
        lock = FileLock(out / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InUseError(f"another process trains in {out}: wait for it, or name another --out") from None
        try:
            yield
        finally:
            lock.release()
