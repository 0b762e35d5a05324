"""Vectors of a task's clips on disk: embedded once for each model and task, in parts, so that work can be broken off.

A folder for each task and space holds `index.json` and `part-00000-HASH.npy` and on. The index says which clips and
which model the vectors are of; where that is no longer so, they are made anew. The hash is the index's: of two
processes with unlike clips in one folder, neither takes a part of the other for its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo import __version__
from sondo.claim import write_json
from sondo.errors import SondoError
from sondo.evaluate.embed import EmbedFile, checked_vector, naming_all_unreadable
from sondo.evaluate.task import Task, names_below
from sondo.in_threads import in_order
from sondo.scratch import replacing
from sondo.screen import say, track

_PART = 500


@dataclass(frozen=True, kw_only=True)
class VectorCache:
    """Where the vectors of a model are kept.

    Args:
        folder: Of all vectors.
        space: What names the space of the model's vectors.
    """

    folder: Path
    space: str

    def embed_task(self, task: Task, embed: EmbedFile, *, description: str, at_once: int = 1) -> NDArray[np.float32]:
        """As `sondo.evaluate.embed_task`, from what is there already.

        Shape:
            Output: (clips, embedding_dim).

        Raises:
            SondoError: As `embed_task`; or a part that cannot be read.
        """
        folder, index = self.folder_of(task), self.index(task)
        whose = hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()[:8]
        parts = [folder / f"part-{number:05}-{whose}.npy" for number in range(-(-len(task) // _PART))]
        _take_over(folder, index, whose)
        lacking = [number for number, part in enumerate(parts) if not part.exists()]
        known = _read(parts[0]) if len(lacking) < len(parts) and parts[0].exists() else None
        like = None if known is None else known[0]
        left = sum(len(task.paths[number * _PART : (number + 1) * _PART]) for number in lacking)
        with track(description, total=len(task), done=len(task) - left) as progress:
            for number in lacking:
                rows: list[NDArray[np.float32]] = []
                paths = task.paths[number * _PART : (number + 1) * _PART]
                with in_order(embed, paths, at_once=at_once) as outcomes:
                    for path, outcome in zip(paths, outcomes, strict=True):
                        with naming_all_unreadable(task, path):
                            rows.append(checked_vector(path, outcome, like=like))
                        like = rows[0] if like is None else like
                        progress.advance()
                _write(parts[number], np.stack(rows))
        return _joined(parts, len(task))

    def folder_of(self, task: Task) -> Path:
        """Where the vectors of a task's clips lie."""
        return self.folder / _slug(task.name) / _slug(self.space)

    def index(self, task: Task) -> dict[str, Any]:
        """What the vectors depend on, JSON-able."""
        return {
            "sondo": __version__,
            "space": self.space,
            "task": task.name,
            "clips": len(task),
            "files": _fingerprint(task.paths),
        }


def _take_over(folder: Path, index: dict[str, Any], whose: str) -> None:
    """Keep the parts of the same clips and model, those without a hash too; remove those of others."""
    note = folder / "index.json"
    standing = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else None
    if standing == index:
        for part in folder.glob("part-?????.npy"):  # caches that were begun before parts had a hash
            with suppress(FileNotFoundError):  # another process has named it
                part.rename(part.with_stem(f"{part.stem}-{whose}"))
        return
    if standing is not None:
        changed = [key for key, value in index.items() if standing.get(key) != value]
        say(f"{folder}: its vectors are stale (other {', '.join(changed)}); they are made anew")
    for part in folder.glob("part-*.npy"):
        part.unlink(missing_ok=True)  # another process may find the same
    write_json(note, index)


def _fingerprint(paths: Sequence[Path]) -> str:
    """Of names, sizes and times: reading 50,000 files would take as long as many a model needs to embed them."""
    digest = hashlib.sha256()
    for path, name in zip(paths, names_below(paths), strict=True):
        status = path.stat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _write(path: Path, vectors: NDArray[np.float32]) -> None:
    with replacing(path) as scratch, scratch.open("wb") as file:
        np.save(file, vectors)


def _read(path: Path) -> NDArray[np.float32]:
    try:
        vectors: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise SondoError(f"{path} cannot be read ({error}): remove it, and its clips are embedded again") from error
    return vectors


def _joined(parts: Sequence[Path], num_clips: int) -> NDArray[np.float32]:
    first = _read(parts[0])
    vectors = np.empty((num_clips, first.shape[1]), dtype=np.float32)
    for number, part in enumerate(parts):
        wanted = vectors[number * _PART : (number + 1) * _PART]
        read = first if number == 0 else _read(part)
        if read.shape != wanted.shape:
            raise SondoError(
                f"{part} holds vectors of shape {read.shape}, expected {wanted.shape}: remove its folder, and its "
                "clips are embedded again"
            )
        wanted[:] = read
    return vectors


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", name)
