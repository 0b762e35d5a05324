"""Finding the audio that the table of a task names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sondo.errors import SondoError


def find_audio(names: Sequence[str], *, folders: Sequence[Path], table: Path) -> tuple[Path, ...]:
    """The file behind each name: the first of `folders` that holds it.

    Args:
        names: File names or paths as the table gives them; absolute ones stand for themselves.
        folders: Where relative names may be.
        table: The table that names them, for the message.

    Raises:
        SondoError: Files are missing: how many, and the first of them.
    """
    found: list[Path] = []
    missing: list[str] = []
    for name in names:
        path = next((folder / name for folder in folders if name and (folder / name).is_file()), None)
        if path is None:
            missing.append(name or "(empty cell)")
        else:
            found.append(path)
    if missing:
        more = ", …" if len(missing) > 3 else ""
        raise SondoError(
            f"{table}: {len(missing)} of {len(names)} audio files are missing ({', '.join(missing[:3])}{more}). "
            f"Looked in {' and '.join(str(folder) for folder in folders)}."
        )
    return tuple(found)
