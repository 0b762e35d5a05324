"""Embeddings out of a file that `write_embeddings` wrote, with what says where they belong."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError, require

_OF_ANOTHER_KIND = (
    *(ValueError, TypeError, AttributeError, KeyError, IndexError),  # JSON, arrays and columns that are something else
    *(OSError, EOFError, zipfile.BadZipFile, csv.Error),
)


class Embeddings(NamedTuple):
    """Vectors that know their space.

    Attributes:
        vectors: (n, embedding_dim), or one vector (embedding_dim,).
        space_id: The space that they lie in, `model.space_id`.
        names: The sounds that they are of, where there are names.
    """

    vectors: NDArray[np.float32]
    space_id: str
    names: tuple[str, ...] = ()


def read_embeddings(path: str | Path) -> Embeddings:
    """Read what `sondo embed` wrote.

    Args:
        path: An `.npz`, `.csv` or `.parquet` file, or an `.npy` file with its JSON file beside it.

    Raises:
        SondoError: No such file, another kind of file, or one that sondo did not write or that is damaged.
        MissingExtraError: A `.parquet` file without pyarrow.
    """
    path = Path(path)
    readers = {".npz": _npz, ".npy": _npy, ".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise SondoError(f"{path} is no file of embeddings ({', '.join(readers)}): `sondo embed` makes one of sounds")
    if not path.is_file():
        raise SondoError(f"{path}: no such file")
    try:
        found = readers[path.suffix.lower()](path)
    except _OF_ANOTHER_KIND as error:
        raise SondoError(f"{path}: not a file of embeddings as `sondo embed` writes them ({error})") from error
    if found.vectors.ndim != 2 or len(found.vectors) != len(found.names):
        raise SondoError(f"{path}: {len(found.names)} names and vectors of shape {found.vectors.shape} do not fit")
    return found


def _npz(path: Path) -> Embeddings:
    with np.load(path, allow_pickle=False) as content:
        names = tuple(str(name) for name in content["names"])
        return Embeddings(np.asarray(content["embeddings"], dtype=np.float32), str(content["space_id"]), names)


def _npy(path: Path) -> Embeddings:
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    vectors = np.asarray(np.load(path, allow_pickle=False), dtype=np.float32)
    return Embeddings(vectors, str(about["space_id"]), tuple(map(str, about["names"])))


def _csv(path: Path) -> Embeddings:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    if header[:2] != ["name", "space_id"]:
        raise ValueError("its first columns are not name and space_id")
    spaces = {row[1] for row in rows}
    if len(spaces) != 1:
        raise ValueError(f"its rows lie in {len(spaces)} spaces")
    vectors = np.array([[float(value) for value in row[2:]] for row in rows], dtype=np.float32)
    return Embeddings(vectors, spaces.pop(), tuple(row[0] for row in rows))


def _parquet(path: Path) -> Embeddings:
    parquet = require("pyarrow.parquet", extra="train", why="Reading .parquet files needs pyarrow")
    table = parquet.read_table(path)
    space_id = (table.schema.metadata or {})[b"space_id"].decode()
    column = table["embedding"].combine_chunks()
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return Embeddings(np.asarray(vectors, dtype=np.float32), space_id, tuple(table["name"].to_pylist()))
