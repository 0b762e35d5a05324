"""Open, read and extend a bank."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sondo.bank.files import follow, rewrite
from sondo.bank.lock import check_writable, write_lock
from sondo.bank.schema import (
    CLIP_SCHEMA,
    ORIGIN_KEY,
    REJECTED_SCHEMA,
    BankInfo,
    find_field,
    nest,
    path_of,
    wrap,
)
from sondo.bank.shards import split_name
from sondo.errors import SondoError, check_places, check_utf8

_SIDE = "_sondo"
_OF_LANCE = {"_versions", "_transactions", "data"}


class Bank:
    """A table of clips on disk.

    Args:
        path: Folder of the Lance dataset, usually `NAME.lance`.

    Raises:
        SondoError: There is no bank at `path`, or it is another kind of table or of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.exists(self.path):
            raise SondoError(f"no bank at {self.path}: make one with `sondo ingest --audio DIR --bank {self.path}`")
        try:
            self._dataset = lance.dataset(str(self.path))
        except (OSError, ValueError) as error:
            raise SondoError(f"{self.path} cannot be opened as a Lance table: {error}") from error
        self.info = BankInfo.from_metadata(self._dataset.schema.metadata, path=str(self.path))

    @staticmethod
    def exists(path: str | Path) -> bool:
        """Whether a Lance table has been committed at `path`."""
        return any((Path(path) / "_versions").glob("*.manifest"))

    @classmethod
    def create(cls, path: str | Path, info: BankInfo) -> Bank:
        """Make an empty bank.

        Raises:
            SondoError: Something else is at `path`, or above it.
        """
        create_table(CLIP_SCHEMA.with_metadata(info.to_metadata()).empty_table(), Path(path), kind="a bank")
        return cls(path)

    @property
    def side(self) -> Path:
        """Folder inside the bank for what is not the clip table: rejected files, unfinished columns, the lock."""
        return self.path / _SIDE

    @contextmanager
    def lock(self, *, or_read: bool = False) -> Iterator[None]:
        """Hold the bank for writing, as it is by then; a second process waits and is told who has it.

        Args:
            or_read: Go on without the lock where the bank may only be read, because there may be nothing to write; what
                then does write asks `check_writable` first.

        Raises:
            SondoError: Nothing can be written there, and `or_read` is not set.
        """
        with ExitStack() as held:
            if not or_read or self._is_writable():
                held.enter_context(write_lock(self.side))
            self.refresh()
            yield

    def check_writable(self) -> None:
        """Refuse to begin work whose result the bank could not take.

        Raises:
            SondoError: The bank lies on a read-only disk, or is another user's.
        """
        check_writable(self.side)

    def _is_writable(self) -> bool:
        try:
            check_writable(self.side)
        except SondoError:
            return False
        return True

    def refresh(self) -> None:
        """See what other processes have committed."""
        self._dataset = lance.dataset(str(self.path))

    def __len__(self) -> int:
        return int(self._dataset.count_rows())

    @property
    def files(self) -> list[str]:
        """The files, or shards, that the clips are of."""
        return list(dict.fromkeys(split_name(uri)[0] for uri in self.read(["uri"]).column(0).to_pylist()))

    # -- columns ---------------------------------------------------------------------------------------------

    @property
    def schema(self) -> pa.Schema:
        """The arrow schema of the table as it is now."""
        return self._dataset.schema

    def columns(self, group: str) -> list[str]:
        """Dotted names of the columns below `group`, e.g. `columns("teacher") == ["teacher.modulation"]`."""
        top = find_field(self.schema, group)
        if top is None or not pa.types.is_struct(top.type):
            return []
        names = []
        for child in top.type:
            name = f"{group}.{child.name}"
            names += self.columns(name) if pa.types.is_struct(child.type) else [name]
        return names

    def has_column(self, column: str) -> bool:
        """Whether the column stands in the table, complete or not."""
        return find_field(self.schema, column) is not None

    def origin(self, column: str) -> dict[str, Any] | None:
        """What made a column: the settings that its stage recorded; None where the column is absent."""
        field = find_field(self.schema, column)
        if field is None:
            return None
        raw = (field.metadata or {}).get(ORIGIN_KEY)
        return json.loads(raw) if raw else {}

    def num_missing(self, column: str) -> int:
        """Number of rows without a value in `column`."""
        if not self.has_column(column):
            return len(self)
        return int(self._dataset.count_rows(f"{path_of(column)} IS NULL"))

    # -- reading ---------------------------------------------------------------------------------------------

    def scan(self, columns: Sequence[str], *, batch_size: int = 1024, start: int = 0) -> Iterator[dict[str, pa.Array]]:
        """Stream columns in row order.

        Args:
            columns: Dotted names.
            batch_size: Rows per batch at most.
            start: First row.

        Yields:
            Column name to arrow array, batch after batch.
        """
        scanner = self._dataset.scanner(
            columns={name: path_of(name) for name in columns},
            batch_size=batch_size,
            offset=start or None,
            scan_in_order=True,
        )
        for batch in scanner.to_batches():
            yield {name: batch.column(name) for name in columns}

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Whole columns in memory, in row order."""
        return self._dataset.to_table(columns={name: path_of(name) for name in columns})

    def take(self, rows: Sequence[int] | NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Some rows, in the order asked for."""
        return self._dataset.take(list(map(int, rows)), columns={name: path_of(name) for name in columns})

    def log_mels(self, rows: Sequence[int] | NDArray[np.int64]) -> list[NDArray[np.float16]]:
        """Log-mels of some rows.

        Shape:
            - output: list of (mels, frames), float16
        """
        values = self.take(rows, ["logmel"]).column(0).combine_chunks()
        mels = self.info.front_end.num_mels
        flat, ends = values.values.to_numpy(), values.offsets.to_numpy()
        return [flat[a:b].reshape(mels, -1) for a, b in pairwise(ends)]

    def zero_rows(self, column: str) -> NDArray[np.int64]:
        """Rows whose vector is zero, in a complete column of vectors: it has no direction to learn or to compare."""
        found: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
        first = 0
        for batch in self.scan([column]):
            vectors = batch[column].flatten().to_numpy().reshape(len(batch[column]), -1)
            found.append(first + np.flatnonzero(~vectors.any(axis=1)))
            first += len(vectors)
        return np.concatenate(found)

    # -- writing ---------------------------------------------------------------------------------------------

    def append(self, clips: pa.Table) -> None:
        """Add rows. Columns of later stages stay empty for them until their stage runs again.

        Raises:
            SondoError: The bank is gone.
        """
        append_to_table(clips.cast(CLIP_SCHEMA).replace_schema_metadata(self.info.to_metadata()), self.path)
        self.refresh()

    def add_column(self, column: str, kind: pa.DataType, values: Iterator[pa.Array], origin: dict[str, Any]) -> None:
        """Write a whole column in one commit; one that stood there is replaced.

        Args:
            column: Dotted name, e.g. `teacher.modulation`.
            kind: Arrow type of the values.
            values: Arrays in row order, together as long as the table.
            origin: What made the values; read back by `origin`.
        """
        nested = nest(column, kind, origin)
        schema = pa.schema([nested])
        batches = (pa.RecordBatch.from_arrays([wrap(nested, array)], schema=schema) for array in values)
        if self.has_column(column):
            self._dataset.drop_columns([path_of(column)])
            self.refresh()
        # A handle of its own: while it writes, `values` may read from this one.
        lance.dataset(str(self.path)).add_columns(pa.RecordBatchReader.from_batches(schema, batches))
        self.refresh()

    def follow(self, moved: Mapping[str, str]) -> None:
        """Write where files lie now, new by old path, in one commit; see `sondo.bank.moved`."""
        follow(self._dataset, moved)
        self.refresh()

    def describe(self, clips: Mapping[tuple[str, float], dict[str, Any]]) -> None:
        """Write other splits, folds and labels of clips, by `uri` and `offset_s`, in one commit."""
        rewrite(
            self._dataset,
            ["split", "fold", "labels"],
            lambda row: clips.get((row["uri"], row["offset_s"])),
            by=["uri", "offset_s"],
        )
        self.refresh()

    # -- files set aside -------------------------------------------------------------------------------------

    @property
    def _rejected_path(self) -> Path:
        return self.side / "rejected.lance"

    def reject(self, files: list[dict[str, Any]]) -> None:
        """Note files that could not be read: `uri`, `reason`, `file_bytes`, `file_mtime_ns` each."""
        if not files:
            return
        self.forget_rejected([file["uri"] for file in files])
        mode = "append" if self.exists(self._rejected_path) else "create"
        lance.write_dataset(pa.Table.from_pylist(files, schema=REJECTED_SCHEMA), str(self._rejected_path), mode=mode)

    def rejected(self) -> list[dict[str, Any]]:
        """The files that were set aside, with the reason of each."""
        if not self.exists(self._rejected_path):
            return []
        return list(lance.dataset(str(self._rejected_path)).to_table().to_pylist())

    def forget_rejected(self, uris: Sequence[str]) -> None:
        """Take files off the list, because they are read again."""
        if uris and self.exists(self._rejected_path):
            quoted = ", ".join("'" + uri.replace("'", "''") + "'" for uri in uris)
            lance.dataset(str(self._rejected_path)).delete(f"uri IN ({quoted})")


