"""What is scored: a student in any form, a teacher, or the leading values of a student's vectors."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError, require
from sondo.evaluate.cache import VectorCache
from sondo.evaluate.embed import EmbedFile, embed_task, teacher_embedder
from sondo.evaluate.task import Task
from sondo.loading import exported_of, load
from sondo.recipe import TeacherConfig

TEACHER = "teacher:"


class OnlyBankVectorsError(SondoError):
    """A teacher whose vectors were computed elsewhere knows no sound but the bank's."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A line of the table.

    Args:
        name: What the line is called: the path or name that the user gave.
        embed: Takes a file, returns its vector.
        at_once: How many files it embeds at a time.
        space: What names the space of its vectors; of an exported file also its content, because the int8 file has the
            space of the one that it was made from and other vectors.
        embedding_dim: Length of its vectors.
        num_params: Learned parameters, where that is known.
        num_bytes: Size of an exported file.
        licence: Of the weights.
        is_teacher: Whether it is one.
        num_kept: Leading values of its vectors that are scored, for vectors that were trained to be cut; None for all.
        is_told: Whether `space` tells it from all others. Of one that says nothing of itself nothing is kept: it may be
            another the next time.
    """

    name: str
    embed: EmbedFile
    space: str
    embedding_dim: int
    num_params: int | None
    num_bytes: int | None
    licence: str
    is_teacher: bool = False
    num_kept: int | None = None
    at_once: int = 1
    is_told: bool = True

    def cut(self, num_kept: int) -> Contender:
        """The same with the leading values alone.

        Raises:
            SondoError: The vectors have no more values than that.
        """
        if not 0 < num_kept < self.embedding_dim:
            raise SondoError(f"{self.name}: --dim {num_kept}, but its vectors have {self.embedding_dim} values")
        return replace(self, name=f"{self.name}, first {num_kept}", embedding_dim=num_kept, num_kept=num_kept)


def open_contender(model: str | Path, *, allow_code: bool = False) -> Contender:
    """Open a model to score.

    Args:
        model: What `sondo.load` takes; `teacher:NAME` for a teacher, or `teacher:NAME@CHECKPOINT`.
        allow_code: As for `sondo.load`.

    Raises:
        SondoError: No such model or teacher.
    """
    name = str(model)
    if name.startswith(TEACHER):
        teacher, _, checkpoint = name.removeprefix(TEACHER).partition("@")
        return open_teacher(TeacherConfig(name=teacher, checkpoint=checkpoint or None))
    encoder = load(model, allow_code=allow_code)
    path = getattr(encoder, "path", None)
    space = encoder.space_id if path is None else f"{encoder.space_id}.{_digest(path)}"
    student = getattr(encoder, "student", None)
    hears = exported_of(Path(model)) or encoder
    return Contender(
        name=name,
        embed=hears.embed,
        space=space,
        embedding_dim=encoder.embedding_dim,
        num_params=None if student is None else int(student.num_params),
        num_bytes=None if path is None else path.stat().st_size,
        licence=encoder.licence,
        at_once=hears.at_once,
    )


def open_teacher(config: TeacherConfig) -> Contender:
    """Make a teacher that can be scored.

    Raises:
        OnlyBankVectorsError: Its vectors are of a bank's clips alone.
        SondoError: No teacher has that name.
    """
    require("torch", extra="train", why="A teacher needs torch")
    from sondo.teachers import create

    teacher: Any = create(config.name, **config.options())
    if not getattr(teacher, "needs_audio", True):
        raise OnlyBankVectorsError(
            f"teacher {teacher.name} has vectors of the bank's clips alone: it cannot be scored on a task"
        )
    fingerprint = str(getattr(teacher, "fingerprint", "") or "")
    identity = fingerprint or uuid.uuid4().hex  # of two in one table, neither is the other
    parts = ("teacher", teacher.name, f"{teacher.embedding_dim}d", identity[:16])
    return Contender(
        name=f"{TEACHER}{teacher.name}",
        embed=teacher_embedder(teacher),
        space=".".join(parts),
        embedding_dim=int(teacher.embedding_dim),
        num_params=int(getattr(teacher, "num_params", 0)),
        num_bytes=None,
        licence=str(getattr(teacher, "licence", "unknown")),
        is_teacher=True,
        is_told=bool(fingerprint),
    )


def teacher_of_run(model: Path) -> TeacherConfig | None:
    """The teacher that a run's recipe names; None where the run was given an object that only its process had."""
    note = model / "recipe.json"
    if not note.is_file():
        return None
    recipe = json.loads(note.read_text(encoding="utf-8"))
    return None if "teacher_object" in recipe else TeacherConfig(**recipe["teacher"])


def vectors_of(task: Task, contender: Contender, cache: Path | None) -> NDArray[np.float32]:
    """The vectors of a task's clips, cut as the contender is.

    Args:
        task: The task.
        contender: The model.
        cache: Folder of vectors that are kept; None to keep none.

    Shape:
        Output: (clips, embedding_dim).

    Raises:
        SondoError: A file cannot be embedded.
    """
    description = f"{task.name}: {contender.name}"
    if cache is None or not contender.is_told:
        vectors = embed_task(task, contender.embed, description=description, at_once=contender.at_once)
    else:
        kept = VectorCache(folder=cache, space=contender.space)
        vectors = kept.embed_task(task, contender.embed, description=description, at_once=contender.at_once)
    return vectors if contender.num_kept is None else np.ascontiguousarray(vectors[:, : contender.num_kept])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
