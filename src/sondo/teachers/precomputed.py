"""A teacher that does not listen: its vectors were computed elsewhere and are joined by clip id or path."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.teachers.npz_folder import NpzFolderTeacher
from sondo.teachers.vector_files import VectorTable, read_vectors

if TYPE_CHECKING:
    from torch import Tensor

_NAMED = 3
_Key = tuple[str, int | None]


class PrecomputedTeacher:
    """Vectors by clip id, by absolute path, or by the last parts of a path.

    A key that is a relative path (`deep/dog.wav`, `dog.wav`) belongs to the file whose path ends in it; that must be
    one file. Where the table has offsets, a vector belongs to the clip that begins there; where it has none, to a whole
    file, and clips that were cut from one file are refused.

    Args:
        name: Its name.
        table: The vectors.
        fingerprint: Hash of the files.

    Raises:
        SondoError: Two vectors for the same key.
    """

    needs_audio = False
    sample_rate = 32000
    licence = "unknown"
    num_params = 0

    def __init__(self, name: str, table: VectorTable, *, fingerprint: str = "") -> None:
        self.name = name
        self.source = table.where
        self.fingerprint = fingerprint
        self.embedding_dim = int(table.vectors.shape[1])
        self._vectors = table.vectors
        self._has_offsets = table.offsets_s is not None
        self._rows = _index(table)
        self._owner: dict[int, str] = {}

    def embed(self, audio: Tensor) -> Tensor:
        """Refuse: there is nothing here that hears.

        Raises:
            SondoError: Always.
        """
        raise SondoError(
            f"teacher {self.name} has the vectors of {self.source} alone and cannot embed other sound "
            f"(given {tuple(audio.shape)})"
        )

    def lookup(self, clip_ids: Sequence[str], uris: Sequence[str], offsets_s: Sequence[float]) -> NDArray[np.float32]:
        """Vectors of clips.

        Args:
            clip_ids: Their ids.
            uris: Paths of their files.
            offsets_s: Where in their files they begin, in seconds.

        Shape:
            -> (len(clip_ids), embedding_dim).

        Raises:
            SondoError: Clips without a vector, or a vector that more than one clip could mean.
        """
        rows = [self._row(*clip) for clip in zip(clip_ids, uris, offsets_s, strict=True)]
        missing = [index for index, row in enumerate(rows) if row is None]
        if missing:
            names = ", ".join(f"{uris[i]} at {offsets_s[i]:g} s (clip {clip_ids[i]})" for i in missing[:_NAMED])
            more = ", ..." if len(missing) > _NAMED else ""
            raise SondoError(
                f"{self.source} has no vector for {len(missing)} of {len(rows)} clips: {names}{more}. Its keys look "
                f"like {next(iter(self._rows))[0]!r}: expected clip ids, or paths that the files' paths end in"
            )
        return self._vectors[[row for row in rows if row is not None]]

    def claim(self, clip_id: str, uri: str, offset_s: float) -> None:
        """Keep for a clip the vector that it got in an earlier call, if there is one.

        Raises:
            SondoError: As `lookup`.
        """
        self._row(clip_id, uri, offset_s)

    def _row(self, clip_id: str, uri: str, offset_s: float) -> int | None:
        row = self._rows.get((clip_id, None))
        if row is not None:
            return row
        at = _microseconds(offset_s) if self._has_offsets else None
        for candidate in (clip_id, *_endings(uri)):
            row = self._rows.get((candidate, at))
            if row is not None:
                self._give(row, candidate, f"{uri} at {offset_s:g} s")
                return row
        return None

    def _give(self, row: int, key: str, clip: str) -> None:
        """Give a vector to a clip, once."""
        owner = self._owner.setdefault(row, clip)
        if owner != clip:
            raise SondoError(
                f"{self.source}: the key {key!r} fits more than one clip, {owner} and {clip}: give longer paths, "
                "clip ids, or a column offset_s"
            )


def make_precomputed_teacher(
    name: str,
    *,
    checkpoint: str | None = None,
    key: str | None = None,
    column: str | None = None,
    sample_rate: int | None = None,
) -> PrecomputedTeacher | NpzFolderTeacher:
    """Make the teacher for `sondo.teachers.create`.

    Args:
        name: Its name.
        checkpoint: The .parquet or .npy file, or a folder of .npz files.
        key: Column of ids or paths, where its name does not say so.
        column: Column of vectors, where there are several.
        sample_rate: Ignored: nothing is heard.

    Raises:
        SondoError: No file is named, or it cannot be used.
    """
    del sample_rate
    if checkpoint is None:
        raise SondoError(f"teacher {name} needs a checkpoint: a .parquet or .npy file of vectors, or a folder of .npz")
    if Path(checkpoint).is_dir():
        if key is not None or column is not None:
            raise SondoError(f"{checkpoint} is a folder of .npz files, which has no options key and column")
        return NpzFolderTeacher(name, Path(checkpoint))
    table = read_vectors(Path(checkpoint), key=key, column=column)
    digest = hashlib.sha256("\n".join(table.keys).encode())
    digest.update(repr(table.offsets_s).encode())
    digest.update(table.vectors.tobytes())
    return PrecomputedTeacher(name, table, fingerprint=digest.hexdigest()[:16])


def _index(table: VectorTable) -> dict[_Key, int]:
    offsets = [None] * len(table.keys) if table.offsets_s is None else [_microseconds(at) for at in table.offsets_s]
    rows: dict[_Key, int] = {}
    twice: list[str] = []
    for row, (key, at) in enumerate(zip(table.keys, offsets, strict=True)):
        if rows.setdefault((_plain(key), at), row) != row:
            twice.append(key if at is None else f"{key} at {at / 1e6:g} s")
    if twice:
        names = ", ".join(twice[:_NAMED])
        raise SondoError(f"{table.where}: {len(twice)} keys stand there more than once, first {names}")
    if not rows:
        raise SondoError(f"{table.where}: no vectors in it")
    return rows


def _plain(key: str) -> str:
    """A path without `./` and doubled slashes, absolute when it was; an id as it is."""
    return PurePath(key.strip()).as_posix()


def _endings(uri: str) -> list[str]:
    """The path, and what remains of it without its first parts, longest first."""
    parts = PurePath(uri).parts
    return [PurePath(uri).as_posix(), *("/".join(parts[first:]) for first in range(1, len(parts)))]


def _microseconds(offset_s: float) -> int:
    return round(offset_s * 1e6)
