"""The folder of .npz files that the S-SONDO extraction writes: one file for each clip, named like its sound file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError

if TYPE_CHECKING:
    from torch import Tensor

_KEY = "embed"
_NAMED = 3


class NpzFolderTeacher:
    """Vectors from `<folder>/**/<name of the sound file>.npz`, read when they are asked for.

    Each file holds an array `embed`, (dim,) or (slices, dim); slices are averaged. What else it holds (logits, layers)
    is not looked at. The fingerprint is of the files' names, sizes and times: hashing the content of two million files
    would cost more than teaching.

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
            raise SondoError(f"{folder} has no .npz files: expected one for each sound file, with an array {_KEY!r}")
        self.fingerprint = digest.hexdigest()[:16]
        self._owner: dict[str, str] = {}
        self.embedding_dim = len(self._read(next(iter(self._files.values()))[0]))

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
            vectors[row] = self._vector(uri, offset_s)
        return vectors

    def _vector(self, uri: str, offset_s: float) -> NDArray[np.float32]:
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
        vector = self._read(paths[0])
        if len(vector) != self.embedding_dim:
            raise SondoError(f"{paths[0]} has {len(vector)} values, the other files have {self.embedding_dim}")
        return vector

    def _read(self, path: Path) -> NDArray[np.float32]:
        try:
            with np.load(path, allow_pickle=False) as content:
                there = ", ".join(content.files)
                values = np.asarray(content[_KEY], dtype=np.float32) if _KEY in content.files else None
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise SondoError(f"{path} cannot be read as an .npz file: {error}") from error
        if values is None:
            raise SondoError(f"{path} has no array {_KEY!r} (it has {there or 'none'}): extract with embeddings")
        if values.ndim not in (1, 2) or not values.size or not np.isfinite(values).all():
            raise SondoError(f"{path}: {_KEY} of shape {values.shape} is no finite (dim,) or (slices, dim)")
        vector: NDArray[np.float32] = values if values.ndim == 1 else values.mean(axis=0)
        return vector
