"""An index of sound: every clip of 10 s through a model, or a teacher's vectors out of a bank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.clips import MIN_CLIP_S, WINDOW_S, plan_clips
from sondo.audio.decode import probe, read_clips
from sondo.audio.errors import AudioError
from sondo.bank import Bank
from sondo.bank.manifest import Source
from sondo.bank.sound import open_sound, stamp_of
from sondo.bank.sources import Sources, find_sources
from sondo.errors import SondoError
from sondo.in_threads import ahead, in_order
from sondo.loading import load_to_embed
from sondo.runtime import Model
from sondo.screen import counted, say, track
from sondo.search.fill import Filling, Stamp
from sondo.search.from_bank import column_of, fill_from_column, info_of_column
from sondo.search.index import Index
from sondo.search.info import IndexInfo
from sondo.search.moved import by_column, by_model, follow_moved
from sondo.search.teacher_space import MappedModel, load_mapped_to


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What a build did: clips in the index now, added, dropped with their files, and files set aside with reasons."""

    num_clips: int
    num_added: int
    num_dropped: int
    rejected: dict[str, str]
    is_approximate: bool


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A clip with its sound, or the reason why its file has none; `share` of a source is done with it."""

    source: Source
    stamp: Stamp
    offset_s: float = 0.0
    duration_s: float = 0.0
    sound: NDArray[np.float32] | None = None
    reason: str | None = None
    share: float = 1.0


def build(
    source: str | Path,
    out: str | Path,
    *,
    model: str | Path | None = None,
    teacher: str | None = None,
    teacher_space: bool = False,
    max_bad_share: float = 0.05,
    threads: int | None = None,
    allow_code: bool = False,
) -> BuildReport:
    """Put the clips of a folder or of a bank into an index, making the index where it is missing.

    Clips that are there stay, with the labels that are given now; those of a file that has changed, and parts that have
    another length now, are made again; those of a file that is gone from the folder are dropped. An interrupted build
    goes on where it stopped. From `sondo.search.index.ANN_FROM_ROWS` clips on the index is approximate.

    Args:
        source: A folder of sound, a manifest (CSV or Parquet), Parquet shards that hold sound, or a bank.
        out: The index's path, usually `NAME.lance`.
        model: What `sondo.load` takes: the student that hears the clips.
        teacher: Instead of a model, and from a bank alone: the teacher whose column `teacher.NAME` is taken. With
            `teacher_space`: of which of the student's teachers; of its first when left out.
        teacher_space: Map the student's vectors into its teacher's space, where the teacher can ask too, in words if it
            reads them.
        max_bad_share: Share of files that may be unreadable before the job stops, in [0, 1].
        threads: Threads for an exported file.
        allow_code: As for `sondo.load`.

    Raises:
        SondoError: Nothing to index, too many unreadable files, a column that is not there, or an index of another
            space.

    Example:
        `build("clips/", "index.lance", model="student.onnx")`, `build("bank.lance", "index.lance", teacher="m2d")`
    """
    if model is None and teacher_space:
        raise SondoError("--teacher_space maps a student's vectors: say which, with --model")
    if (model is None) == (teacher is None or teacher_space):
        raise SondoError("say who makes the vectors: --model MODEL, or --teacher NAME for a column that a bank has")
    if not 0 <= max_bad_share <= 1:
        raise SondoError(f"max_bad_share is {max_bad_share}: expected a share between 0 and 1")
    bank = Bank(source) if Bank.exists(source) else None
    if model is None:
        assert teacher is not None
        if bank is None:
            raise SondoError(
                f"{source} is no bank: only a bank has a teacher's vectors (`sondo ingest`, then `sondo teach`)"
            )
        index = _open(out, info_of_column(bank, teacher))
        with index.lock():
            follow_moved(index, bank.files, by_column(bank, column_of(teacher)))
            filling = Filling(index, num_files=len(bank), clips_per_commit=4096)
            fill_from_column(bank, teacher, filling)
            return _finish(filling)
    options: dict[str, Any] = {"threads": threads, "allow_code": allow_code}
    encoder = load_mapped_to(model, teacher, **options) if teacher_space else load_to_embed(model, **options)
    sources = find_sources(Path(source), None) if bank is None else _clips_of(bank)
    index = _open(out, _info_of(encoder, model))
    with index.lock():
        follow_moved(index, sources.files, by_model(encoder))
        filling = Filling(index, num_files=sources.num_files, max_bad_share=max_bad_share)
        if bank is None and Path(source).is_dir():
            filling.drop_gone(Path(source))
        _fill(sources, encoder, filling)
        return _finish(filling)


def _info_of(encoder: Model, model: str | Path) -> IndexInfo:
    common: dict[str, Any] = {
        "space_id": encoder.space_id,
        "embedding_dim": encoder.embedding_dim,
        "sample_rate": encoder.sample_rate,
        "licence": encoder.licence,
    }
    if isinstance(encoder, MappedModel):
        return IndexInfo(
            kind="teacher",
            model=str(encoder.teacher["name"]),
            fingerprint=str(encoder.teacher.get("fingerprint") or ""),
            mapped_from=encoder.student_space_id,
            **common,
        )
    return IndexInfo(kind="student", model=str(Path(model).resolve()) if Path(model).exists() else str(model), **common)


def _open(out: str | Path, info: IndexInfo) -> Index:
    index = Index(out) if Bank.exists(out) else Index.create(out, info)
    if index.info.space_id != info.space_id:
        raise SondoError(
            f"{out} holds vectors of the space {index.info.space_id!r}, these would lie in {info.space_id!r}: name "
            "another path for the index"
        )
    if index.info.mapped_from != info.mapped_from:
        made = [each.mapped_from or "the teacher itself" for each in (index.info, info)]
        raise SondoError(
            f"the vectors of {out} are by {made[0]}, these would be by {made[1]}: name another path for the index"
        )
    return index


def _fill(sources: Sources, encoder: Model, filling: Filling) -> None:
    def heard(piece: _Piece) -> tuple[_Piece, NDArray[np.float32] | None]:
        if piece.sound is None:
            return piece, None
        try:
            return piece, encoder.embed(piece.sound, sample_rate=encoder.sample_rate)
        except SondoError as error:
            return replace(piece, reason=str(error)), None

    pieces = ahead(_pieces(sources, filling, encoder.sample_rate))
    try:
        with (
            track("index", total=sources.total, unit="files") as line,
            in_order(heard, pieces, at_once=encoder.at_once) as outcomes,
        ):
            for outcome in outcomes:
                piece, vector = outcome.result()
                reason = piece.reason
                if vector is not None:
                    try:
                        filling.add(_row(piece), vector)
                    except SondoError as error:
                        reason = str(error)
                if reason is not None:
                    is_part = piece.source.offset_s is not None
                    filling.reject(piece.source.uri, piece.stamp, reason, is_part=is_part)
                line.advance(piece.share)
                line.note(f"{len(filling.rejected)} set aside" if filling.rejected else "")
    finally:
        filling.commit()


def _finish(filling: Filling) -> BuildReport:
    index = filling.index
    if filling.rejected:
        say(f"{counted(len(filling.rejected), 'file')} set aside: {filling.reasons()}")
    if len(index) == 0:
        raise SondoError(f"no clip in {index.path}: {filling.reasons() or 'there was none to take'}")
    if filling.relabelled:
        index.describe(filling.relabelled)
        say(f"{counted(len(filling.relabelled), 'clip')} with other labels than before: those that are given now count")
    if filling.num_added:
        index.finish()
    return BuildReport(
        num_clips=len(index),
        num_added=filling.num_added,
        num_dropped=filling.num_dropped,
        rejected=filling.rejected,
        is_approximate=index.is_approximate,
    )


def _clips_of(bank: Bank) -> Sources:
    """The clips of a bank, as parts of files."""
    num_files = len(set(bank.read(["uri"]).column(0).to_pylist()))

    def each() -> Iterator[Source]:
        for batch in bank.scan(["uri", "offset_s", "duration_s", "labels"]):
            for uri, offset_s, duration_s, labels in zip(
                *(column.to_pylist() for column in batch.values()), strict=True
            ):
                yield Source(uri=uri, offset_s=offset_s, duration_s=duration_s, labels=labels and tuple(labels))

    return Sources(total=len(bank), num_files=num_files, files=bank.files, each=each())


def _pieces(sources: Sources, filling: Filling, sample_rate: int) -> Iterator[_Piece]:
    """Every clip that the index lacks, with its sound at `sample_rate`."""
    for source in sources.each:
        try:
            stamp = stamp_of(source.uri)
        except OSError as error:
            yield _Piece(source=source, stamp=(0, 0), reason=f"no such file ({error.strerror})")
            continue
        reason = filling.reason(source.uri, stamp)
        if reason is not None:
            yield _Piece(source=source, stamp=stamp, reason=reason)
            continue
        try:
            yield from _decoded(source, stamp, filling, sample_rate)
        except AudioError as error:
            yield _Piece(source=source, stamp=stamp, reason=str(error))


def _decoded(source: Source, stamp: Stamp, filling: Filling, sample_rate: int) -> Iterator[_Piece]:
    sound = open_sound(source.uri)
    length_s = probe(sound).duration_s
    start_s = source.offset_s or 0.0
    # as `sondo ingest` reads a manifest: a part without a length is a window long
    wanted_s = source.duration_s or (length_s if source.offset_s is None else WINDOW_S)
    planned = plan_clips(max(0.0, min(length_s - start_s, wanted_s)))
    if not planned:
        raise AudioError(f"less than {MIN_CLIP_S:g} s of sound from {start_s:g} s on")
    places = [(start_s + offset_s, duration_s) for offset_s, duration_s in planned]
    clips = filling.missing(source.uri, stamp, places, source.labels)
    if not clips:
        yield _Piece(source=source, stamp=stamp)
    heard = read_clips(sound, clips, sample_rate=sample_rate) if clips else ()
    for (offset_s, duration_s), samples in zip(clips, heard, strict=True):
        yield _Piece(
            source=source,
            stamp=stamp,
            offset_s=offset_s,
            duration_s=duration_s,
            sound=samples,
            share=1 / len(clips),
        )


def _row(piece: _Piece) -> dict[str, object]:
    labels = piece.source.labels
    return {
        "uri": piece.source.uri,
        "offset_s": piece.offset_s,
        "duration_s": piece.duration_s,
        "labels": None if labels is None else list(labels),
        "file_bytes": piece.stamp[0],
        "file_mtime_ns": piece.stamp[1],
    }
