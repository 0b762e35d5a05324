"""Embeddings into a file, with the names of the sounds and the space that the vectors lie in."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError, check_places, check_utf8, require
from sondo.scratch import replacing

_Writer = Callable[[Path, list[str], NDArray[np.float32], str], None]


def check_writable(path: str | Path, *, overwrite: bool = False) -> None:
    """Find out, before any work is done, whether `write_embeddings` could write there.

    Args:
        path: Where the embeddings are to go.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        SondoError: Unknown extension, no such folder, a file that is there and not to be replaced, or a `.parquet`
            whose name is not UTF-8.
        MissingExtraError: A `.parquet` file without pyarrow.
    """
    path = Path(path)
    _writer(path)
    if not path.parent.is_dir():
        raise SondoError(f"cannot write {path}: there is no folder {path.parent}")
    if path.suffix.lower() == ".parquet":
        check_utf8(path)
    check_places(path)
    there = [file for file in (path, *_beside(path)) if file.exists()]
    if path.is_dir() or (there and not overwrite):
        allow = "" if path.is_dir() else ", or allow it with --overwrite (in Python overwrite=True)"
        raise SondoError(f"{there[0]} is there already: name another file{allow}")


def write_embeddings(path: str | Path, names: Sequence[str], vectors: NDArray[np.float32], *, space_id: str) -> Path:
    """Write vectors. What was at `path` before stays until the new file is complete.

    - `.npz`: arrays `embeddings` (n, embedding_dim) float32, `names` (n,) and `space_id`.
    - `.npy`: the vectors alone; names and space id in a JSON file of the same name beside it.
    - `.csv`: columns `name`, `space_id`, `e0`, `e1`, ...; float32 values read back exactly.
    - `.parquet`: columns `name` and `embedding`, the space id in the metadata of the schema (extra `train`).

    Args:
        path: Where to write; the extension decides the format.
        names: One per vector.
        vectors: (n, embedding_dim).
        space_id: The space of the vectors, `model.space_id`.

    Returns:
        The path.

    Raises:
        SondoError: Unknown extension, no such folder, or names and vectors that do not fit.
        MissingExtraError: A `.parquet` file without pyarrow.
    """
    path = Path(path)
    check_writable(path, overwrite=True)
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise SondoError(f"{len(names)} names and vectors of shape {vectors.shape} do not fit: one row for each name")
    _writer(path)(path, [str(name) for name in names], vectors, space_id)
    return path


def _writer(path: Path) -> _Writer:
    writers: dict[str, _Writer] = {".npz": _npz, ".npy": _npy, ".csv": _csv, ".parquet": _parquet}
    extension = path.suffix.lower()
    if extension not in writers:
        raise SondoError(f"cannot write embeddings to {path}: the extension must be one of {', '.join(writers)}")
    if extension == ".parquet":
        require("pyarrow", extra="train", why="Writing .parquet files needs pyarrow")
    return writers[extension]


def _beside(path: Path) -> list[Path]:
    return [path.with_suffix(".json")] if path.suffix.lower() == ".npy" else []


def _npz(path: Path, names: list[str], vectors: NDArray[np.float32], space_id: str) -> None:
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, embeddings=vectors, names=np.array(names, dtype=np.str_), space_id=np.array(space_id))


def _npy(path: Path, names: list[str], vectors: NDArray[np.float32], space_id: str) -> None:
    (beside,) = _beside(path)
    with replacing(path) as part, replacing(beside) as part_beside:
        with part.open("wb") as file:
            np.save(file, vectors)
        part_beside.write_text(json.dumps({"space_id": space_id, "names": names}, indent=1), encoding="utf-8")


def _csv(path: Path, names: list[str], vectors: NDArray[np.float32], space_id: str) -> None:
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "space_id", *(f"e{index}" for index in range(vectors.shape[1]))])
        for name, vector in zip(names, vectors, strict=True):
            writer.writerow([name, space_id, *(f"{value:.9g}" for value in vector)])


def _parquet(path: Path, names: list[str], vectors: NDArray[np.float32], space_id: str) -> None:
    why = "Writing .parquet files needs pyarrow"
    arrow, parquet = require("pyarrow", extra="train", why=why), require("pyarrow.parquet", extra="train", why=why)
    column = arrow.FixedSizeListArray.from_arrays(arrow.array(vectors.ravel()), vectors.shape[1])
    table = arrow.table({"name": arrow.array(names, arrow.string()), "embedding": column})
    with replacing(path) as part:
        parquet.write_table(table.replace_schema_metadata({"space_id": space_id}), part)
