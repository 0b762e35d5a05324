"""Run a teacher over a bank: the audio of each clip in, one float16 vector column out."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import groupby
from typing import Any, NoReturn, Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from sondo.bank import Bank, ColumnWriter
from sondo.bank.schema import slug
from sondo.distill.data import vectors_of
from sondo.distill.sound import CLIP_COLUMNS, Clip, Sounds, by_file, read_file, read_middle
from sondo.errors import SondoError
from sondo.recipe import TeacherConfig
from sondo.screen import say, track
from sondo.teachers import Teacher, label_of

CLIPS_PER_COMMIT = 256
FLOAT16_MAX = 65504.0
MOST_ZERO = 0.5
"""Share of clips to which a teacher may give a zero vector: silence has none to speak of, a broken teacher neither."""
SHOWN_CLIPS = 3
_LOOKED_AT = 100
"""Clips whose vectors are compared, spread over the bank."""
Heard = tuple[list[Clip], NDArray[np.float32]]
"""Clips that follow each other in the bank, and their vectors, (clips, embedding_dim)."""

_SAME_COSINE = 0.999
"""Smallest cosine of two vectors of one clip by one teacher; the kept one is in float16."""


def teacher_column(teacher: Teacher) -> str:
    """Name of a teacher's column, `teacher.<name>`.

    Raises:
        SondoError: Its name has nothing to call a column by.
    """
    return _column_of(teacher.name)


def configured_column(config: TeacherConfig) -> str:
    """Name of the column of the teacher that a configuration names, without making it; as `teacher_column`."""
    return _column_of(config.label or label_of(config.name))


def _column_of(name: str) -> str:
    if not (called := slug(name)):
        raise SondoError(
            f"the teacher {name!r} has neither a letter nor a digit to call its column by: give it another name "
            "(--teacher.label)"
        )
    return f"teacher.{called}"


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


class Elsewhere(Protocol):
    """Other processes that listen for this one, see `sondo.distill.ray_teachers`."""

    def heard(self, bank: Bank, teacher: Teacher, steps: Iterable[list[Clip]]) -> Generator[Heard, None, None]:
        """Steps of clips, in their order, with their vectors."""
        ...


def teach(
    bank: Bank,
    teacher: Teacher,
    *,
    batch_size: int = 8,
    workers: int = 2,
    overwrite: bool = False,
    elsewhere: Elsewhere | None = None,
) -> str:
    """Add the column of a teacher; clips that have a vector of this teacher already are left alone.

    Args:
        bank: The bank.
        teacher: Anything with the teacher's shape, see `sondo.teachers.Teacher`.
        batch_size: Clips of equal length that the teacher gets at a time. Unlike lengths are never padded together,
            so a clip's vector does not depend on its neighbours.
        workers: Decoding threads.
        overwrite: Replace a column that another version of this teacher made.
        elsewhere: Who listens and decodes instead of this process; the column is the same.

    Returns:
        The column's name.

    Raises:
        SondoError: A stale column, a file that is gone or has changed, a vector that is no vector, or zero vectors for
            most of the clips; a few are named on the screen, and training leaves them out.
    """
    column = teacher_column(teacher)
    kind = pa.list_(pa.float16(), teacher.embedding_dim)
    with bank.lock(or_read=True):
        writer = ColumnWriter(bank, column, kind, origin_of(teacher), overwrite=overwrite)
        _check_unnamed(writer, teacher, batch_size)
        if writer.complete:
            writer.discard()
            say(f"teach: {column} is there for all {len(bank)} clips")
            return column
        if elsewhere is None or not getattr(teacher, "needs_audio", True):
            heard = _heard_here(bank, teacher, writer.done, batch_size=batch_size, workers=workers)
        else:
            heard = elsewhere.heard(bank, teacher, _steps(bank, writer.done))
        zero: list[str] = []
        num_left = len(bank) - writer.done
        with track("teach", total=len(bank), done=writer.done) as line, closing(heard):
            for clips, vectors in heard:
                names = [f"{clip.uri} at {clip.offset_s:g} s" for clip in clips]
                check_numbers(vectors, names, teacher)
                zero += _zero(vectors, names)
                if len(zero) > MOST_ZERO * len(bank):
                    writer.discard()
                    _refuse_zero(zero, teacher)
                flat = pa.array(vectors.astype(np.float16).ravel())
                ids = pa.array([clip.clip_id for clip in clips])
                writer.append(ids, pa.FixedSizeListArray.from_arrays(flat, teacher.embedding_dim))
                line.advance(len(clips))
        writer.publish()
    if zero:
        _tell_zero(zero, num_left, teacher)
    _tell_alike(bank, column, teacher)
    return column


def _check_unnamed(writer: ColumnWriter, teacher: Teacher, batch_size: int) -> None:
    """Find out whether a teacher without a fingerprint is the one of its column, or of the part of it that is there.

    It is asked for the last clip that has a vector.

    Raises:
        SondoError: It says something else.
    """
    if getattr(teacher, "fingerprint", None) or not getattr(teacher, "needs_audio", True) or not writer.done:
        return
    bank, last = writer.bank, writer.done - 1
    clips = next(_steps(bank, last, last + 1))
    with ThreadPoolExecutor(1) as pool:
        (decoded,) = decode(clips, teacher.sample_rate, compat=bank.info.compat, pool=pool)
        try:
            sounds = decoded.result()
        except SondoError:
            return  # sound that is gone is not needed where all vectors are there
    said = embed_clips(teacher, clips, sounds, batch_size)[0].astype(np.float64)
    kept = np.array(writer.value(last), dtype=np.float64)
    if said @ kept < _SAME_COSINE * np.linalg.norm(said) * np.linalg.norm(kept):
        raise SondoError(
            f"{bank.path}: column {writer.column} is by another teacher of this name, which gave {clips[0].uri} "
            "another vector: give this one a name of its own, and a `fingerprint` that changes with its weights"
        )


def _heard_here(
    bank: Bank, teacher: Teacher, start: int, *, batch_size: int, workers: int
) -> Generator[Heard, None, None]:
    _claim_again(bank, teacher, start)
    with ThreadPoolExecutor(workers) as pool:
        for clips, sounds in _decoded_ahead(bank, teacher, start, pool):
            yield clips, embed_clips(teacher, clips, sounds, batch_size)


def _claim_again(bank: Bank, teacher: Teacher, stop: int) -> None:
    """Let a teacher of vectors from elsewhere know whose it gave in earlier calls, so that no other clip gets one.

    What it cannot find now, because a file has moved since, is passed over: those clips have their vectors.
    """
    if (claim := getattr(teacher, "claim", None)) is None:
        return
    for clips in _steps(bank, 0, stop):
        for clip in clips:
            with suppress(SondoError):
                claim(clip.clip_id, clip.uri, clip.offset_s)


def _decoded_ahead(
    bank: Bank, teacher: Teacher, start: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[list[Clip], Sounds]]:
    """Steps of clips with their sound; the next step is decoded while the teacher listens to this one."""
    pending: tuple[list[Clip], list[Future[Sounds]]] | None = None
    for clips in _steps(bank, start):
        futures = []
        if getattr(teacher, "needs_audio", True):
            futures = decode(clips, teacher.sample_rate, compat=bank.info.compat, pool=pool)
        if pending is not None:
            yield pending[0], [sound for future in pending[1] for sound in future.result()]
        pending = (clips, futures)
    if pending is not None:
        yield pending[0], [sound for future in pending[1] for sound in future.result()]


def decode(
    clips: list[Clip], sample_rate: int, *, compat: str | None, pool: ThreadPoolExecutor
) -> list[Future[Sounds]]:
    """Begin to read the sound of clips; the results together are that of each, in order.

    Args:
        clips: What to read.
        sample_rate: The teacher's, in Hz.
        compat: The bank's.
        pool: Reads.
    """
    read = read_middle if compat == "ssondo" else read_file
    return [pool.submit(read, part, sample_rate) for part in by_file(clips)]


def _steps(bank: Bank, start: int, stop: int | None = None) -> Iterator[list[Clip]]:
    table = bank.read(CLIP_COLUMNS).slice(0, stop)
    for first in range(start, table.num_rows, CLIPS_PER_COMMIT):
        yield [Clip(**row) for row in table.slice(first, CLIPS_PER_COMMIT).to_pylist()]


def embed_clips(teacher: Teacher, clips: list[Clip], sounds: Sounds, batch_size: int) -> NDArray[np.float32]:
    """Vectors of clips: of their sound, or those that were computed elsewhere.

    Args:
        teacher: Who listens.
        clips: The clips.
        sounds: (samples,) of each at the teacher's rate; none for a teacher that needs no sound.
        batch_size: Most sounds that the teacher gets at a time.

    Shape:
        -> (clips, embedding_dim).
    """
    if not getattr(teacher, "needs_audio", True):
        lookup = teacher.lookup  # type: ignore[attr-defined]
        return np.asarray(
            lookup([c.clip_id for c in clips], [c.uri for c in clips], [c.offset_s for c in clips]), dtype=np.float32
        )
    return embed_sounds(teacher, sounds, batch_size)


def embed_sounds(teacher: Teacher, sounds: Sounds, batch_size: int) -> NDArray[np.float32]:
    """Vectors of sounds; only those of equal length share a batch.

    Args:
        teacher: Who listens.
        sounds: (samples,) each, at the teacher's rate.
        batch_size: Most sounds that the teacher gets at a time.

    Shape:
        -> (len(sounds), embedding_dim).

    Raises:
        SondoError: The teacher gives vectors of another shape than it says.
    """
    vectors = np.empty((len(sounds), teacher.embedding_dim), dtype=np.float32)
    order = sorted(range(len(sounds)), key=lambda index: len(sounds[index]))
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
            vectors[rows] = torch.as_tensor(output).float().cpu().numpy()
    return vectors


def check_vectors(vectors: NDArray[np.float32], names: Sequence[str], teacher: Teacher) -> NDArray[np.float32]:
    """The vectors, if each can be learned from.

    Args:
        vectors: (clips, embedding_dim).
        names: What to call each clip.
        teacher: Who made them.

    Raises:
        SondoError: One that is zero, not finite or beyond float16; names its clip.
    """
    check_numbers(vectors, names, teacher)
    if zero := _zero(vectors, names):
        _refuse_zero(zero, teacher)
    return vectors


def check_numbers(vectors: NDArray[np.float32], names: Sequence[str], teacher: Teacher) -> None:
    """Refuse vectors that the bank cannot hold; arguments as for `check_vectors`.

    Raises:
        SondoError: One that is not finite or beyond float16; names its clip.
    """
    for name, value in zip(names, np.abs(vectors).max(axis=1), strict=True):
        if not math.isfinite(value) or value > FLOAT16_MAX:
            raise SondoError(
                f"teacher {teacher.name} gave {value} for {name}: "
                f"expected finite values below {FLOAT16_MAX:g}, which float16 holds"
            )


def _zero(vectors: NDArray[np.float32], names: Sequence[str]) -> list[str]:
    """The clips whose vectors float16 takes for zero."""
    kept = vectors.astype(np.float16)
    return [name for name, vector in zip(names, kept, strict=True) if not vector.any()]


def _tell_zero(zero: Sequence[str], num_clips: int, teacher: Teacher) -> None:
    """Name some of the clips that got a zero vector, of those that were listened to now."""
    more = f" and {len(zero) - SHOWN_CLIPS} more" if len(zero) > SHOWN_CLIPS else ""
    say(
        f"teach: {len(zero)} of {num_clips} clips got a zero vector of {teacher.name} (are they silent?), which has no "
        f"direction, and training leaves them out: {', '.join(zero[:SHOWN_CLIPS])}{more}"
    )


def _tell_alike(bank: Bank, column: str, teacher: Teacher) -> None:
    """Say so where a sample of the clips has one vector in common: whoever imitates that hears nothing."""
    rows = np.unique(np.linspace(0, len(bank) - 1, _LOOKED_AT).astype(np.int64))
    vectors = vectors_of(bank.take(rows, [column]).column(0))
    if len(rows) > 1 and (vectors == vectors[0]).all():
        say(f"teach: {teacher.name} gave the same vector for all clips that were compared: is it the right model?")


def _refuse_zero(zero: Sequence[str], teacher: Teacher) -> NoReturn:
    which = f"for {zero[0]}" + (f" and {len(zero) - 1} more" if len(zero) > 1 else "")
    raise SondoError(
        f"teacher {teacher.name} gave a zero vector {which}, or one that float16 takes for zero (below 6e-8), which "
        "has no direction to learn (is it silent?): let the teacher give such sound a fixed vector other than zero, "
        "and the bank with what other teachers said stays as it is; or take it out of the folder or the manifest and "
        "ingest into a new bank"
    )
