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
    names: list[str] = []
    keys: list[str] = []
    vectors: list[NDArray[np.float32]] = []
    bad = []

    try:
        with (
            track("embed", total=len(sounds), unit="files") as line,
            in_order(begun.vector_of, sounds, at_once=encoder.at_once) as outcomes,
        ):
            for sound, outcome in zip(sounds, outcomes, strict=True):
                try:
                    key, vector = outcome.result()
                except SondoError as error:
                    bad.append(str(error))
                else:
                    names.append(str(sound))
                    keys.append(key)
                    vectors.append(vector)
                begun.keep(keys, vectors)
                line.advance()
    except BaseException:
        begun.keep(keys, vectors, now=True)
        raise
    if not vectors:
        raise SondoError(f"none of {len(sounds)} files could be embedded: {bad[0]}")
    for message in bad:
        say(f"left out: {message}")
    try:
        check_writable(out, overwrite=overwrite)  # another process may have written it since
    except SondoError:
        begun.keep(keys, vectors, now=True)
        raise
    write_embeddings(out, names, np.stack(vectors), space_id=encoder.space_id)
    begun.forget()
    return names, (len(vectors), encoder.embedding_dim)


def _as_it_is(sound: Path) -> str:
    """A name that a file has only until it changes, from wherever it is named."""
    try:
        stat = sound.stat()
    except OSError:
        return str(sound)  # embedding it says why
    return f"{sound.absolute()} {stat.st_size} {stat.st_mtime_ns}"


class _Begun:
    """The vectors of a call that did not end, by `_as_it_is`, beside the file that it was to write."""

    def __init__(self, out: Path, encoder: Model) -> None:
        self._path, self._encoder, self._saved_s = out.with_name(f".{out.name}.begun.npz"), encoder, time.monotonic()
        self._before: dict[str, NDArray[np.float32]] = {}
        none_or_cut_off = contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile)
        with none_or_cut_off, np.load(self._path) as kept:
            if str(kept["space_id"]) == encoder.space_id:
                self._before = dict(zip(map(str, kept["names"]), kept["embeddings"], strict=True))

    def vector_of(self, sound: Path) -> tuple[str, NDArray[np.float32]]:
        """A file's name and vector, as they were found then or as they are now."""
        before = self._before.get(key := _as_it_is(sound))
        return key, self._encoder.embed(sound) if before is None else before

    def keep(self, keys: list[str], vectors: list[NDArray[np.float32]], *, now: bool = False) -> None:
        """Write what there is, once a minute or now."""
        if vectors and (now or time.monotonic() - self._saved_s > _SAVE_EVERY_S):
            write_embeddings(self._path, keys, np.stack(vectors), space_id=self._encoder.space_id)
            self._saved_s = time.monotonic()

    def forget(self) -> None:
        """Leave nothing behind."""
        self._path.unlink(missing_ok=True)
