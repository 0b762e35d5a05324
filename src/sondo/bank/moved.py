"""A bank follows its sound when that was moved, renamed with its folder, or copied elsewhere and removed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sondo.audio.errors import AudioError
from sondo.bank.bank import Bank
from sondo.bank.files import find_moved, renamed
from sondo.bank.shards import split_name
from sondo.bank.sound import log_mels, open_sound
from sondo.screen import say, track

SAME_LOG_MEL = 0.02
"""Largest difference of two log-mels of one sound: twice a step of float16 where a processor rounds otherwise."""


def follow_moved(bank: Bank, files: Sequence[str], *, workers: int) -> None:
    """Take files of a bank that are gone for those that are there now, where name, size and time or sound agree.

    Args:
        bank: The bank, locked by the caller.
        files: The files, or shards, that are there now.
        workers: Decoding threads.
    """
    rows = bank.read(["uri", "file_bytes", "file_mtime_ns"]).to_pylist()
    moved, unsure = find_moved({row["uri"]: (row["file_bytes"], row["file_mtime_ns"]) for row in rows}, files)
    if unsure:
        first: dict[str, int] = {}
        for number, row in enumerate(rows):
            first.setdefault(split_name(row["uri"])[0], number)
        with ThreadPoolExecutor(workers) as pool, track("find moved files", total=len(unsure), unit="files") as line:
            jobs = {old: pool.submit(_has_sound, bank, first[old], old, at) for old, at in unsure.items()}
            try:
                for old, job in jobs.items():
                    moved |= {old: unsure[old]} if job.result() else {}
                    line.advance(1)
            finally:
                pool.shutdown(cancel_futures=True)
    if moved:
        bank.follow(moved)
        old, at = min(moved.items())
        say(f"{len(moved)} files have moved, such as {old} to {at}: what the bank has of them is kept")


def _has_sound(bank: Bank, row: int, old: str, at: str) -> bool:
    """Whether a file sounds as a clip that was taken from one that is gone."""
    (clip,) = bank.take([row], ["uri", "offset_s", "duration_s"]).to_pylist()
    (kept,) = bank.log_mels([row])
    try:
        sound = open_sound(renamed(clip["uri"], {old: at}))
        (mels,) = log_mels(sound, [(clip["offset_s"], clip["duration_s"])], bank.info)
    except AudioError:
        return False
    return mels.shape == kept.shape and bool(np.abs(mels - kept.astype(np.float32)).max() <= SAME_LOG_MEL)
