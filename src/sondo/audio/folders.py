"""The sound files in folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sondo.audio.errors import AudioError
from sondo.audio.source_av import AV_EXTENSIONS
from sondo.errors import SondoError, in_utf8, is_utf8

AUDIO_EXTENSIONS = AV_EXTENSIONS | frozenset(
    {
        ".aif",
        ".aifc",
        ".aiff",
        ".au",
        ".caf",
        ".flac",
        ".mp1",
        ".mp2",
        ".mp3",
        ".oga",
        ".ogg",
        ".opus",
        ".rf64",
        ".snd",
        ".w64",
        ".wav",
    }
)
"""What `look_into` takes for sound, lower case."""


_SHOWN = 5


class Found(NamedTuple):
    """What a folder holds.

    Attributes:
        files: Its sound files, and those of the folders inside it, sorted.
        num_unopened: Folders inside it that could not be opened.
    """

    files: list[Path]
    num_unopened: int = 0


def list_audio_files(folder: str | Path) -> list[Path]:
    """The files of `look_into`.

    Raises:
        SondoError: As `look_into`.
    """
    return look_into(folder).files


def look_into(folder: str | Path) -> Found:
    """All sound files in a folder and the folders inside it, sorted; hidden files and folders are left out.

    So are files whose names are not UTF-8, which no table could hold, and folders that cannot be opened: the screen
    names them.

    Raises:
        SondoError: There is no such folder, or it cannot be opened.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SondoError(f"{folder} is not a folder" if folder.exists() else f"no such folder: {folder}")
    unopened: list[OSError] = []
    seen = _walk(folder, unopened.append)
    files = sorted(path for path in seen if path.suffix.lower() in AUDIO_EXTENSIONS and _can_be_named(path))
    for error in unopened:
        if Path(error.filename) == folder:
            raise SondoError(f"{folder} cannot be opened ({error.strerror})")
        _say_passed_over(f"{error.filename} cannot be opened ({error.strerror})")
    return Found(files, len(unopened))


def _walk(folder: Path, note: Callable[[OSError], None]) -> Iterator[Path]:
    """All files that are not hidden, each folder once."""
    seen: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=note):
        real = os.path.realpath(root)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in files if not name.startswith("."))


def sounds_of(paths: Sequence[Path]) -> list[Path]:
    """Files as they are named, and of folders the sound files in them.

    Raises:
        SondoError: One that was named is not there, no sound, or as `look_into`.
    """
    if gone := [path for path in paths if _is_gone(path)]:
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        raise SondoError(
            f"there is no {', '.join(map(str, gone[:_SHOWN]))}{more}: name files and folders that are here"
        )
    looked = [look_into(path) if path.is_dir() else Found([path]) for path in paths]
    sounds = [sound for found in looked for sound in found.files]
    if not sounds:
        unopened = unopened_note(sum(found.num_unopened for found in looked))
        raise SondoError(f"no audio in {', '.join(map(str, paths))}{unopened}")
    return sounds


def _is_gone(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # there, or nobody knows: reading it says what is wrong
        return False
    return False


def unopened_note(num_unopened: int) -> str:
    """The end of a message that nothing was found: how many folders were not looked into."""
    return f"; folders there that could not be opened: {num_unopened}, see above" if num_unopened else ""


def check_name(path: Path) -> None:
    """Refuse a name that no table could hold.

    Raises:
        AudioError: It is not UTF-8.
    """
    if not is_utf8(path):
        raise AudioError(f"{in_utf8(path)}: its name is not UTF-8, so no table can hold it: rename it")


def _can_be_named(path: Path) -> bool:
    try:
        check_name(path)
    except AudioError as error:
        _say_passed_over(str(error))
        return False
    return True


def _say_passed_over(what: str) -> None:
    from sondo.screen import say

    say(f"passed over: {what}")
