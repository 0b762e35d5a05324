"""What an ingest is given: a folder of sound, a manifest, or Parquet shards that hold the sound themselves."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sondo.audio.folders import AUDIO_EXTENSIONS, look_into, unopened_note
from sondo.bank.manifest import LABEL_COLUMNS, Source, described, file_name, sources_from_manifest
from sondo.bank.shards import SUFFIX, holds_sound, list_shards, num_rows, row_name, rows_without_sound
from sondo.errors import SondoError


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Sounds to ingest, in a fixed order.

    Args:
        total: Number of sounds.
        num_files: Number of files and of rows of shards that they are in; a manifest may name several parts of a file.
        files: The files, or shards, that they are in.
        each: The sounds, once. Rows of shards are read as they are asked for, so millions need no memory.
    """

    total: int
    num_files: int
    files: Sequence[str]
    each: Iterator[Source]


def find_sources(audio: Path | None, manifest: Path | None) -> Sources:
    """The sounds that the user named.

    Args:
        audio: Folder of sound or of shards, one shard, a pattern of shards (`data/train-*.parquet`) or a manifest; with
            a manifest apart, what its relative paths start from.
        manifest: CSV or Parquet that lists files; a shard or a pattern of shards will do too.

    Raises:
        SondoError: There is nothing, or something in it cannot be used.
    """
    given = audio if manifest is None else manifest
    if given is None:
        raise SondoError("nothing to ingest: give a folder of sound (--audio) or a manifest (--manifest)")
    if "*" in str(given) and not given.exists():
        return _from_shards(_matching(str(given)))
    if manifest is None and given.suffix.lower() not in (".csv", SUFFIX):
        return _from_folder(given)
    if given.suffix.lower() == SUFFIX and given.is_file() and holds_sound(given):
        return _from_shards([given])
    listed = sources_from_manifest(given, root=None if manifest is None else audio)
    uris = list(dict.fromkeys(source.uri for source in listed))
    return Sources(total=len(listed), num_files=len(uris), files=uris, each=iter(listed))


def _from_folder(folder: Path) -> Sources:
    if not folder.exists():
        raise SondoError(f"no such folder: {folder}")
    if not folder.is_dir():
        raise SondoError(f"{folder} is a file: give a folder of sound, or a manifest ending in .csv or .parquet")
    found = look_into(folder)
    files = [Source(uri=file_name(path)) for path in found.files]
    rows = _from_shards(list_shards(folder))
    total = len(files) + rows.total
    if total == 0:
        known = " ".join(sorted(AUDIO_EXTENSIONS))
        raise SondoError(
            f"no audio in {folder} (looked into its subfolders too, for {known}, and for Parquet files with sound in a "
            f"column `audio`){unopened_note(found.num_unopened)}"
        )
    return Sources(
        total=total,
        num_files=total,
        files=[*(source.uri for source in files), *rows.files],
        each=chain(files, rows.each),
    )


def _from_shards(shards: list[Path]) -> Sources:
    total = sum(num_rows(shard) for shard in shards)
    return Sources(total=total, num_files=total, files=[*map(file_name, shards)], each=_rows(shards))


def _rows(shards: list[Path]) -> Iterator[Source]:
    for shard in shards:
        for number, row in enumerate(rows_without_sound(shard, ("split", "fold", *LABEL_COLUMNS))):
            uri = row_name(file_name(shard), number)
            yield Source(uri=uri, **described(row, uri))


def _matching(pattern: str) -> list[Path]:
    shards = [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]
    if not shards:
        raise SondoError(f"nothing matches {pattern}")
    for shard in shards:
        if shard.suffix.lower() != SUFFIX or not holds_sound(shard):
            raise SondoError(
                f"{shard} matches {pattern}, but is no Parquet file with sound in a column `audio`: a pattern is for "
                "such files"
            )
    return shards
