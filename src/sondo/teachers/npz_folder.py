"""The folder of .npz files that the S-SONDO extraction writes: one file for each clip, named like its sound file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.screen import say
from sondo.teachers.vector_files import VECTOR_NAMES

if TYPE_CHECKING:
    from torch import Tensor

_NAMED = 3


class NpzFolderTeacher:
    """Vectors from `<folder>/**/<name of the sound file>.npz`, read when they are asked for.

    Each file holds an array `embed` or `embedding`, (dim,) or (slices, dim); slices are averaged. Where the first file
    has neither but one array alone of such a shape, that is taken. What else there is (logits, layers) is not looked
    at. The fingerprint is of the files' names, sizes and times: hashing the content of two million files would cost
    more than teaching.

    Args:
        name: Its name.
        folder: The folder; files may lie in subfolders, such as those of AudioSet's subsets.

    Raises:
        SondoError: No .npz in it, or a first file that cannot be used.

    Source: S-SONDO, `extract_teachers_knowledge/audioset_feature_extraction.py` at f89abf2.
    """

    needs_audio = False
    sample_rate = 32000
    licence = "unknown"
    num_params = 0

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.source = name, str(folder)
        self._files: dict[str, list[Path]] = {}
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*.npz")):
            self._files.setdefault(path.stem, []).append(path)
            stat = path.stat()
            digest.update(f"{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        if not self._files:
            raise SondoError(
                f"{folder} has no .npz files: expected one for each sound file, with an array {VECTOR_NAMES[0]}"
            )
        self.fingerprint = digest.hexdigest()[:16]
        self._owner: dict[str, str] = {}
        first = next(iter(self._files.values()))[0]
        self._array = _array_of(first)
        self.embedding_dim = len(self._read(first))

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
            clip_ids: Their ids; not used.
            uris: Paths of their sound files.
            offsets_s: Where in their files they begin, in seconds.

        Shape:
            -> (len(uris), embedding_dim).

        Raises:
            SondoError: Clips without a file, two files of one name, two clips of one sound file, or a damaged file.
        """
        missing = [uri for uri in uris if PurePath(uri).stem not in self._files]
        if missing:
            names = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
            example = next(iter(self._files.values()))[0].name
            raise SondoError(
                f"{self.source} has no .npz for {len(missing)} of {len(uris)} clips: {names}. "
                f"Its files are named like {example}: expected the names of the sound files"
            )
        vectors = np.empty((len(uris), self.embedding_dim), dtype=np.float32)
        for row, (uri, offset_s) in enumerate(zip(uris, offsets_s, strict=True)):
            path = self._file_of(uri, offset_s)
            vector = self._read(path)
            if len(vector) != self.embedding_dim:
                raise SondoError(f"{path} has {len(vector)} values, the other files have {self.embedding_dim}")
            vectors[row] = vector
        return vectors

    def claim(self, clip_id: str, uri: str, offset_s: float) -> None:
        """Keep for a clip the file whose vector it got in an earlier call, if there is one; nothing is read.

        Raises:
            SondoError: As `lookup`.
        """
        if PurePath(uri).stem in self._files:
            self._file_of(uri, offset_s)

    def _file_of(self, uri: str, offset_s: float) -> Path:
        stem = PurePath(uri).stem
        paths = self._files[stem]
        if len(paths) > 1:
            raise SondoError(f"{self.source} has {paths[0]} and {paths[1]} for {uri}: give the subset's own folder")
        clip = f"{uri} at {offset_s:g} s"
        owner = self._owner.setdefault(stem, clip)
        if owner != clip:
            raise SondoError(
                f"{paths[0]} is one vector for two clips, {owner} and {clip}: ingest sound of up to 10 s a file"
            )
        return paths[0]

    def _read(self, path: Path) -> NDArray[np.float32]:
        with _opened(path) as content:
            if self._array not in content:
                raise SondoError(f"{path} has no array {self._array!r} (it has {', '.join(content) or 'none'})")
            values = np.asarray(content[self._array], dtype=np.float32)
        if values.ndim not in (1, 2) or not values.size or not np.isfinite(values).all():
            raise SondoError(f"{path}: {self._array} of shape {values.shape} is no finite (dim,) or (slices, dim)")
        vector: NDArray[np.float32] = values if values.ndim == 1 else values.mean(axis=0)
        return vector


@contextmanager
def _opened(path: Path) -> Iterator[Mapping[str, NDArray[Any]]]:
    """The arrays of a file, each read when it is asked for."""
    try:
        with np.load(path, allow_pickle=False) as content:
            yield content
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise SondoError(f"{path} cannot be read as an .npz file: {error}") from error


def _array_of(path: Path) -> str:
    """The name of the array that holds the vectors; one that tells nothing of its kind is said on the screen."""
    with _opened(path) as content:
        named = [name for name in VECTOR_NAMES if name in content]
        fitting = named or [name for name, each in content.items() if each.ndim in (1, 2) and each.dtype.kind in "fiu"]
        if not named and len(fitting) != 1:
            there = ", ".join(f"{name} {each.shape}" for name, each in content.items()) or "none"
            raise SondoError(
                f"{path} has no array {' or '.join(VECTOR_NAMES)} and not just one of shape (dim,) or (slices, dim); "
                f"it has {there}: rename the vectors to {VECTOR_NAMES[0]}"
            )
    if not named:
        say(f"{path} and the others there: the array {fitting[0]} is taken for the vectors")
    return fitting[0]
