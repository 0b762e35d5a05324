"""Reading vectors that were computed elsewhere: Parquet, or .npy with its ids beside it."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError, require

KEY_NAMES = ("clip_id", "id", "uri", "path", "file", "filename", "file_name", "filepath", "file_path", "name")
"""What the column of clip ids or paths is called; `name` is what `sondo embed` calls it."""
VECTOR_NAMES = ("embed", "embedding")
"""What the column or the array of vectors is called where others could be meant."""
OFFSET_NAME = "offset_s"
_NOT_VECTOR = {OFFSET_NAME, "duration_s", "end_s", "start_s", "fold", "target", "label", "sample_rate", "index"}
_ID_SUFFIXES = (".json", ".csv", ".txt")


@dataclass(frozen=True)
class VectorTable:
    """Vectors and what they belong to.

    Args:
        keys: A clip id or a path for each vector.
        vectors: float32, (len(keys), dim).
        offsets_s: Where in its file each vector's clip begins, or None where a vector is of a whole file.
        where: The file, for messages.
    """

    keys: list[str]
    vectors: NDArray[np.float32]
    offsets_s: list[float] | None
    where: str


def read_vectors(path: Path, *, key: str | None = None, column: str | None = None) -> VectorTable:
    """Read a table of vectors.

    Args:
        path: A .parquet file, or an .npy file with a .json, .csv or .txt of the same name beside it, or named
            `<stem>_ids` or `<stem>.ids` with one of these endings.
        key: Column of ids or paths; one of `KEY_NAMES` when left out.
        column: Column of vectors; when left out, the only list column, of several the one of `VECTOR_NAMES`, or all
            numeric columns (Parquet).

    Raises:
        SondoError: A file is missing or broken, or it is not clear which columns are meant.
    """
    if not path.is_file():
        raise SondoError(f"there is no file of vectors {path}")
    readers = {".parquet": _read_parquet, ".npy": _read_npy}
    if path.suffix.lower() not in readers:
        raise SondoError(
            f"{path}: vectors are read from .parquet or .npy, not {path.suffix or 'a file without ending'}"
        )
    table = readers[path.suffix.lower()](path, key, column)
    if table.vectors.ndim != 2 or not table.vectors.shape[1]:
        raise SondoError(f"{path}: vectors of shape {table.vectors.shape}, expected (number, dimension)")
    if len(table.keys) != len(table.vectors):
        raise SondoError(f"{table.where}: {len(table.keys)} ids for {len(table.vectors)} vectors")
    bad = np.flatnonzero(~np.isfinite(table.vectors).all(axis=1))
    if len(bad):
        names = ", ".join(table.keys[index] for index in bad[:3])
        raise SondoError(f"{path}: {len(bad)} vectors with values that are not finite, first of {names}")
    return table


def _read_parquet(path: Path, key: str | None, column: str | None) -> VectorTable:
    require("pyarrow", extra="train", why="Reading .parquet files needs pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise SondoError(f"{path} cannot be read as a Parquet file: {error}") from error
    key = _key_name(path, table.column_names, key)
    offsets = table[OFFSET_NAME].to_pylist() if OFFSET_NAME in table.column_names else None
    keys = table[key].to_pylist()
    if None in keys or (offsets is not None and None in offsets):
        raise SondoError(f"{path}: rows without a value in {key} or {OFFSET_NAME}")
    vectors = _parquet_vectors(path, table, key, column)
    return VectorTable([str(value) for value in keys], vectors, offsets, str(path))


def _parquet_vectors(path: Path, table: Any, key: str, column: str | None) -> NDArray[np.float32]:
    from pyarrow import types

    def is_list(kind: Any) -> bool:
        is_any = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        return bool(is_any and (types.is_floating(kind.value_type) or types.is_integer(kind.value_type)))

    fields = {field.name: field.type for field in table.schema}
    lists = [name for name, kind in fields.items() if is_list(kind)]
    if column is not None and column not in lists:
        raise SondoError(f"{path} has no column of vectors {column!r}; it has {', '.join(lists) or 'none'}")
    if column is None and lists:
        named = [name for name in VECTOR_NAMES if name in lists]
        if not named and len(lists) > 1:
            raise SondoError(
                f"{path} has several columns of vectors, {', '.join(lists)}: rename the one that is meant to "
                f"{VECTOR_NAMES[1]}, or in Python name it with column="
            )
        column = (named or lists)[0]
    if column is not None:
        return _rectangular(path, table[column])
    numeric = [
        name
        for name, kind in fields.items()
        if name != key and name not in _NOT_VECTOR and (types.is_floating(kind) or types.is_integer(kind))
    ]
    if not numeric:
        raise SondoError(f"{path} has no vectors: expected a column of lists of numbers, or numeric columns")
    return np.stack([table[name].to_numpy().astype(np.float32) for name in numeric], axis=1)


def _rectangular(path: Path, column: Any) -> NDArray[np.float32]:
    rows = column.to_numpy()
    lengths = sorted({-1 if row is None else len(row) for row in rows})
    if len(lengths) != 1 or lengths[0] < 1:
        found = ", ".join("missing" if length < 0 else str(length) for length in lengths[:5])
        raise SondoError(f"{path}: vectors of unlike lengths ({found or 'no rows'}), expected one length")
    return np.stack(rows).astype(np.float32)


def _read_npy(path: Path, key: str | None, column: str | None) -> VectorTable:
    if column is not None:
        raise SondoError(f"{path}: an .npy file has no columns, leave the option column out")
    try:
        vectors = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise SondoError(f"{path} cannot be read as an .npy file: {error}") from error
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind not in "fiu":
        raise SondoError(f"{path}: expected one array of numbers")
    candidates = [path.with_name(path.stem + mark + end) for mark in ("", "_ids", ".ids") for end in _ID_SUFFIXES]
    there = [candidate for candidate in candidates if candidate.is_file()]
    if len(there) != 1:
        names = ", ".join(candidate.name for candidate in (there or candidates[: len(_ID_SUFFIXES)]))
        problem = "several files of ids beside it" if there else "no file of ids beside it"
        raise SondoError(f"{path} has {problem}: expected one of {names}")
    keys, offsets = _read_ids(there[0], key)
    return VectorTable(keys, vectors.astype(np.float32), offsets, f"{path} and {there[0].name}")


def _read_ids(path: Path, key: str | None) -> tuple[list[str], list[float] | None]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            return _json_ids(path, json.loads(text)), None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SondoError(f"{path} cannot be read: {error}") from error
    if path.suffix == ".txt":
        return [line.strip() for line in text.splitlines() if line.strip()], None
    rows = list(csv.DictReader(text.splitlines()))
    if not rows:
        raise SondoError(f"{path} has no rows below its header")
    name = _key_name(path, list(rows[0]), key)
    try:
        offsets = [float(row[OFFSET_NAME]) for row in rows] if OFFSET_NAME in rows[0] else None
    except (TypeError, ValueError) as error:
        raise SondoError(f"{path}: a value of {OFFSET_NAME} is no number of seconds: {error}") from error
    return [row[name] or "" for row in rows], offsets


def _json_ids(path: Path, content: Any) -> list[str]:
    # `sondo embed --out x.npy` writes `names` there, beside the space of its vectors.
    ids = content.get("ids", content.get("names")) if isinstance(content, dict) else content
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise SondoError(f'{path}: expected a JSON list of ids or paths, or {{"ids": [...]}} (or {{"names": [...]}})')
    return ids


def _key_name(path: Path, names: list[str], key: str | None) -> str:
    if key is not None:
        if key not in names:
            raise SondoError(f"{path} has no column {key!r}; it has {', '.join(names)}")
        return key
    for candidate in KEY_NAMES:
        if candidate in names:
            return candidate
    raise SondoError(
        f"{path} has no column of ids or paths ({', '.join(KEY_NAMES)}); it has {', '.join(names)}: rename the one "
        "that names the sounds to path, or in Python name it with key="
    )
