"""The bank's columns and version, in one place.

Source: our own design. Lance keeps a name with dots as nested fields, so `teacher.modulation` is the field
`modulation` of the struct `teacher`; `path_of` writes such a name as Lance reads it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from sondo.audio.clips import MIN_CLIP_S, MIN_REMAINDER_S, WINDOW_S
from sondo.audio.logmel import LogMelConfig
from sondo.audio.windows import Compat
from sondo.errors import SondoError

BANK_VERSION = 1
BANK_KEY = b"sondo.bank"
ORIGIN_KEY = b"sondo.origin"

CLIP_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("offset_s", pa.float64(), nullable=False),
        pa.field("duration_s", pa.float64(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("fold", pa.int32()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("file_bytes", pa.int64(), nullable=False),
        pa.field("file_mtime_ns", pa.int64(), nullable=False),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("logmel", pa.list_(pa.float16()), nullable=False),
    ]
)
"""`logmel` is (mels, frames) float16, flattened row by row; `frames` gives its second dimension."""

TRAIN_SPLITS = ("train", "training", "balanced_train", "unbalanced_train")  # the last two are AudioSet's own names
VALID_SPLITS = ("valid", "validation", "val", "dev")
"""Splits, in any case of letters, that training learns from, as from clips without one, and those that it watches."""

REJECTED_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("file_bytes", pa.int64(), nullable=False),
        pa.field("file_mtime_ns", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, kw_only=True)
class BankInfo:
    """What every clip of a bank has in common; kept in the table's metadata.

    Args:
        window_s: Length of a clip.
        min_clip_s: Shortest sound that gives a clip.
        min_remainder_s: Shortest rest of a long sound that is kept.
        front_end: The log-mel.
        compat: `ssondo` takes one clip of each file as the published training does: the student hears its first 10 s, a
            teacher the 10 s in its middle, each filled with zeros where the file is shorter.
    """

    window_s: float = WINDOW_S
    min_clip_s: float = MIN_CLIP_S
    min_remainder_s: float = MIN_REMAINDER_S
    front_end: LogMelConfig = field(default_factory=LogMelConfig)
    compat: Compat = None

    def to_metadata(self) -> dict[bytes, bytes]:
        """Schema metadata that marks a Lance table as a bank."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        return {BANK_KEY: json.dumps({"version": BANK_VERSION, **values}, sort_keys=True).encode()}

    @classmethod
    def from_metadata(cls, metadata: dict[bytes, bytes] | None, *, path: str) -> BankInfo:
        """Read what `to_metadata` wrote.

        Raises:
            SondoError: The table is no bank, or one of another version.
        """
        raw = (metadata or {}).get(BANK_KEY)
        if raw is None:
            raise SondoError(f"{path} is a Lance table, but not a bank of sondo: ingest into another path")
        values: dict[str, Any] = json.loads(raw)
        version = values.pop("version", None)
        if version != BANK_VERSION:
            raise SondoError(
                f"{path} is a bank of version {version}; this sondo reads version {BANK_VERSION}. "
                "Ingest it again into a new path, or use the sondo that made it"
            )
        values["front_end"] = LogMelConfig.from_dict(values["front_end"])
        return cls(**values)


def clip_id(uri: str, offset_s: float) -> str:
    """Stable name of a clip: 16 hex digits of the SHA-256 of its file's path and its offset in microseconds.

    A bank's row keeps the name that it was ingested under when its file moves.
    """
    return hashlib.sha256(f"{uri}@{round(offset_s * 1e6)}".encode()).hexdigest()[:16]


def slug(name: str) -> str:
    """A teacher's name as it stands in a column's name: letters and digits of any script, dash and underscore."""
    return re.sub(r"[^\w-]+", "_", name).strip("_")


def path_of(column: str) -> str:
    """A dotted column name with each part quoted, as Lance's SQL and projections read it."""
    return ".".join(f"`{part}`" for part in column.split("."))


def nest(column: str, kind: pa.DataType, origin: dict[str, Any]) -> pa.Field:
    """The (nested) field of a dotted column name, with the origin in the innermost field's metadata."""
    *parents, leaf = column.split(".")
    nested = pa.field(leaf, kind, metadata={ORIGIN_KEY: json.dumps(origin, sort_keys=True).encode()})
    for parent in reversed(parents):
        nested = pa.field(parent, pa.struct([nested]))
    return nested


def wrap(nested: pa.Field, values: pa.Array) -> pa.Array:
    """Values of the innermost field of `nested`, wrapped in its structs."""
    if not pa.types.is_struct(nested.type):
        return values
    child = nested.type.field(0)
    return pa.StructArray.from_arrays([wrap(child, values)], fields=[child])


def find_field(schema: pa.Schema, column: str) -> pa.Field | None:
    """The field of a dotted column name, or None."""
    container: Any = schema
    found: pa.Field | None = None
    for part in column.split("."):
        index = container.get_field_index(part)
        if index < 0:
            return None
        found = container.field(index)
        container = found.type
        if not pa.types.is_struct(container):
            container = pa.schema([])
    return found
