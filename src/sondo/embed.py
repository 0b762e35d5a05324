"""`sondo embed`: many files through one model into one table of vectors.

May import: `sondo.audio`, `sondo.runtime`, `sondo.loading`; never torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sondo.audio.decode import list_audio_files
from sondo.audio.windows import Compat
from sondo.errors import SondoError
from sondo.loading import load
from sondo.runtime.write import check_writable, write_embeddings
from sondo.screen import say, track


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
        SondoError: No sound, a file of vectors that cannot be written, or no file that could be read. A single bad
            file among others is named on the screen and left out.
    """
    check_writable(out, overwrite=overwrite)
    sounds = [sound for file in files for sound in (list_audio_files(file) if file.is_dir() else [file])]
    if not sounds:
        raise SondoError(f"no audio in {', '.join(map(str, files))}")
    encoder = load(model, threads=threads, compat=compat, allow_code=allow_code)
    names, vectors, bad = [], [], []
    with track("embed", total=len(sounds), unit="files") as line:
        for sound in sounds:
            try:
                vectors.append(encoder.embed(sound))
                names.append(str(sound))
            except SondoError as error:
                bad.append(str(error))
            line.advance()
    if not vectors:
        raise SondoError(f"none of {len(sounds)} files could be embedded: {bad[0]}")
    for message in bad:
        say(f"left out: {message}")
    write_embeddings(out, names, np.stack(vectors), space_id=encoder.space_id)
    return names, (len(vectors), encoder.embedding_dim)
