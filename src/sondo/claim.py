"""The folder of a run: whose it is, and the JSON notes in it.

May import: the standard library, `sondo.errors`, `sondo.scratch`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sondo.errors import SondoError, check_places, check_utf8
from sondo.scratch import replacing


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys: `{"train": {"epochs": 3}}` to `{"train.epochs": 3}`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


RUN_NOTES = ("recipe.json", "train.json")
"""Files that keep the settings of a run, and by which a folder is known as one."""

LOCK = ".training.lock"
"""File by which one process trains in a folder at a time."""

_SECONDS = "seconds.json"

NEVER_BOUND = ("out", "workers", "max_bad_share", "train.devices", "ray.workers", "ray.address", "ray.gpus_per_worker")
"""Settings that say nothing about what a run makes, but who makes it."""

_OF_THE_SOUND = ("audio", "manifest", "compat")
"""Settings with which a bank is another one."""

_ONLY_IN = {"grid": "reproduce", "finetune": "finetune"}
"""Settings that the notes of one kind of run alone have, and the kind."""

_MOST_SHOWN = 5


def claim_folder(
    folder: Path,
    settings: dict[str, Any],
    *,
    note: str = "recipe.json",
    bound: Callable[[str], bool] | None = None,
    advice: str = "",
) -> set[str]:
    """Make a folder the run of some settings, or find that it is that run already.

    Args:
        folder: The run's folder.
        settings: What makes the run, JSON-able.
        note: Name of the file that keeps them, one of `RUN_NOTES`.
        bound: Which settings, by their dotted names, what lies in the folder was made with: those must be as they were,
            others may change. Left out, all are once the run has left anything but its notes, but for `NEVER_BOUND`.
        advice: What to do besides naming another folder, for the message; passed over where the sound is another.

    Returns:
        The dotted names of the settings that did change.

    Raises:
        SondoError: The folder holds a run of another kind or of other settings, or files that are no run.
    """
    assert note in RUN_NOTES
    file = folder / note
    children = {child.name for child in folder.iterdir() if child.name[0] != "."} if folder.is_dir() else set()
    is_run = bool(children & {*RUN_NOTES})
    if folder.is_file() or (children and not is_run):
        raise SondoError(f"{folder} holds something that is no run of sondo: name a new folder as --out")
    _check_kind(folder, note, settings)
    if bound is None:
        is_begun = bool(children - {*RUN_NOTES, _SECONDS})
        bound = lambda key: is_begun and key not in NEVER_BOUND  # noqa: E731
    make_folder(folder)
    changed = _changed(file, settings) if file.exists() else {}
    if differs := [f"{key} was {was!r}, is now {now!r}" for key, (was, now) in changed.items() if bound(key)]:
        way = "" if changed.keys() & {*_OF_THE_SOUND} else advice  # its bank would hold both
        more = [f"and {len(differs) - _MOST_SHOWN} settings more"] if len(differs) > _MOST_SHOWN else []
        shown = "; ".join([*differs[:_MOST_SHOWN], *more])
        raise SondoError(f"{folder} holds another run: {shown}. Name another --out{way}")
    write_json(file, settings)
    return set(changed)


class InUseError(SondoError):
    """Another process works in the folder, and what lies there is its own."""


@contextmanager
def no_trace_if_refused(folder: Path) -> Iterator[None]:
    """Take away the notes of a run, and the folders made for it, where it is refused before it has done anything.

    Args:
        folder: The run's folder, not yet made where it is new.
    """
    before = _names(folder)
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        yield
    except InUseError:
        raise
    except SondoError:
        new = _names(folder) - before
        if new <= {*RUN_NOTES, _SECONDS, LOCK}:
            with contextlib.suppress(OSError):  # another process has begun there
                for name in new:
                    (folder / name).unlink()
                for each in made:
                    each.rmdir()
        raise


def _names(folder: Path) -> set[str]:
    return {child.name for child in folder.iterdir()} if folder.is_dir() else set()


def kind_of_run(folder: Path) -> str | None:
    """The verb whose run lies in a folder, such as `distill`; None where there is no run."""
    notes = [name for name in RUN_NOTES if (folder / name).is_file()]
    return _kind(notes[0], _read(folder / notes[0])) if notes else None


def make_folder(folder: Path) -> None:
    """Make the folder of a run where it is missing.

    Raises:
        SondoError: It cannot be made, or nothing can be made in it.
    """
    check_utf8(folder)
    check_places(folder / LOCK if folder.is_dir() else folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SondoError(f"{folder} cannot be made a folder ({error.strerror}): name another --out") from error


def _check_kind(folder: Path, note: str, settings: dict[str, Any]) -> None:
    """Refuse a folder of another kind of run; training is a stage of `distill`, so that these two share one."""
    wanted = _kind(note, settings)
    for name in RUN_NOTES:
        found = _kind(name, _read(folder / name)) if (folder / name).exists() else wanted
        if found != wanted and not {found, wanted} <= {"distill", "train"}:
            raise SondoError(f"{folder} holds a run of `sondo {found}`, not of {wanted}: name another --out")


def _kind(note: str, settings: dict[str, Any]) -> str:
    """The verb that makes runs with such a note."""
    own = [verb for key, verb in _ONLY_IN.items() if key in settings]
    return own[0] if own else {"recipe.json": "distill", "train.json": "train"}[note]


def _read(file: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SondoError(f"{file} is damaged ({error}): the run cannot go on, begin it in another folder") from error
    return settings


def _changed(file: Path, settings: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs, as it was and as it is. Two spellings of one path are the same."""
    standing = flatten(_read(file))
    wanted = flatten(json.loads(json.dumps(settings)))
    pairs = {key: (standing.get(key), wanted.get(key)) for key in sorted({*standing, *wanted})}
    return {key: (was, now) for key, (was, now) in pairs.items() if was != now and not one_path(was, now, file.parent)}


def one_path(first: Any, second: Any, folder: Path) -> bool:
    """Whether both are the path of one thing, from here or from the run's folder, in which paths may be kept."""
    if not (isinstance(first, str) and isinstance(second, str)):
        return False
    return any(os.path.realpath(root / first) == os.path.realpath(root / second) for root in (Path(), folder))


def write_json(path: Path, values: Any) -> None:
    """Write JSON in one step: a kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as scratch:
        scratch.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
