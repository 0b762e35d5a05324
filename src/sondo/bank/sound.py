"""The sound that a bank's row names: a file, or a row of a Parquet shard. The one place that knows the difference."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.audio.arrays import fill_up
from sondo.audio.decode import read_clips
from sondo.audio.errors import AudioError
from sondo.audio.logmel import log_mel
from sondo.audio.sound_bytes import SoundBytes
from sondo.bank.schema import BankInfo
from sondo.bank.shards import ShardReader, split_name
from sondo.errors import SondoError

_of_thread = threading.local()


def stamp_of(uri: str) -> tuple[int, int]:
    """Size in bytes and time of the last change, in ns, of the file that holds a row's sound.

    Raises:
        OSError: There is no such file.
    """
    stat = os.stat(split_name(uri)[0])
    return stat.st_size, stat.st_mtime_ns


def is_gone(uri: str) -> bool:
    """Whether there is no such file; one that only cannot be looked at now is not gone."""
    try:
        stamp_of(uri)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def open_sound(uri: str) -> Path | SoundBytes:
    """The sound of a row, as `probe` and `read_clips` take it.

    Each thread keeps its place in the shard that it read last, so rows in the bank's order cost one pass over it; a row
    out of order costs its row group up to there.

    Args:
        uri: The row's `uri`.

    Raises:
        AudioError: The shard is gone, or has no sound in this row. A plain file is looked at when it is read.
    """
    file, row = split_name(uri)
    if row is None:
        return Path(uri)
    try:
        key = (file, stamp_of(uri))
    except OSError as error:
        raise AudioError(f"{file}: no such file") from error
    if getattr(_of_thread, "key", None) != key:
        _of_thread.reader, _of_thread.key = ShardReader(file), key
    reader: ShardReader = _of_thread.reader
    return reader.read(row)


def open_ingested(uri: str, stamp: tuple[int, int]) -> Path | SoundBytes:
    """The same, for a row whose sound must still be what was ingested.

    Args:
        uri: The row's `uri`.
        stamp: The row's `file_bytes` and `file_mtime_ns`.

    Raises:
        SondoError: The file is gone or has changed.
    """
    try:
        found = stamp_of(uri)
    except OSError as error:
        raise SondoError(
            f"{uri} is gone: the sound that was ingested is needed ({error.strerror}). If it was moved, "
            "`sondo ingest --bank BANK --audio FOLDER` finds it in its new folder"
        ) from error
    if found != stamp:
        raise SondoError(f"{uri} has changed since it was ingested: its rows are stale. Ingest into a new bank")
    return open_sound(uri)


def log_mels(
    sound: Path | SoundBytes, clips: Sequence[tuple[float, float]], info: BankInfo
) -> Iterator[NDArray[np.float32]]:
    """What a bank keeps of clips, before it is rounded to float16.

    Args:
        sound: What `open_sound` gave.
        clips: (offset_s, duration_s) of each, in order.
        info: The bank's.

    Yields:
        The log-mel of a clip, (mels, frames).

    Raises:
        AudioError: As `read_clips`.
    """
    front_end = info.front_end
    for samples in read_clips(sound, clips, sample_rate=front_end.sample_rate):
        if info.compat == "ssondo":
            samples = fill_up(samples, round(info.window_s * front_end.sample_rate))
        yield log_mel(samples, config=front_end)
