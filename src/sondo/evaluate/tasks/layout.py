"""Is this the folder as it was published? Each common mistake gets a sentence of its own.

The folder above or below the right one, an archive that was not unpacked, a table or a part that is missing, files of
another format or another sample rate than the published ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sondo.audio.decode import probe
from sondo.errors import SondoError
from sondo.evaluate.table import find_audio
from sondo.evaluate.task import TaskInfo

_ARCHIVES = (".zip", ".tgz", ".gz", ".tar", ".7z", ".001", ".z01")
_NUM_PROBED = 12
_USUAL_RATE_HZ = 44100


def find_root(folder: Path, info: TaskInfo, *, needs: Sequence[str], inside: Sequence[str] = ("",)) -> Path:
    """The folder that holds the task's parts: `folder` itself or one of the folders `inside` it.

    Args:
        folder: What the user gave.
        info: The task.
        needs: Files and folders that must be there.
        inside: Names under which the parts may lie.

    Raises:
        SondoError: It is the folder above or below, something is not unpacked, or a part is missing; says which.
    """
    bases = [folder / name for name in inside]
    for base in bases:
        if not _lacking(base, needs):
            return base
    below = [child for child in sorted(folder.iterdir()) if child.is_dir()] if folder.is_dir() else []
    for candidate, where in [(child, "above") for child in below] + [
        (parent, "inside") for parent in folder.resolve().parents[:3]
    ]:
        if any(not _lacking(candidate / name, needs) for name in inside) and candidate / "" not in bases:
            raise SondoError(f"{folder} is a folder {where} that of {_title(info)}: give {candidate}.")
    base = min(bases, key=lambda one: len(_lacking(one, needs)))
    lacking = _lacking(base, needs)
    packed = _archives(folder)
    if packed:
        raise SondoError(
            f"{folder}: {_named(lacking)} missing and {_named([path.name for path in packed])} there: "
            "the archives are not unpacked, or not all of them. Unpack them in this folder."
        )
    raise SondoError(
        f"{base}: {_named(lacking)} missing from {_title(info)}. Expected: {info.layout}. Get it from {info.source}"
    )


def find_clips(names: Sequence[str], *, folders: Sequence[Path], table: Path, info: TaskInfo) -> tuple[Path, ...]:
    """The published file behind each name.

    Args:
        names: Paths as the table gives them.
        folders: Where they may be.
        table: What names them.
        info: The task.

    Raises:
        SondoError: Files are missing: none was unpacked, they were converted, or how many there are not; or their
            sample rate is not the published one.
    """
    try:
        found = find_audio(names, folders=folders, table=table)
    except SondoError as error:
        raise _why_missing(names, folders, info, error) from None
    _check_rates(found, info)
    return found


def published(info: TaskInfo, num_clips: int, *, note: str = "") -> dict[str, Any]:
    """What every published task says of itself, as arguments of `Task`; how many clips there are is compared."""
    complete = info.clips is None or num_clips == info.clips
    if not complete:
        part = f"{num_clips:,} clips, not the {info.clips:,} that are published: no score of {_title(info)}"
        note = f"{part}; {note}" if note else part
    return {
        "name": info.name,
        "citation": info.citation,
        "licence": info.licence,
        "source": info.source,
        "note": note,
        "complete": complete,
    }


def _title(info: TaskInfo) -> str:
    return info.title or info.name


def _lacking(base: Path, needs: Sequence[str]) -> list[str]:
    return [need for need in needs if not (base / need).exists()]


def _archives(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _ARCHIVES] if folder.is_dir() else []


def _named(names: Sequence[str], *, verb: str = "") -> str:
    some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{some} {verb or ('is' if len(names) == 1 else 'are')}"


def _why_missing(names: Sequence[str], folders: Sequence[Path], info: TaskInfo, error: SondoError) -> SondoError:
    here = [folder for folder in folders if folder.is_dir()]
    for folder in here:
        for name in names[:20]:
            wanted = folder / name
            others = [path for path in wanted.parent.glob(f"{_escaped(wanted.stem)}.*") if path != wanted]
            if others and not wanted.exists():
                return SondoError(
                    f"{others[0]} is there and {wanted.name} is not: these are converted copies. "
                    f"{_title(info)} is scored on the files as they were published."
                )
    if not any((folder / name).is_file() for folder in here for name in names):
        packed = [path.name for folder in {*here, *(one.parent for one in folders)} for path in _archives(folder)]
        what = f"{_named(packed, verb='still packed')}: unpack it there" if packed else "was the audio unpacked?"
        return SondoError(
            f"{folders[0]}: none of the {len(names):,} audio files of {_title(info)} is there "
            f"({_named(names, verb='…') if len(names) > 3 else ', '.join(names)}); {what}"
        )
    return SondoError(f"{error} Half unpacked? Unpack the audio again: every file of the table is needed.")


def _escaped(stem: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in stem)


def _check_rates(paths: Sequence[Path], info: TaskInfo) -> None:
    """Look into a few files, spread over the task."""
    some = [paths[index] for index in np.unique(np.linspace(0, len(paths) - 1, _NUM_PROBED).astype(int))]
    rates = [probe(path).sample_rate for path in some]
    if info.sample_rate_hz is not None:
        wrong = next((index for index, rate in enumerate(rates) if rate != info.sample_rate_hz), None)
        expected = f"{info.sample_rate_hz:,} Hz"
    else:
        wrong = 0 if len(set(rates)) == 1 and rates[0] < _USUAL_RATE_HZ else None
        expected = "various rates, mostly 44,100 Hz"
    if wrong is not None:
        raise SondoError(
            f"{some[wrong]} has {rates[wrong]:,} Hz, but {_title(info)} is published at {expected}: this is a "
            "resampled copy. Use the published files; every model resamples by itself."
        )
