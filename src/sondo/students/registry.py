"""The students by name."""

from __future__ import annotations

from dataclasses import dataclass

from sondo.errors import SondoError
from sondo.students.mobilenetv3 import MobileNetV3
from sondo.students.student import Student


@dataclass(frozen=True, kw_only=True)
class StudentInfo:
    """A student as `sondo students` lists it; parameters and dimension at width 1.0."""

    name: str
    params: int
    embedding_dim: int
    sample_rate: int
    licence: str
    source: str


_STUDENTS = {
    "mobilenetv3": StudentInfo(
        name="mobilenetv3",
        params=2_971_664,
        embedding_dim=960,
        sample_rate=32000,
        licence="MIT",
        source="EfficientAT (arXiv 2211.04772), S-SONDO (arXiv 2604.24933)",
    )
}


def available() -> list[StudentInfo]:
    """What `create` knows."""
    return list(_STUDENTS.values())


def create(name: str, *, width_mult: float = 1.0) -> Student:
    """Make a student with fresh weights, drawn from torch's random numbers.

    Args:
        name: One of `available()`.
        width_mult: Factor on the number of channels; 0.4 has 0.52 M parameters and 384 dimensions.

    Raises:
        SondoError: No student has that name, or the width is not a positive number.

    Example:
        `create("mobilenetv3", width_mult=0.4)(audio)` with audio (batch, samples) gives (batch, 384).
    """
    if name not in _STUDENTS:
        raise SondoError(f"no student is called {name!r}: there is {', '.join(sorted(_STUDENTS))}")
    return Student(name, MobileNetV3(width_mult=width_mult), settings={"width_mult": width_mult})
