"""Manifests: a table that names files, or parts of files, with their splits, folds and labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from sondo.audio.source_av import AV_EXTENSIONS
from sondo.bank.shards import SUFFIX
from sondo.csv_rows import read_rows
from sondo.errors import SondoError
from sondo.screen import say

PATH_COLUMNS = ("path", "filename", "file", "uri", "audio")
LABEL_COLUMNS = ("human_labels", "labels", "label", "category", "class")
"""The first that is there counts; AudioSet's copies have names in `human_labels` and Freebase ids in `labels`."""

_LAST_FOLD = 2**31 - 1
_OFFSET_COLUMNS, _DURATION_COLUMNS = ("offset_s", "offset"), ("duration_s", "duration")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A sound to ingest: a whole file or row of a shard, or the part of it that `offset_s` and `duration_s` name."""

    uri: str
    offset_s: float | None = None
    duration_s: float | None = None
    split: str | None = None
    fold: int | None = None
    labels: tuple[str, ...] | None = None


def sources_from_manifest(manifest: Path, *, root: Path | None = None) -> list[Source]:
    """The sounds that a table lists. Columns that nothing is read from are named on the screen.

    Args:
        manifest: CSV or Parquet with a path column (`path`, `filename`, `file`, `uri` or `audio`) and, as wanted,
            `offset_s`, `duration_s`, `split`, `fold`, and `label` or `labels` (several separated by `;`, or a list).
        root: What relative paths start from; the manifest's own folder by default.

    Raises:
        SondoError: The manifest cannot be read, lacks a path column, is empty, names a sound twice or nothing that is
            there, or holds a value of the wrong kind.
    """
    rows = _read(manifest)
    if not rows:
        raise SondoError(f"{manifest} lists no sound")
    columns = list(rows[0])
    path_column = next((name for name in PATH_COLUMNS if name in columns), None)
    if path_column is None:
        raise SondoError(
            f"{manifest} has no path column: expected one of {', '.join(PATH_COLUMNS)}; it has {', '.join(columns)}"
        )
    read = {path_column, *_OFFSET_COLUMNS, *_DURATION_COLUMNS, "split", "fold", *LABEL_COLUMNS}
    ignored = [name for name in columns if name and name not in read]
    if ignored:
        say(f"{manifest}: columns that are not read: {', '.join(ignored)}")
    base = root if root is not None else manifest.parent
    sources = [_source(row, path_column, base, f"{manifest}, row {number}") for number, row in enumerate(rows, 1)]
    if not any(Path(source.uri).exists() for source in sources):
        raise SondoError(
            f"{manifest}: none of the {len(sources)} files that it lists is there, such as {sources[0].uri}; relative "
            f"names start from {base.absolute()}, or from the folder that --audio names"
        )
    seen: dict[tuple[str, float], int] = {}
    for number, source in enumerate(sources, 1):
        first = seen.setdefault((source.uri, source.offset_s or 0.0), number)
        if first != number:
            raise SondoError(
                f"{manifest}, rows {first} and {number} name the same sound, {source.uri} from "
                f"{source.offset_s or 0.0:g} s: keep one row, with its labels separated by `;`"
            )
    return sources


def file_name(file: Path) -> str:
    """What a bank calls a file: its path without links.

    A link goes by its own name where it leads nowhere, or where it alone has the extension by which the file is read,
    as in the cache of the Hugging Face hub.
    """
    if file.is_symlink() and not file.exists():
        return str(file.absolute())
    at, telling = file.resolve(), {*AV_EXTENSIONS, SUFFIX}
    is_needed = file.is_symlink() and file.suffix.lower() in telling and at.suffix.lower() not in telling
    return str(file.parent.resolve() / file.name if is_needed else at)


def _read(manifest: Path) -> list[dict[str, Any]]:
    """The rows by column name. Those of a CSV are text, so a label `007` stays what it is."""
    if not manifest.is_file():
        raise SondoError(f"no such manifest: {manifest}")
    if manifest.suffix.lower() != ".parquet":
        return read_rows(manifest, needed=())
    try:
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(manifest).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise SondoError(f"{manifest} cannot be read as parquet: {error}") from error
    return rows


def _source(row: dict[str, Any], path_column: str, base: Path, where: str) -> Source:
    if not row[path_column]:
        raise SondoError(f"{where}: {path_column} is empty")
    offset_s = _number(row, _OFFSET_COLUMNS, where)
    duration_s = _number(row, _DURATION_COLUMNS, where)
    if duration_s is not None and duration_s <= 0:
        raise SondoError(f"{where}: a duration of {duration_s:g} s")
    return Source(
        uri=file_name(base / str(row[path_column])),
        offset_s=offset_s,
        duration_s=duration_s,
        **described(row, where),
    )


def described(row: dict[str, Any], where: str) -> dict[str, Any]:
    """What a row says of its sound: `split`, `fold` and `labels`, as a `Source` takes them.

    Args:
        row: Column name to value.
        where: The row, for messages.

    Raises:
        SondoError: A fold that is no whole number, or one that the bank's 32 bits cannot hold.
    """
    fold = _number(row, ("fold",), where)
    if fold is not None and not (fold.is_integer() and fold <= _LAST_FOLD):
        raise SondoError(f"{where}: fold is {row['fold']!r}, expected a whole number of at most {_LAST_FOLD:,}")
    split = row.get("split")
    return {
        "split": None if split in (None, "") else str(split),
        "fold": None if fold is None else int(fold),
        "labels": _labels(row),
    }


def _number(row: dict[str, Any], names: tuple[str, ...], where: str) -> float | None:
    for name in names:
        value = row.get(name)
        if value is None or value == "":
            continue
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise SondoError(f"{where}: {name} is {value!r}, expected a number") from error
        if not math.isfinite(number) or number < 0:
            raise SondoError(f"{where}: {name} is {value!r}, expected a number of at least 0")
        return number
    return None


def _labels(row: dict[str, Any]) -> tuple[str, ...] | None:
    for name in LABEL_COLUMNS:
        value = row.get(name)
        if value is None or value == "":
            continue
        parts = value if isinstance(value, list) else str(value).split(";")
        return tuple(str(part).strip() for part in parts if part is not None and str(part).strip())
    return None
