"""A teacher's vectors out of a bank's column: an index in the teacher's own space, without the teacher."""

from __future__ import annotations

import numpy as np

from sondo.bank import Bank
from sondo.bank.schema import slug
from sondo.errors import SondoError
from sondo.screen import say, track
from sondo.search.fill import Filling
from sondo.search.info import IndexInfo, teacher_space_id

_WHERE = ("uri", "offset_s", "duration_s", "labels", "file_bytes", "file_mtime_ns")


def info_of_column(bank: Bank, teacher: str) -> IndexInfo:
    """What an index of a teacher's column says of itself.

    Args:
        bank: The bank.
        teacher: The column's name, with or without `teacher.` before it.

    Raises:
        SondoError: The bank has no such column, or clips without a vector.
    """
    column = column_of(teacher)
    origin = bank.origin(column)
    if origin is None:
        there = ", ".join(name.removeprefix("teacher.") for name in bank.columns("teacher")) or "none yet"
        raise SondoError(
            f"{bank.path} has no column {column}; of teachers there is: {there}. "
            f"`sondo teach --bank {bank.path} --teacher {teacher}` makes it"
        )
    missing = bank.num_missing(column)
    if missing:
        raise SondoError(f"{bank.path}: {missing} clips have no {column} yet: run `sondo teach` again")
    return IndexInfo(
        kind="teacher",
        space_id=teacher_space_id(origin),
        model=str(origin.get("teacher") or teacher),
        fingerprint=str(origin.get("fingerprint") or ""),
        embedding_dim=int(origin["embedding_dim"]),
        sample_rate=int(origin["sample_rate"]),
        licence=str(origin.get("licence", "unknown")),
    )


def fill_from_column(bank: Bank, teacher: str, filling: Filling) -> None:
    """Take every clip of the bank that the index lacks, with its vector, but for those whose vector is zero.

    Raises:
        SondoError: A vector that is not finite.
    """
    column, num_zero = column_of(teacher), 0
    try:
        with track("index", total=len(bank)) as line:
            for batch in bank.scan([*_WHERE, column]):
                values = batch[column]
                vectors = np.asarray(values.flatten(), dtype=np.float32).reshape(len(values), -1)
                rows = zip(*(batch[name].to_pylist() for name in _WHERE), strict=True)
                for row, vector in zip((dict(zip(_WHERE, row, strict=True)) for row in rows), vectors, strict=True):
                    stamp = (row["file_bytes"], row["file_mtime_ns"])
                    if not vector.any():
                        num_zero += 1
                    elif filling.missing(row["uri"], stamp, [(row["offset_s"], row["duration_s"])], row["labels"]):
                        filling.add(row, vector)
                line.advance(len(values))
    finally:
        filling.commit()
    if num_zero:
        say(f"{num_zero} clips are left out, whose {column} is zero and has no direction to compare")


def column_of(teacher: str) -> str:
    """The name of a teacher's column, with or without `teacher.` before the name."""
    return f"teacher.{slug(teacher.removeprefix('teacher.'))}"
