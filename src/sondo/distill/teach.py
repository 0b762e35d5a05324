"""Run a teacher over a bank: the audio of each clip in, one float16 vector column out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from sondo.audio.arrays import fill_up
from sondo.audio.clips import WINDOW_S
from sondo.audio.decode import probe, read_clips
from sondo.bank import Bank, ColumnWriter
from sondo.bank.schema import slug
from sondo.errors import SondoError
from sondo.screen import say, track
from sondo.teachers import Teacher

CLIPS_PER_COMMIT = 256
FLOAT16_MAX = 65504.0


@dataclass(frozen=True)
class _Clip:
    clip_id: str
    uri: str
    offset_s: float
    duration_s: float
    file_bytes: int
    file_mtime_ns: int


def teacher_column(teacher: Teacher) -> str:
    """Name of a teacher's column, `teacher.<name>`."""
    return f"teacher.{slug(teacher.name)}"


def origin_of(teacher: Teacher) -> dict[str, Any]:
    """What identifies a teacher's vectors: kept in the column, compared before they are used."""
    return {
        "stage": "teach",
        "teacher": teacher.name,
        "fingerprint": getattr(teacher, "fingerprint", ""),
        "sample_rate": teacher.sample_rate,
        "embedding_dim": teacher.embedding_dim,
        "num_params": getattr(teacher, "num_params", 0),
        "licence": getattr(teacher, "licence", "unknown"),
    }


def say_licence(teacher: Teacher) -> None:
    """Name the licence before a teacher is used, for it holds for the student too."""
    say(f"teacher {teacher.name}: its licence ({getattr(teacher, 'licence', 'unknown')}) holds for the student too")


def teach(bank: Bank, teacher: Teacher, *, batch_size: int = 8, workers: int = 2, overwrite: bool = False) -> str:
    """Add the column of a teacher; clips that have a vector of this teacher already are left alone.

    Args:
        bank: The bank.
        teacher: Anything with the teacher's shape, see `sondo.teachers.Teacher`.
        batch_size: Clips of equal length that the teacher gets at a time. Unlike lengths are never padded together,
            so a clip's vector does not depend on its neighbours.
        workers: Decoding threads.
        overwrite: Replace a column that another version of this teacher made.

    Returns:
        The column's name.

    Raises:
        SondoError: A stale column, a file that is gone or has changed, or a vector that is no vector.
    """
    column = teacher_column(teacher)
    kind = pa.list_(pa.float16(), teacher.embedding_dim)
    with bank.lock():
        bank.refresh()
        writer = ColumnWriter(bank, column, kind, origin_of(teacher), overwrite=overwrite)
        if writer.complete:
            writer.discard()
            say(f"teach: {column} is there for all {len(bank)} clips")
            return column
        with track("teach", total=len(bank), done=writer.done) as line, ThreadPoolExecutor(workers) as pool:
            for clips, sounds in _decoded_ahead(bank, teacher, writer.done, pool):
                vectors = _checked(_embed(teacher, clips, sounds, batch_size), clips, teacher)
                flat = pa.array(vectors.astype(np.float16).ravel())
                ids = pa.array([clip.clip_id for clip in clips])
                writer.append(ids, pa.FixedSizeListArray.from_arrays(flat, teacher.embedding_dim))
                line.advance(len(clips))
        writer.publish()
    return column


_Sounds = list[NDArray[np.float32]]


def _decoded_ahead(
    bank: Bank, teacher: Teacher, start: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[list[_Clip], _Sounds]]:
    """Steps of clips with their sound; the next step is decoded while the teacher listens to this one."""
    pending: tuple[list[_Clip], list[Future[_Sounds]]] | None = None
    for clips in _steps(bank, start):
        futures = []
        if getattr(teacher, "needs_audio", True):
            read = _read_middle if bank.info.compat == "ssondo" else _read
            futures = [pool.submit(read, part, teacher.sample_rate) for part in _by_file(clips)]
        if pending is not None:
            yield pending[0], [sound for future in pending[1] for sound in future.result()]
        pending = (clips, futures)
    if pending is not None:
        yield pending[0], [sound for future in pending[1] for sound in future.result()]


