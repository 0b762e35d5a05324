"""What an index says about its vectors, kept in the table's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa

from sondo.bank.schema import slug
from sondo.errors import SondoError

INDEX_VERSION = 1
INDEX_KEY = b"sondo.index"


@dataclass(frozen=True, kw_only=True)
class IndexInfo:
    """What every vector of an index has in common.

    Args:
        kind: `student`, vectors as a student gives them; `teacher`, vectors in a teacher's space.
        space_id: The space; a query must lie in the same one.
        model: What `sondo.load` takes to open the student that made the vectors; the teacher's name for `teacher`.
        mapped_from: The space of the student whose vectors were mapped into the teacher's; empty where there is none.
        fingerprint: The teacher's, by which another version of it is known; empty for a student.
        embedding_dim: Values of a vector.
        sample_rate: Rate in Hz of the sound that the model heard.
        licence: Of the model's weights.
    """

    kind: Literal["student", "teacher"]
    space_id: str
    model: str
    fingerprint: str = ""
    mapped_from: str = ""
    embedding_dim: int
    sample_rate: int
    licence: str

    def to_metadata(self) -> dict[bytes, bytes]:
        """Schema metadata that marks a Lance table as an index."""
        return {INDEX_KEY: json.dumps({"version": INDEX_VERSION, **asdict(self)}, sort_keys=True).encode()}

    @classmethod
    def from_metadata(cls, metadata: dict[bytes, bytes] | None, *, path: str) -> IndexInfo:
        """Read what `to_metadata` wrote.

        Raises:
            SondoError: The table is no index, or one of another version.
        """
        raw = (metadata or {}).get(INDEX_KEY)
        if raw is None:
            raise SondoError(f"{path} is a Lance table, but not an index of sondo: `sondo index` makes one")
        values: dict[str, Any] = json.loads(raw)
        version = values.pop("version", None)
        if version != INDEX_VERSION:
            raise SondoError(
                f"{path} is an index of version {version}; this sondo reads version {INDEX_VERSION}. Index again into "
                "a new path, or use the sondo that made it"
            )
        return cls(**values)

    def schema(self) -> pa.Schema:
        """The table's columns. `vector` has length 1, so that L2, dot product and cosine give one order."""
        columns = [
            pa.field("uri", pa.string(), nullable=False),
            pa.field("offset_s", pa.float64(), nullable=False),
            pa.field("duration_s", pa.float64(), nullable=False),
            pa.field("labels", pa.list_(pa.string())),
            pa.field("file_bytes", pa.int64(), nullable=False),
            pa.field("file_mtime_ns", pa.int64(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), self.embedding_dim), nullable=False),
        ]
        return pa.schema(columns, metadata=self.to_metadata())


def teacher_space_id(origin: Mapping[str, Any]) -> str:
    """Name the space of a teacher's own vectors: its name, its values and what identifies its weights.

    Args:
        origin: `name` or `teacher`, `fingerprint` and `embedding_dim`, as a bank's column and a student's card have it.

    Example:
        >>> teacher_space_id({"name": "modulation", "fingerprint": "1f3b5c79a2de0411", "embedding_dim": 544})
        'teacher.modulation.544d.1f3b5c79a2de'
    """
    name = slug(str(origin.get("name") or origin.get("teacher") or "unnamed"))
    return f"teacher.{name}.{origin.get('embedding_dim', 0)}d.{str(origin.get('fingerprint') or 'unknown')[:12]}"
