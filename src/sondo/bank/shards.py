"""Parquet tables that hold sound files in a column, as data sets of the Hugging Face hub do (agkphysics/AudioSet).

The column is `audio`, a struct of `bytes` (the whole encoded file) and, if wanted, `path` (the name that it had). A row
is one sound; in a bank it is named `FILE.parquet#ROW`, counted from 0. What is in memory at a time is a page of the
file, at most one of its row groups (100 sounds in what the hub's own library writes), however large the file is.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from sondo.audio.errors import AudioError
from sondo.audio.sound_bytes import SoundBytes
from sondo.errors import SondoError

AUDIO_COLUMN = "audio"
SUFFIX = ".parquet"

_ROWS_AT_ONCE = 8
_NAME = re.compile(r"(?P<file>.*\.parquet)#(?P<row>\d+)", re.IGNORECASE | re.DOTALL)


def row_name(shard: str | Path, row: int) -> str:
    """What a bank calls a row of a shard."""
    return f"{shard}#{row}"


def split_name(uri: str) -> tuple[str, int | None]:
    """The file that holds a bank row's sound, and the row there where that file is a shard.

    Example:
        >>> split_name("data/00.parquet#12"), split_name("dog.wav")
        (('data/00.parquet', 12), ('dog.wav', None))
    """
    found = _NAME.fullmatch(uri)
    return (found["file"], int(found["row"])) if found else (uri, None)


def holds_sound(table: Path) -> bool:
    """Whether a Parquet table holds sound files in a column.

    Raises:
        SondoError: It is no Parquet file, or a damaged one.
    """
    with _open(table) as file:
        schema = file.schema_arrow
    index = schema.get_field_index(AUDIO_COLUMN)
    kind = None if index < 0 else schema.field(index).type
    return kind is not None and pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0


def list_shards(folder: Path) -> list[Path]:
    """All shards in a folder and the folders inside it, sorted; hidden ones and tables without sound are left out.

    Raises:
        SondoError: A Parquet file there is damaged.
    """
    tables = (path for path in folder.rglob("*") if path.suffix.lower() == SUFFIX and path.is_file())
    seen = (path for path in tables if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return sorted(path for path in seen if holds_sound(path))


def num_rows(shard: Path) -> int:
    """Number of sounds in a shard."""
    with _open(shard) as file:
        return int(file.metadata.num_rows)


def rows_without_sound(shard: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a shard, in order, without their sound.

    Args:
        shard: The table.
        columns: Columns to read; those that the table lacks are left out.
    """
    with _open(shard) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        if not there:
            yield from itertools.repeat({}, file.metadata.num_rows)
            return
        for batch in file.iter_batches(columns=there):
            yield from batch.to_pylist()


class ShardReader:
    """Sound out of one shard. Rows that are asked for in order cost one pass.

    Raises:
        SondoError: It is no Parquet file, or a damaged one.
    """

    def __init__(self, shard: str | Path) -> None:
        self.shard = Path(shard)
        self._file = _open(self.shard)
        sizes = (self._file.metadata.row_group(group).num_rows for group in range(self._file.metadata.num_row_groups))
        self._starts = [0, *itertools.accumulate(sizes)]
        self._group = -1
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._held: list[dict[str, Any]] = []
        self._first = 0
        """The row of the shard that `_held` begins with."""

    def read(self, row: int) -> SoundBytes:
        """The sound of a row.

        Raises:
            AudioError: The shard has no such row, the row is empty or only names a file, or is damaged.
        """
        name = row_name(self.shard, row)
        if row >= self._starts[-1]:
            raise AudioError(f"{name}: the table has {self._starts[-1]} rows")
        try:
            self._go_to(row)
        except (pa.ArrowInvalid, OSError) as error:
            self._group = -1
            raise AudioError(f"{name}: the table is damaged there ({error})") from error
        sound = self._held[row - self._first][AUDIO_COLUMN] or {}
        path = sound.get("path") or ""
        if not sound.get("bytes"):
            raise AudioError(f"{name}: holds no sound" + (f", only the name of a file, {path}" if path else ""))
        return SoundBytes(name, sound["bytes"], Path(path).suffix.lower())

    def _go_to(self, row: int) -> None:
        group = bisect.bisect_right(self._starts, row) - 1
        if group != self._group or row < self._first:
            self._group, self._first, self._held = group, self._starts[group], []
            self._batches = self._file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=[AUDIO_COLUMN])
        while row >= self._first + len(self._held):
            self._first += len(self._held)
            self._held = next(self._batches).to_pylist()


def _open(table: Path) -> Any:
    try:
        return pyarrow.parquet.ParquetFile(table, pre_buffer=False)  # pre-buffering would hold whole row groups
    except (pa.ArrowInvalid, OSError) as error:
        raise SondoError(
            f"{table} cannot be read as Parquet ({error}). Download it again, or move it out of the way"
        ) from error
