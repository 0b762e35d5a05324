"""A column that is computed step by step and survives a kill.

Values are first appended to a small table beside the clips (one durable commit each step); when every row has one,
the column enters the bank in a single commit. So a column in the bank is never half of one run and half of another,
and an interrupted stage goes on with the rows that lack a value.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa

from sondo.bank.bank import Bank
from sondo.bank.schema import ORIGIN_KEY, path_of
from sondo.errors import SondoError
from sondo.screen import say


class ColumnWriter:
    """Fill one column in row order, resuming where an earlier process stopped.

    Args:
        bank: The bank, locked by the caller; one that can only be read will do for a column that is complete.
        column: Dotted name, e.g. `teacher.modulation`.
        kind: Arrow type of the values.
        origin: What makes the values. Values made under another origin are never mixed with these.
        overwrite: Replace a column of another origin.

    Raises:
        SondoError: The column is there with another origin and `overwrite` is not set; the message names what differs;
            or values are missing and the bank cannot be written.
    """

    def __init__(
        self, bank: Bank, column: str, kind: pa.DataType, origin: dict[str, Any], *, overwrite: bool = False
    ) -> None:
        self.bank, self.column, self.kind, self.origin = bank, column, kind, origin
        self._path = bank.side / "unfinished" / f"{column}.lance"
        standing = bank.origin(column)
        if standing is not None and standing != origin and not overwrite:
            raise SondoError(
                f"{bank.path}: column {column} is stale: {describe_difference(standing, origin)}. "
                "Allow computing it again with --overwrite (in Python overwrite=True), or keep both and give the other "
                "one a name (--teacher.label)"
            )
        self._schema = pa.schema([pa.field("clip_id", pa.string()), pa.field("value", kind)]).with_metadata(
            {ORIGIN_KEY: json.dumps(origin, sort_keys=True).encode()}
        )
        if self.complete:
            return
        bank.check_writable()
        if bank.exists(self._path) and self._staged_origin() != origin:
            say(f"an unfinished {column} of other settings is dropped")
            self.discard()
        if not bank.exists(self._path):
            shutil.rmtree(self._path, ignore_errors=True)
            lance.write_dataset(self._schema.empty_table(), str(self._path))
            if standing == origin and bank.num_missing(column):
                self._seed_from_bank()

    def _staged_origin(self) -> dict[str, Any]:
        metadata = lance.dataset(str(self._path)).schema.metadata or {}
        staged: dict[str, Any] = json.loads(metadata.get(ORIGIN_KEY, b"{}"))
        return staged

    def _seed_from_bank(self) -> None:
        """Rows were added after the column was made: keep the values that stand, in one commit."""

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in self.bank.scan(["clip_id", self.column]):
                arrays = [batch["clip_id"], batch[self.column]]
                yield pa.RecordBatch.from_arrays(arrays, schema=self._schema).filter(arrays[1].is_valid())

        reader = pa.RecordBatchReader.from_batches(self._schema, batches())
        lance.write_dataset(reader, str(self._path), mode="append")

    @property
    def complete(self) -> bool:
        """Whether the bank has a value of this origin in every row, so that there is nothing to do."""
        return self.bank.origin(self.column) == self.origin and self.bank.num_missing(self.column) == 0

    @property
    def done(self) -> int:
        """Number of rows, from the first on, whose value is durable."""
        if self.complete:
            return len(self.bank)
        return int(lance.dataset(str(self._path)).count_rows())

    def value(self, row: int) -> Any:
        """The durable value of a row that has one."""
        if self.complete:
            return self.bank.take([row], [self.column]).column(0)[0].as_py()
        return lance.dataset(str(self._path)).take([row], columns=["value"]).column(0)[0].as_py()

    def append(self, clip_ids: pa.Array, values: pa.Array) -> None:
        """Make the values of the next rows durable."""
        table = pa.table([clip_ids, values], schema=self._schema)
        lance.write_dataset(table, str(self._path), mode="append")

    def publish(self) -> None:
        """Put the column into the bank, in one commit, and drop the scratch table."""
        if not self.complete:
            self.bank.add_column(self.column, self.kind, self._in_row_order(), self.origin)
        self.discard()

    def _in_row_order(self) -> Iterator[pa.Array]:
        staged = lance.dataset(str(self._path))
        assert staged.count_rows() == len(self.bank), "publish() before every row has a value"
        scanner = staged.scanner(columns={"clip_id": "clip_id", "value": path_of("value")}, scan_in_order=True)
        row = 0
        for batch in scanner.to_batches():
            ids = self.bank.take(range(row, row + batch.num_rows), ["clip_id"]).column(0).combine_chunks()
            assert ids.equals(batch.column("clip_id")), "staged values are out of step with the bank's rows"
            row += batch.num_rows
            yield batch.column("value")

    def discard(self) -> None:
        """Forget what has been staged."""
        shutil.rmtree(Path(self._path), ignore_errors=True)


def describe_difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Name the settings in which two origins differ, old value first."""
    if not old:
        return "it does not say what made it"
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return "; ".join(f"{key} was {old.get(key)!r}, is now {new.get(key)!r}" for key in keys)
