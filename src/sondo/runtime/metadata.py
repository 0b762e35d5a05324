"""What every exported file says about itself: docs/onnx.md is its reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from sondo.audio.logmel import LogMelConfig
from sondo.errors import SondoError

FORMAT = "1"
"""Version of the layout of an exported file, `sondo.format` in its metadata."""

PRECISION = "sondo.precision"
"""Metadata: how the network keeps its numbers, `float32` where nothing is said."""

Precision = Literal["float32", "float16", "int8_weights", "int8"]
"""`float32`; weights in `float16` or `int8_weights`, which a runtime turns into float32 when it opens the file; `int8`,
which computes in whole numbers. The front-end is in float32 in all of them."""

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

METADATA_KEYS = tuple(
    f"sondo.{key}" for key in ("format", "name", "space_id", "sample_rate", "embedding_dim", "licence", "front_end")
)
"""What the metadata of an exported file holds, all of it text."""


def read_object(path: Path, text: str | bytes) -> dict[str, Any]:
    """What a file says about itself as one JSON object.

    Args:
        path: The file, for messages.
        text: The JSON.

    Raises:
        SondoError: It is none.
    """
    try:
        found = json.loads(text)
        if not isinstance(found, dict):
            raise TypeError(f"an object was expected, not {type(found).__name__}")
    except (ValueError, TypeError) as error:
        raise SondoError(f"{path}: its metadata cannot be read ({error}); export it again") from error
    return found


def read_precision(path: Path, metadata: Mapping[str, str]) -> Precision:
    """How a file says that its network keeps its numbers.

    Raises:
        SondoError: In a way that this sondo does not know.
    """
    found = metadata.get(PRECISION, "float32")
    for precision in PRECISIONS:
        if found == precision:
            return precision
    raise SondoError(
        f"{path} keeps its numbers as {found!r}: this sondo knows {', '.join(PRECISIONS)}; update sondo or export again"
    )


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """The metadata of an exported file, read.

    Args:
        name: The student's name.
        embedding_dim: Values of a vector.
        space_id: The space of its vectors.
        licence: The licence of its weights.
        front_end: Its log-mel settings.
        precision: How its network keeps its numbers.
    """

    name: str
    embedding_dim: int
    space_id: str
    licence: str
    front_end: LogMelConfig
    precision: Precision

    @classmethod
    def read(cls, path: Path, metadata: Mapping[str, str], *, lacking: Sequence[str] = ()) -> FileInfo:
        """Read and check the metadata.

        Args:
            path: The file, for messages.
            metadata: Its metadata.
            lacking: What else the file lacks.

        Raises:
            SondoError: Another format version, a precision that this sondo does not know, or metadata that are not
                complete, cannot be read or contradict each other.
        """
        version = metadata.get("sondo.format")
        if version != FORMAT:
            raise SondoError(
                f"{path}: written in format {version} and this sondo reads format {FORMAT}; "
                "update sondo or export again"
            )
        missing = [*(key for key in METADATA_KEYS if key not in metadata), *lacking]
        if missing:
            raise SondoError(f"{path}: a sondo export that lacks {', '.join(missing)}; export it again")
        try:
            front_end = LogMelConfig.from_dict(json.loads(metadata["sondo.front_end"]))
            embedding_dim, sample_rate = int(metadata["sondo.embedding_dim"]), int(metadata["sondo.sample_rate"])
        except (ValueError, TypeError, AttributeError, SondoError) as error:
            raise SondoError(f"{path}: its metadata cannot be read ({error}); export it again") from error
        if sample_rate != front_end.sample_rate:
            raise SondoError(
                f"{path}: its metadata contradicts itself (sample rate {sample_rate} against {front_end.sample_rate} "
                "Hz of the front-end); export it again"
            )
        return cls(
            name=metadata["sondo.name"],
            embedding_dim=embedding_dim,
            space_id=metadata["sondo.space_id"],
            licence=metadata["sondo.licence"],
            front_end=front_end,
            precision=read_precision(path, metadata),
        )