def _steps(bank: Bank, start: int) -> Iterator[list[_Clip]]:
    names = ["clip_id", "uri", "offset_s", "duration_s", "file_bytes", "file_mtime_ns"]
    table = bank.read(names)
    for first in range(start, table.num_rows, CLIPS_PER_COMMIT):
        yield [_Clip(**row) for row in table.slice(first, CLIPS_PER_COMMIT).to_pylist()]


def _by_file(clips: Sequence[_Clip]) -> list[list[_Clip]]:
    return [list(group) for _, group in groupby(clips, key=lambda clip: clip.uri)]


def _read(clips: list[_Clip], sample_rate: int) -> _Sounds:
    path = _unchanged(clips)
    return list(read_clips(path, [(clip.offset_s, clip.duration_s) for clip in clips], sample_rate=sample_rate))


def _read_middle(clips: list[_Clip], sample_rate: int) -> _Sounds:
    """The 10 s in the middle of a file, which the published extraction gives the teacher."""
    path = _unchanged(clips)
    length_s = probe(path).duration_s
    cut = (max(0.0, (length_s - WINDOW_S) / 2), min(length_s, WINDOW_S))
    return [fill_up(sound, round(WINDOW_S * sample_rate)) for sound in read_clips(path, [cut], sample_rate=sample_rate)]


def _unchanged(clips: list[_Clip]) -> Path:
    path = Path(clips[0].uri)
    try:
        stat = path.stat()
    except OSError as error:
        raise SondoError(f"{path} is gone: teaching needs the sound that was ingested ({error.strerror})") from error
    if (stat.st_size, stat.st_mtime_ns) != (clips[0].file_bytes, clips[0].file_mtime_ns):
        raise SondoError(f"{path} has changed since it was ingested: its rows are stale. Ingest into a new bank")
    return path


def _embed(teacher: Teacher, clips: list[_Clip], sounds: _Sounds, batch_size: int) -> NDArray[np.float32]:
    if not getattr(teacher, "needs_audio", True):
        lookup = teacher.lookup  # type: ignore[attr-defined]
        return np.asarray(
            lookup([c.clip_id for c in clips], [c.uri for c in clips], [c.offset_s for c in clips]), dtype=np.float32
        )
    vectors = np.empty((len(clips), teacher.embedding_dim), dtype=np.float32)
    order = sorted(range(len(clips)), key=lambda index: len(sounds[index]))
    for _, group in groupby(order, key=lambda index: len(sounds[index])):
        same = list(group)
        for first in range(0, len(same), batch_size):
            rows = same[first : first + batch_size]
            with torch.inference_mode():
                output = teacher.embed(torch.from_numpy(np.stack([sounds[row] for row in rows])))
            if tuple(output.shape) != (len(rows), teacher.embedding_dim):
                raise SondoError(
                    f"teacher {teacher.name} gave vectors of shape {tuple(output.shape)} for {len(rows)} clips: "
                    f"expected ({len(rows)}, {teacher.embedding_dim})"
                )
            vectors[rows] = output.float().cpu().numpy()
    return vectors


def _checked(vectors: NDArray[np.float32], clips: list[_Clip], teacher: Teacher) -> NDArray[np.float32]:
    largest = np.abs(vectors).max(axis=1)
    for clip, value in zip(clips, largest, strict=True):
        if not math.isfinite(value) or value > FLOAT16_MAX:
            raise SondoError(
                f"teacher {teacher.name} gave {value} for {clip.uri} at {clip.offset_s:g} s: "
                f"expected finite values below {FLOAT16_MAX:g}, which float16 holds"
            )
        if value == 0:
            raise SondoError(f"teacher {teacher.name} gave a zero vector for {clip.uri} at {clip.offset_s:g} s")
    return vectors
