"""The students that there are, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sondo.errors import SondoError
from sondo.students.mobilenetv3 import MobileNetV3
from sondo.students.student import Student


@dataclass(frozen=True, kw_only=True)
class StudentInfo:
    """A student as a list shows it, at its default size.

    Args:
        name: What `create` takes.
        params: Number of parameters.
        embedding_dim: Values of an embedding.
        sample_rate: Hz.
        licence: Licence of the architecture; weights have the one that their teacher hands down.
        source: Where it was published.
    """

    name: str
    params: int
    embedding_dim: int
    sample_rate: int
    licence: str
    source: str


def _mobilenetv3(*, width_mult: float = 1.0) -> Student:
    backbone = MobileNetV3(width_mult=width_mult)
    return Student(
        backbone,
        name="mobilenetv3",
        options={"width_mult": float(width_mult)},
        embedding_dim=backbone.num_features,
        projector_width=backbone.projector_width,
    )


_STUDENTS: dict[str, tuple[Callable[..., Student], StudentInfo]] = {
    "mobilenetv3": (
        _mobilenetv3,
        StudentInfo(
            name="mobilenetv3",
            params=2_971_664,
            embedding_dim=960,
            sample_rate=32000,
            licence="MIT",
            source="Howard et al. 2019, arXiv 1905.02244; for audio Schmid et al. 2023, arXiv 2211.04772",
        ),
    ),
}


def available() -> list[StudentInfo]:
    """All students, each at its default size."""
    return [info for _, info in _STUDENTS.values()]


def create(name: str, **options: Any) -> Student:
    """Make a student with new, random weights, drawn from torch's generator.

    Args:
        name: A name that `available` lists.
        options: What this student takes; `mobilenetv3` takes `width_mult`, the factor on its channels.

    Raises:
        SondoError: No such student or option; the message names those that exist.

    Example:
        >>> student = create("mobilenetv3", width_mult=0.1)
        >>> student.embedding_dim
        96
    """
    if name not in _STUDENTS:
        raise SondoError(f"no student is called {name!r}: there is {', '.join(sorted(_STUDENTS))}")
    make, _ = _STUDENTS[name]
    known = list(inspect.signature(make).parameters)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise SondoError(f"student {name} has no option {', '.join(unknown)}: it takes {', '.join(known)}")
    return make(**options)
