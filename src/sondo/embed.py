"""`sondo embed`: many files through one model into one table of vectors.

May import: `sondo.audio`, `sondo.in_threads`, `sondo.runtime`, `sondo.loading`; never torch.
"""

from __future__ import annotations

import contextlib
import time
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.audio.folders import sounds_of
from sondo.audio.windows import Compat
from sondo.errors import SondoError
from sondo.in_threads import in_order
from sondo.loading import load_to_embed
from sondo.runtime.model import Model
from sondo.runtime.write import check_writable, write_embeddings
from sondo.screen import say, track

_SAVE_EVERY_S = 60.0


def embed_files(
    model: str | Path,
    files: list[Path],
    out: Path,
    *,
    overwrite: bool = False,
    threads: int | None = None,
    compat: Compat = None,
    allow_code: bool = False,
) -> tuple[list[str], tuple[int, int]]:
    """Embed files and write their vectors.

    What is done is kept beside `out` every minute and when the work is interrupted; the same call goes on from there.

    Args:
        model: What `sondo.load` takes.
        files: Sound files, or folders of them.
        out: `.npz`, `.csv`, `.npy` or `.parquet`.
        overwrite: Replace `out`.
        threads: Threads for an exported file.
        compat: As for `sondo.load`.
        allow_code: As for `sondo.load`.

    Returns:
        The files that were embedded, and the shape of the vectors.

    Raises:
        SondoError: A file that is not there, no sound, a file of vectors that cannot be written, or no file that could
            be read. A single bad file among others is named on the screen and left out.
    """
    check_writable(out, overwrite=overwrite)
    encoder = load_to_embed(model, threads=threads, compat=compat, allow_code=allow_code)
    sounds = sounds_of(files)
    begun = _Begun(out, encoder)
    bad = []
    try:
        with (
            track("embed", total=len(sounds), unit="files") as line,
            in_order(begun.vector_of, sounds, at_once=encoder.at_once) as outcomes,
        ):
            for sound, outcome in zip(sounds, outcomes, strict=True):
                try:
                    begun.take(sound, *outcome.result())
                except SondoError as error:
                    bad.append(str(error))
                line.advance()
        if not begun.vectors:
            raise SondoError(f"none of {len(sounds)} files could be embedded: {bad[0]}")
        for message in bad:
            say(f"left out: {message}")
        check_writable(out, overwrite=overwrite)  # another process may have written it since
        write_embeddings(out, begun.names, np.stack(begun.vectors), space_id=encoder.space_id)
    except BaseException:
        begun.keep()
        raise
    begun.forget()
    return begun.names, (len(begun.vectors), encoder.embedding_dim)


def _as_it_is(sound: Path) -> str:
    """A name that a file has only until it changes, from wherever it is named."""
    try:
        stat = sound.stat()
    except OSError:
        return str(sound)  # embedding it says why
    return f"{sound.absolute()} {stat.st_size} {stat.st_mtime_ns}"


class _Begun:
    """The vectors of a call, kept by `_as_it_is` beside the file that it is to write until it ends."""

    def __init__(self, out: Path, encoder: Model) -> None:
        self._path, self._encoder, self._saved_s = out.with_name(f".{out.name}.begun.npz"), encoder, time.monotonic()
        # Files of other precisions have the same space: half a table by one and half by another is nothing to keep.
        self._maker = f"{encoder.space_id} {getattr(encoder, 'precision', 'float32')}"
        self.names: list[str] = []
        self.vectors: list[NDArray[np.float32]] = []
        self._keys: list[str] = []
        self._before: dict[str, NDArray[np.float32]] = {}
        none_or_cut_off = contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile)
        with none_or_cut_off, np.load(self._path) as kept:
            if str(kept["space_id"]) == self._maker:
                self._before = dict(zip(map(str, kept["names"]), kept["embeddings"], strict=True))

    def vector_of(self, sound: Path) -> tuple[str, NDArray[np.float32]]:
        """A file's name and vector, as they were found then or as they are now."""
        before = self._before.get(key := _as_it_is(sound))
        return key, self._encoder.embed(sound) if before is None else before

    def take(self, sound: Path, key: str, vector: NDArray[np.float32]) -> None:
        """Add what `vector_of` gave for a file; once a minute all is kept."""
        self.names.append(str(sound))
        self._keys.append(key)
        self.vectors.append(vector)
        if time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            self.keep()

    def keep(self) -> None:
        """Write what there is, with what an earlier call left and this one has not come to yet."""
        if self.vectors:
            found = self._before | dict(zip(self._keys, self.vectors, strict=True))
            write_embeddings(self._path, list(found), np.stack([*found.values()]), space_id=self._maker)
            self._saved_s = time.monotonic()

    def forget(self) -> None:
        """Leave nothing behind."""
        self._path.unlink(missing_ok=True)
