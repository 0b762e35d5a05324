"""The sound of a bank's rows, as it was ingested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.audio.arrays import fill_up
from sondo.audio.clips import WINDOW_S
from sondo.audio.decode import probe, read_clips
from sondo.audio.sound_bytes import SoundBytes
from sondo.bank.sound import open_ingested

Sounds = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Clip:
    """What says where a row's sound is; the bank's columns of these names."""

    clip_id: str
    uri: str
    offset_s: float
    duration_s: float
    file_bytes: int
    file_mtime_ns: int


CLIP_COLUMNS = [field.name for field in fields(Clip)]


def by_file(clips: Sequence[Clip]) -> list[list[Clip]]:
    """Clips in their order, those that follow each other in one file together."""
    return [list(group) for _, group in groupby(clips, key=lambda clip: clip.uri)]


def read_file(clips: Sequence[Clip], sample_rate: int) -> Sounds:
    """The sound of clips of one file.

    Args:
        clips: At least one.
        sample_rate: Wanted rate in Hz.

    Raises:
        SondoError: The file is gone, has changed, or cannot be read.
    """
    return list(read_clips(_open(clips), [(clip.offset_s, clip.duration_s) for clip in clips], sample_rate=sample_rate))


def read_middle(clips: Sequence[Clip], sample_rate: int) -> Sounds:
    """The 10 s in the middle of a file, which the published extraction gives the teacher; else as `read_file`."""
    file = _open(clips)
    length_s = probe(file).duration_s
    cut = (max(0.0, (length_s - WINDOW_S) / 2), min(length_s, WINDOW_S))
    return [fill_up(sound, round(WINDOW_S * sample_rate)) for sound in read_clips(file, [cut], sample_rate=sample_rate)]


def _open(clips: Sequence[Clip]) -> Path | SoundBytes:
    return open_ingested(clips[0].uri, (clips[0].file_bytes, clips[0].file_mtime_ns))
