"""Where downloads are kept, and what is known of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sondo.claim import write_json
from sondo.errors import SondoError, require
from sondo.screen import say

_BLOCK_BYTES = 1 << 20


def home() -> Path:
    """The cache folder: `$SONDO_HOME`, else `$XDG_CACHE_HOME/sondo`, else `~/.cache/sondo`."""
    named = os.environ.get("SONDO_HOME")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sondo"


def is_offline() -> bool:
    """Whether the environment forbids the network (`SONDO_OFFLINE=1` or `HF_HUB_OFFLINE=1`)."""
    values = (os.environ.get(name, "") for name in ("SONDO_OFFLINE", "HF_HUB_OFFLINE"))
    return any(value.lower() in ("1", "true", "yes", "on") for value in values)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files in a folder, in hexadecimal."""
    digest = hashlib.sha256()
    if path.is_dir():
        for part in sorted(part for part in path.rglob("*") if part.is_file()):
            digest.update(os.fsencode(part.relative_to(path)) + f"\0{sha256_of(part)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from a file of the cache; its folder is made. They wait and, in the end, find it there.

    Raises:
        SondoError: The cache cannot be written to.
    """
    filelock = require("filelock", extra="train", why="Downloading needs filelock")
    lock = filelock.FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            say(f"waiting for another process that works on {path}")
            lock.acquire()
    except OSError as error:
        raise SondoError(
            f"the cache {home()} cannot be written to ({error.strerror or error}): name another folder in SONDO_HOME"
        ) from error
    try:
        yield
    finally:
        lock.release()


def recall(file: str, key: str) -> dict[str, Any] | None:
    """Read what is known of a download.

    Args:
        file: Name of the JSON file in `home()`.
        key: Of what.

    Returns:
        What is known, None when nothing is.

    Raises:
        SondoError: The file is damaged.
    """
    return _read(home() / file).get(key)


def record(file: str, key: str, values: dict[str, Any]) -> None:
    """Note what is known of a download, with today's date.

    Args:
        file: Name of the JSON file in `home()`.
        key: Of what.
        values: JSON-able.

    Raises:
        SondoError: The file is damaged, or the cache cannot be written to.
    """
    path = home() / file
    with locked(path):
        known = _read(path) | {key: values | {"date": date.today().isoformat()}}
        write_json(path, known)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        known = error
    if not isinstance(known, dict) or not all(isinstance(entry, dict) for entry in known.values()):
        why = f" ({known})" if isinstance(known, ValueError) else ""
        raise SondoError(f"{path} is damaged{why}: delete it, then files are trusted on first use again")
    return known
