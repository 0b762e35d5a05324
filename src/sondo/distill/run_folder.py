"""The folder of a run while a student is trained in it: by one process, with the settings that it was begun with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sondo.bank import Bank
from sondo.claim import LOCK, NEVER_BOUND, InUseError, claim_folder, make_folder, no_trace_if_refused
from sondo.errors import SondoError
from sondo.screen import say

STUDENT = "student"

HEARD = "heard"
"""Below `bank` in a training's settings: a hash of which clips are heard, with their clusters and labels."""

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


def claim_training(bank: Bank, out: Path, settings: dict[str, Any]) -> None:
    """Make the folder that of this training, or find that it is; settings are bound once training has left a state.

    A bank that has grown since does not undo a student that is finished, nor do its clusters, whose number follows the
    clips, nor other splits or labels of them: the note goes on saying what it learned from.

    Raises:
        SondoError: The run is of other settings, or unfinished and of other clips.
    """
    note, begun = out / "train.json", has_begun(out)
    before = json.loads(note.read_text(encoding="utf-8")) if note.exists() and begun else {}
    was = before.get("bank", {}).get("num_clips")
    grown = f": the bank had {was} clips and has {len(bank)}" if was not in (None, len(bank)) else ""
    heard = before.get("bank", {}).get(HEARD)
    is_described = not grown and heard not in (None, settings["bank"][HEARD])
    is_finished = (out / STUDENT / "config.json").exists()
    if is_finished and (grown or is_described):
        path = {} if grown else {"path": settings["bank"]["path"]}  # another bank of as many clips is another run
        settings = settings | {"bank": before["bank"] | path, "clusters": before["clusters"]}
    elif is_described:
        raise SondoError(
            f"{out} has begun to train on clips of other splits, labels or clusters than {bank.path} has now: name "
            f"another --out, with --bank {bank.path}"
        )
    free = (*NEVER_BOUND, f"bank.{HEARD}")
    advice = f", with --bank {bank.path}{grown}"
    claim_folder(out, settings, note="train.json", bound=lambda key: begun and key not in free, advice=advice)
    if is_finished and grown:
        say(f"train{grown}; {out / STUDENT} learned from those of before. Name another --out to train on all")
    elif is_finished and is_described:
        say(
            f"train: {out / STUDENT} learned from clips of other splits, labels or clusters than {bank.path} has now. "
            "Name another --out to train on those"
        )
