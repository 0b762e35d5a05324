"""The errors that a user of sondo meets, and the checks for optional parts and for places to write to.

Everything here is a user's mistake or a user's missing install: the command line prints the message alone and
exits with 1. Our own invariants are assertions, never a SondoError.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

_MOST_COMPARED = 10_000
_TRAINING_PYTHON = (3, 11)


class SondoError(Exception):
    """Something the user can put right. The message says what was wrong, where, and what to do."""


class MissingExtraError(SondoError):
    """An optional part of sondo is not installed."""


def require(module: str, *, extra: str, why: str) -> ModuleType:
    """Import an optional dependency, or name the extra that brings it.

    Args:
        module: Name of the module, e.g. ``"av"``.
        extra: The extra of sondo that installs it, e.g. ``"av"``.
        why: What needs it, as a sentence without its full stop, e.g. ``"Reading .m4a files needs PyAV"``.

    Raises:
        MissingExtraError: The module is not installed. The message gives the pip line.
        SondoError: It is installed and cannot be imported.
    """
    top = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError, OSError) as error:  # of a torchvision that does not fit torch: RuntimeError
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == top:
            raise MissingExtraError(f"{why}, which is not installed: {how_to_install(extra)}") from error
        mend = "torchvision in the version that fits torch" if "torchvision" in str(error) else "it"
        raise SondoError(f"{why}; {top} is installed but cannot be imported ({error}): reinstall {mend}") from error


def import_own(module: str, *, what: str, needs: Sequence[str] = ()) -> ModuleType:
    """Import a module of sondo; where a library that it needs is not installed, name the extra that brings it.

    Args:
        module: Name of the module, e.g. ``"sondo.students"``.
        what: What the user asked for, to begin the message with.
        needs: Libraries that the module imports later, in its functions.

    Raises:
        MissingExtraError: A library is not installed. The message gives the pip line.
    """
    for library in needs:
        if importlib.util.find_spec(library) is None:
            raise _lacking(what, library)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        library = (error.name or "sondo").partition(".")[0]
        if library == "sondo":  # a mistake of ours: no install mends it
            raise
        raise _lacking(what, library) from error


def _lacking(what: str, library: str) -> MissingExtraError:
    return MissingExtraError(f"{what} needs {library}, which is not installed: {how_to_install('train')}")


def near_settings(name: str, known: Iterable[str]) -> list[str]:
    """Which settings may have been meant by one that there is not, two at most.

    Args:
        name: What was given, dotted where it is in a group: `train.epochz`, or `epochs` without its group.
        known: All that there is, spelled alike.

    >>> near_settings("train.epochz", ["train.epochs", "train.seed"])
    ['train.epochs']
    """
    group, _, last = name.removeprefix("--").rpartition(".")
    alike = {each: each.removeprefix("--").rpartition(".") for each in known}
    peers = [each for each, (above, _, _) in alike.items() if bool(above) == bool(group)]
    near = difflib.get_close_matches(name, peers, n=1, cutoff=0.8)
    # A group that both have makes any two names look near.
    if near and difflib.get_close_matches(last, [alike[near[0]][2]], cutoff=0.65):
        return near
    elsewhere = [each for each, (above, _, own) in alike.items() if above and own == last]
    return elsewhere if len(elsewhere) <= 2 else []


def near_path(path: str | Path) -> str:
    """The question whether a path that is there was meant by one that is not; empty where nothing is near.

    Returns:
        Such as `did you mean runs/first/student?` for `runs/first/studnet`.
    """
    path = Path(path)
    lacking, above = path, path.parent
    while not above.is_dir() and above != above.parent:
        lacking, above = above, above.parent
    try:
        there = os.listdir(above)
        if len(there) > _MOST_COMPARED:  # to compare a name with each takes seconds
            return ""
        near = [above / name for name in difflib.get_close_matches(lacking.name, there, n=1)]
        meant = [each for folder in near if (each := folder / path.relative_to(lacking)).exists()]
    except OSError:  # a folder that may not be looked into
        return ""
    return f"did you mean {meant[0]}?" if meant else ""


def how_to_install(extra: str) -> str:
    """The pip line that brings an extra of sondo, for whoever installed it from an index and from a clone."""
    line = f'pip install "sondo[{extra}]" (from a clone: pip install ".[{extra}]")'
    if extra == "train" and sys.version_info < _TRAINING_PYTHON:  # pip finds no versions that go together
        line += f", with Python {'.'.join(map(str, _TRAINING_PYTHON))} or newer; this is {sys.version.split()[0]}"
    return line


def check_places(*files: str | Path | None) -> None:
    """Find out, before any work is done, whether files could be made there, as far as names and permissions go.

    Args:
        files: What is to be written; None is passed over.

    Raises:
        SondoError: One of the folders that a file would lie in is a file itself, or nothing can be made there.
    """
    for file in files:
        for above in () if file is None else Path(file).parents:
            if above.is_file():
                raise SondoError(f"cannot write {file}: {above} is a file, name another place")
            if above.is_dir():
                if not os.access(above, os.W_OK | os.X_OK):
                    raise SondoError(f"cannot write {file}: nothing can be made in {above}, name another place")
                break


def check_utf8(place: str | Path) -> None:
    """Refuse the name of a table, run or exported file that its library can neither write nor open.

    Lance, pyarrow, TensorBoard and onnxruntime can not; what Python writes itself may have names of any bytes.

    Raises:
        SondoError: It is not UTF-8.
    """
    if not is_utf8(place):
        raise SondoError(f"cannot write {in_utf8(place)}: its name is not UTF-8, name another place")


def is_utf8(path: str | Path) -> bool:
    """Whether a path can be written down; a file system may hold names of any bytes."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def in_utf8(path: str | Path) -> str:
    """A path for the screen; bytes that are not UTF-8 show as their codes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def check_readable(file: str | Path) -> None:
    """Tell a file that may not be read from one that is damaged, which is what libraries make of it.

    Raises:
        SondoError: There is a file, and no permission to read it.
    """
    if os.path.exists(file) and not os.access(file, os.R_OK):
        raise SondoError(f"{file} may not be read: permission denied")