def create_table(rows: pa.Table, path: Path, *, kind: str) -> None:
    """Write a new table, unless another process was quicker; then its table stays as it is.

    Args:
        rows: Its first rows, or none.
        path: Its folder.
        kind: What it is, for the message.

    Raises:
        SondoError: Something else is at `path`, or it cannot be made there.
    """
    check_utf8(path)
    if not path.is_file():
        check_places(path / _SIDE)
    there = {child.name for child in path.iterdir()} - {_SIDE} if path.is_dir() else set()
    is_begun = "_versions" in there and there <= _OF_LANCE
    if path.is_file() or (there and not is_begun and not Bank.exists(path)):
        raise SondoError(f"{path} exists and is not {kind}: name another path for {kind}")
    with write_lock(path / _SIDE):
        if not Bank.exists(path):
            for name in _OF_LANCE:  # of a table that was never committed, because the disk was full
                shutil.rmtree(path / name, ignore_errors=True)
            lance.write_dataset(rows, str(path))


def append_to_table(rows: pa.Table, path: Path) -> None:
    """Add rows to a table in one commit.

    Raises:
        SondoError: The table is gone. Lance would begin another one there with these rows alone.
    """
    if not Bank.exists(path):
        raise SondoError(f"{path} is gone: what a command works on must stay in its place until it ends")
    lance.write_dataset(rows, str(path), mode="append")
