"""A Lance table of unit vectors, and what lies nearest to a vector in it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lance
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sondo.bank import Bank
from sondo.bank.bank import append_to_table, create_table
from sondo.bank.files import follow, rewrite
from sondo.bank.lock import write_lock
from sondo.errors import SondoError
from sondo.runtime.space import SpaceMismatchError
from sondo.scratch import replacing
from sondo.search.info import IndexInfo

ANN_FROM_ROWS = 20_000
"""From this many vectors on, an approximate index is built: below, comparing with all of them is quick enough."""
ANN_KIND = "IVF_HNSW_SQ"

_METRIC = "cosine"
_NUM_PROBES = 32
_CANDIDATES = 200
_REFINE_FACTOR = 4
_PLACES_AT_ONCE = 100


class Hit(NamedTuple):
    """A clip that was found.

    Attributes:
        cosine: To the query, from -1 to 1.
        uri: The file.
        offset_s: Where the clip begins in it, in seconds.
        duration_s: How long the clip is, in seconds.
        labels: What is known to be in it.
    """

    cosine: float
    uri: str
    offset_s: float
    duration_s: float
    labels: tuple[str, ...]


class Index:
    """A vector index on disk.

    Args:
        path: Folder of the Lance table, usually `NAME.lance`.

    Raises:
        SondoError: There is no index at `path`, or it is another kind of table or of another version.

    Example:
        `Index("clips.lance").nearest(model.embed("dog.wav"), space_id=model.space_id, k=5)`
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not Bank.exists(self.path):
            raise SondoError(
                f"no index at {self.path}: make one with `sondo index FOLDER --model MODEL --out {self.path}`"
            )
        try:
            self._dataset = lance.dataset(str(self.path))
        except (OSError, ValueError) as error:
            raise SondoError(f"{self.path} cannot be opened as a Lance table: {error}") from error
        self.info = IndexInfo.from_metadata(self._dataset.schema.metadata, path=str(self.path))

    @classmethod
    def create(cls, path: str | Path, info: IndexInfo) -> Index:
        """Make an empty index.

        Raises:
            SondoError: Something else is at `path`, or above it.
        """
        create_table(info.schema().empty_table(), Path(path), kind="an index")
        return cls(path)

    def __len__(self) -> int:
        return int(self._dataset.count_rows())

    @property
    def side(self) -> Path:
        """Folder inside the index for the lock and the list of files that were set aside."""
        return self.path / "_sondo"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the index for writing, as it is by then; a second process waits and is told who has it."""
        with write_lock(self.side):
            self._dataset = lance.dataset(str(self.path))
            yield

    @property
    def is_approximate(self) -> bool:
        """Whether a search goes through an approximate index, and not past every vector."""
        return bool(self.ann_kind)

    @property
    def ann_kind(self) -> str:
        """Lance's name of the approximate index; empty where there is none."""
        found = self._dataset.describe_indices()
        return str(found[0].index_type) if found else ""

    # -- searching -------------------------------------------------------------------------------------------

    def nearest(self, vector: NDArray[np.floating], *, space_id: str, k: int = 10, exact: bool = False) -> list[Hit]:
        """The clips whose vectors have the largest cosine to a vector.

        Args:
            vector: (embedding_dim,), of any length.
            space_id: The space that it lies in.
            k: How many clips.
            exact: Compare with every vector even where there is an approximate index.

        Returns:
            At most k, nearest first. Their cosines are exact either way.

        Raises:
            SpaceMismatchError: The vector lies in another space than the index.
            SondoError: A vector that does not fit, is zero or not finite; k below 1.
        """
        if space_id != self.info.space_id:
            raise SpaceMismatchError(
                f"{self.path} holds vectors of the space {self.info.space_id!r}, the query lies in {space_id!r}, and "
                "the two cannot be compared: ask with the model that built the index, or build another with this one"
            )
        if k < 1:
            raise SondoError(f"k is {k}: ask for 1 clip or more")
        vector = np.asarray(vector, dtype=np.float32)
        if vector.shape != (self.info.embedding_dim,):
            raise SondoError(f"{self.path} holds vectors of {self.info.embedding_dim} values, not {vector.shape}")
        (unit,) = unit_rows(vector[None], ["the query"])
        nearest = {"column": "vector", "q": unit, "k": k, "metric": _METRIC, "use_index": not exact}
        if self.is_approximate and not exact:
            candidates = max(_CANDIDATES, _REFINE_FACTOR * k)  # Lance refuses fewer than it is to refine
            nearest |= {"nprobes": _NUM_PROBES, "ef": candidates, "refine_factor": _REFINE_FACTOR}
        columns = ["uri", "offset_s", "duration_s", "labels", "_distance"]
        found = self._dataset.to_table(columns=columns, nearest=nearest).to_pylist()
        return [
            Hit(_cosine(row["_distance"]), row["uri"], row["offset_s"], row["duration_s"], tuple(row["labels"] or ()))
            for row in found
        ]

    # -- writing ---------------------------------------------------------------------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """Of every clip all but the vector."""
        columns = [name for name in self._dataset.schema.names if name != "vector"]
        found: list[dict[str, Any]] = self._dataset.to_table(columns=columns).to_pylist()
        return found

    def append(self, rows: Sequence[dict[str, Any]], vectors: NDArray[np.float32]) -> None:
        """Add clips, in one commit.

        Args:
            rows: The columns of each but `vector`.
            vectors: (rows, embedding_dim), unit vectors.

        Raises:
            SondoError: The index is gone.
        """
        schema = self.info.schema()
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), self.info.embedding_dim)
        names = [name for name in schema.names if name != "vector"]
        arrays = [pa.array([row[name] for row in rows], schema.field(name).type) for name in names]
        append_to_table(pa.table([*arrays, column], schema=schema), self.path)
        self._dataset = lance.dataset(str(self.path))

    def forget(self, uris: Sequence[str]) -> None:
        """Take the clips of files out."""
        if uris:
            quoted = ", ".join("'" + uri.replace("'", "''") + "'" for uri in uris)
            self._dataset.delete(f"uri IN ({quoted})")
            self._dataset = lance.dataset(str(self.path))

    def forget_clips(self, places: Sequence[tuple[str, float]]) -> None:
        """Take single clips out, by `uri` and `offset_s`."""
        for first in range(0, len(places), _PLACES_AT_ONCE):
            some = [
                "(uri = '{}' AND offset_s = {!r})".format(uri.replace("'", "''"), offset_s)
                for uri, offset_s in places[first : first + _PLACES_AT_ONCE]
            ]
            self._dataset.delete(" OR ".join(some))
            self._dataset = lance.dataset(str(self.path))

    def clips_of(self, uri: str) -> list[tuple[float, float, NDArray[np.float32]]]:
        """Offset and duration in seconds, and the unit vector, of each clip of a file or of a shard's row."""
        quoted = uri.replace("'", "''")
        found = self._dataset.to_table(columns=["offset_s", "duration_s", "vector"], filter=f"uri = '{quoted}'")
        return [
            (row["offset_s"], row["duration_s"], np.array(row["vector"], dtype=np.float32)) for row in found.to_pylist()
        ]

    def follow(self, moved: Mapping[str, str]) -> None:
        """Write where files lie now, new by old path, in one commit; see `sondo.bank.files`."""
        follow(self._dataset, moved)
        self._dataset = lance.dataset(str(self.path))

    def describe(self, labels: Mapping[tuple[str, float], list[str]]) -> None:
        """Write other labels of clips, by `uri` and `offset_s`, in one commit."""

        def change(row: dict[str, Any]) -> dict[str, Any] | None:
            place = row["uri"], row["offset_s"]
            return {"labels": labels[place]} if place in labels else None

        rewrite(self._dataset, ["labels"], change, by=["uri", "offset_s"])
        self._dataset = lance.dataset(str(self.path))

    def finish(self) -> None:
        """Join small pieces of the table; from `ANN_FROM_ROWS` vectors on, build or extend the approximate index."""
        self._dataset.optimize.compact_files()
        if self.is_approximate:
            self._dataset.optimize.optimize_indices()
        elif len(self) >= ANN_FROM_ROWS:
            num_partitions = max(1, round(math.sqrt(len(self)) / 16))
            self._dataset.create_index("vector", ANN_KIND, metric=_METRIC, num_partitions=num_partitions)
        self._dataset = lance.dataset(str(self.path))

    # -- files set aside -------------------------------------------------------------------------------------

    @property
    def rejected_path(self) -> Path:
        """The list of files that could not be read (JSON)."""
        return self.side / "rejected.json"

    def rejected(self) -> dict[str, dict[str, Any]]:
        """The files that were set aside: `reason`, `file_bytes` and `file_mtime_ns` by file."""
        if not self.rejected_path.is_file():
            return {}
        found: dict[str, dict[str, Any]] = json.loads(self.rejected_path.read_text(encoding="utf-8"))
        return found

    def reject(self, files: dict[str, dict[str, Any]]) -> None:
        """Replace the list of files that were set aside."""
        self.side.mkdir(exist_ok=True)
        with replacing(self.rejected_path) as scratch:
            scratch.write_text(json.dumps(files, indent=1), encoding="utf-8")


def _cosine(distance: float) -> float:
    """From Lance's distance, whose last bits may lie outside of 0 to 2."""
    return max(-1.0, min(1.0, 1 - distance))


def unit_rows(vectors: NDArray[np.floating], names: Sequence[str]) -> NDArray[np.float32]:
    """Vectors scaled to length 1.

    Args:
        vectors: (n, embedding_dim).
        names: What to call each.

    Raises:
        SondoError: One that is zero or not finite, and so has no direction; it is named.
    """
    vectors64 = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors64, axis=1)
    for name, length in zip(names, lengths, strict=True):
        if not (np.isfinite(length) and length > 0):
            raise SondoError(f"the vector of {name} is zero or not finite: it has no direction to compare")
    return np.asarray(vectors64 / lengths[:, None], dtype=np.float32)
