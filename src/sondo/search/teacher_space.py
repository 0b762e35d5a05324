"""A student whose vectors lie in its teacher's space, through the mapping head that training left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.loading import exported_of, load
from sondo.runtime import Model, OnnxModel, SpaceMismatchError
from sondo.search.info import IndexInfo, teacher_space_id
from sondo.weights import located

_Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class MappedModel(Model):
    """A student behind its mapping head.

    Args:
        student: The student.
        teacher: Into whose space: `name`, `fingerprint`, `embedding_dim`.
        embed_windows: Windows (batch, samples) to mapped vectors (batch, teacher's embedding_dim).
    """

    def __init__(self, student: Model, teacher: Mapping[str, Any], embed_windows: _Embed) -> None:
        super().__init__(
            name=f"{student.name} in the space of {teacher['name']}",
            embedding_dim=int(teacher["embedding_dim"]),
            space_id=teacher_space_id(teacher),
            licence=student.licence,
            front_end=student.front_end,
            compat=student.compat,
        )
        self.teacher, self.student_space_id = dict(teacher), student.space_id
        self._at_once = student.at_once
        self._of_windows = embed_windows

    @property
    def at_once(self) -> int:
        """As many sounds as its student."""
        return self._at_once

    def _embed_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._of_windows(audio)


def load_mapped(
    model: str | Path, info: IndexInfo, *, threads: int | None = None, allow_code: bool = False
) -> MappedModel:
    """Open a student so that its vectors lie in the space of an index of its teacher.

    Args:
        model: An exported file with the output `teacher_space`, the folder of a run or of a student, or a published
            checkpoint.
        info: What the index says of itself.
        threads: Threads for an exported file.
        allow_code: As for `sondo.load`.

    Raises:
        SpaceMismatchError: The student was distilled from another teacher, or another version of it.
        SondoError: No student there, or one without a mapping head.
    """
    mapped = _mapped(model, threads, allow_code)
    for candidate in mapped:
        if candidate.space_id == info.space_id:
            return candidate
    there = ", ".join(repr(candidate.space_id) for candidate in mapped)
    raise SpaceMismatchError(
        f"the index lies in the space {info.space_id!r} of its teacher; {model} maps into {there}. Ask with a student "
        f"of {info.model} that this very version taught (where several did, with its run, or with a file of "
        f"--teacher_space --teacher {info.model}), or build the index again with the vectors that taught this one"
    )


def load_mapped_to(
    model: str | Path, teacher: str | None, *, threads: int | None = None, allow_code: bool = False
) -> MappedModel:
    """Open a student so that its vectors lie in the space of a teacher of its own.

    Args:
        model: As for `load_mapped`.
        teacher: The name of one of its teachers; the first when left out.
        threads: Threads for an exported file.
        allow_code: As for `sondo.load`.

    Raises:
        SondoError: No student there, one without a mapping head, or one that had no such teacher.
    """
    mapped = _mapped(model, threads, allow_code)
    names = [str(candidate.teacher["name"]) for candidate in mapped]
    if teacher is None:
        return mapped[0]
    if teacher not in names:
        raise SondoError(f"{model} has no mapping head of the teacher {teacher}: it has {', '.join(names)}")
    return mapped[names.index(teacher)]


def _mapped(model: str | Path, threads: int | None, allow_code: bool) -> list[MappedModel]:
    student = load(model, threads=threads, allow_code=allow_code)
    return _from_file(student) if isinstance(student, OnnxModel) else _from_torch(student, model, threads)


def _from_file(student: OnnxModel) -> list[MappedModel]:
    teacher = student.mapped_to
    if teacher is None:
        raise SondoError(
            f"{student.path} has no output `teacher_space`, which maps its vectors into its teacher's space: export "
            "the run again with it, or ask with the run's folder"
        )
    return [MappedModel(student, teacher, student.in_teacher_space)]


def _from_torch(student: Model, model: str | Path, threads: int | None) -> list[MappedModel]:
    import torch

    heads = _heads(model)
    if not heads:
        raise SondoError(f"{model} has no mapping head into a teacher's space: was it trained on labels alone?")
    teachers = student.student.teachers or [{}]  # type: ignore[attr-defined]

    hears = exported_of(located(model), threads=threads) or student

    def through(head: Any) -> _Embed:
        def embed_windows(audio: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                vectors: NDArray[np.float32] = head(torch.from_numpy(hears._embed_windows(audio))).numpy()
            return vectors

        return embed_windows

    return [
        MappedModel(hears, {"name": "unknown", **teacher, "embedding_dim": head.embedding_dim}, through(head))
        for teacher, head in zip(teachers, heads, strict=True)
    ]


def _heads(model: str | Path) -> list[Any]:
    """The mapping heads of a folder, of a repository of the hub or of a published checkpoint."""
    from sondo.students.published import load_published
    from sondo.students.storage import load_projectors

    home = located(model)
    for folder in (home / "student", home):
        if (folder / "config.json").is_file():
            return load_projectors(folder)
    return [load_published(model)[1]]
