"""One writer at a time for a bank.

An operating system's file lock (filelock) inside the bank's folder: a killed process lets go of it by itself. The
name of the holder stands beside it, so that a second process can say whom it waits for.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from sondo.errors import SondoError
from sondo.screen import say

_LOCK = "writer.lock"


def check_writable(folder: Path) -> None:
    """Find out, as far as permissions go, whether a bank can be written.

    Args:
        folder: As `write_lock` takes it.

    Raises:
        SondoError: It lies on a read-only disk, or is another user's.
    """
    for place in (folder.parent, folder, folder / _LOCK):
        if place.exists() and not os.access(place, os.W_OK):
            raise SondoError(
                f"cannot write {folder.parent}: {place} may only be read; allow writing there, or copy it to another "
                "place and name the copy"
            )


@contextmanager
def write_lock(folder: Path, *, poll_s: float = 0.2) -> Iterator[None]:
    """Hold the bank for writing; wait, and say who has it, while another process writes.

    Args:
        folder: The bank's own folder for what is not the clip table (`Bank.side`).
        poll_s: How often to try again, in seconds.

    Raises:
        SondoError: Nothing can be written there.
    """
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / "writer.json"
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for {folder.parent}: {_who(holder)} is writing it (Ctrl-C to give up)")
        lock.acquire(poll_interval=poll_s)
    try:
        holder.write_text(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "host": socket.gethostname(),
                    "command": " ".join(["sondo", *sys.argv[1:2]]),
                    "since": datetime.now().astimezone().isoformat(timespec="seconds"),
                }
            )
        )
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        note = json.loads(holder.read_text())
        return f"`{note['command']}` (process {note['pid']} on {note['host']}, since {note['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"
