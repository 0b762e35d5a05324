"""A bank follows its sound when that was moved, renamed with its folder, copied and removed, or restored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from sondo.audio.errors import AudioError
from sondo.bank.bank import Bank
from sondo.bank.files import moved_files, renamed
from sondo.bank.shards import split_name
from sondo.bank.sound import log_mels, open_sound
from sondo.screen import say

SAME_LOG_MEL = 0.02
"""Largest difference of two log-mels of one sound: twice a step of float16 where a processor rounds otherwise."""


def follow_moved(bank: Bank, files: Sequence[str], *, workers: int) -> None:
    """Take files of a bank that are gone for those that are there now, where name, size and sound agree.

    Args:
        bank: The bank, locked by the caller.
        files: The files, or shards, that are there now.
        workers: Decoding threads.
    """
    rows = bank.read(["uri", "file_bytes", "file_mtime_ns"]).to_pylist()
    of_file: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        of_file[split_name(row["uri"])[0]].append(number)
    moved = moved_files(
        {row["uri"]: (row["file_bytes"], row["file_mtime_ns"]) for row in rows},
        files,
        same_sound=lambda old, at: all(_has_clip(bank, row, old, at) for row in of_file[old]),
        workers=workers,
    )
    if not moved:
        return
    bank.follow(moved)
    elsewhere = {old: at for old, at in moved.items() if old != at}
    if elsewhere:
        old, at = min(elsewhere.items())
        say(f"{len(elsewhere)} files have moved, such as {old} to {at}: what the bank has of them is kept")
    if len(moved) > len(elsewhere):
        say(f"{len(moved) - len(elsewhere)} files have another time and the same sound: what the bank has is kept")


def _has_clip(bank: Bank, row: int, old: str, at: str) -> bool:
    """Whether a file sounds, in its place, as a clip that was taken from one that is gone."""
    (clip,) = bank.take([row], ["uri", "offset_s", "duration_s"]).to_pylist()
    (kept,) = bank.log_mels([row])
    try:
        sound = open_sound(renamed(clip["uri"], {old: at}))
        (mels,) = log_mels(sound, [(clip["offset_s"], clip["duration_s"])], bank.info)
    except AudioError:
        return False
    return mels.shape == kept.shape and bool(np.abs(mels - kept.astype(np.float32)).max() <= SAME_LOG_MEL)
