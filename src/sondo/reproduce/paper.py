"""The figures that the S-SONDO paper published, as `paper.json` holds them.

Source: figures of the paper in the S-SONDO repository (MIT), at the commit and in the pictures that `paper.json` names;
a score that was published nowhere is absent there.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from sondo.errors import SondoError

AVERAGE = "average"
"""The key of a row's mean over the paper's seven tasks."""


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """One line of a published table. Scores are in percent.

    Attributes:
        name: What the line is called here; a grid's variant of the same name stands beside it.
        scores: By task (`esc50`), area (`music`, `environment`) or `average`.
        ci95: Half width of the 95 % interval, by task, where it was published.
        student: `mobilenetv3`, `dymn` or `eres2net`; None for a teacher alone, and where the table has one student.
        teacher: `matpac` or `m2d`; None for supervised training, and where the table has one teacher.
    """

    name: str
    scores: Mapping[str, float]
    ci95: Mapping[str, float] = field(default_factory=dict)
    student: str | None = None
    teacher: str | None = None
    params_millions: float | None = None
    kept_percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A published table or figure; `source` says where its numbers were read, `note` what to know about them."""

    title: str
    source: str
    note: str
    rows: tuple[PaperRow, ...]

    def row(self, name: str) -> PaperRow | None:
        """The line of that name, None where the paper has none."""
        return next((row for row in self.rows if row.name == name), None)


def paper_tasks() -> dict[str, dict[str, str]]:
    """The paper's seven tasks: `title`, `metric` and `area` (music or environment) by the name that they have here."""
    tasks: dict[str, dict[str, str]] = _read()["tasks"]
    return dict(tasks)


def paper_table(name: str) -> PaperTable:
    """A table of the paper.

    Args:
        name: `table1`, `table2` or `fig2`.

    Raises:
        SondoError: The paper has no such table.

    Example:
        >>> paper_table("table2").row("cosine").scores["average"]
        72.7
    """
    tables = _read()["tables"]
    if name not in tables:
        raise SondoError(f"the paper has no {name!r} here: there is {', '.join(tables)}")
    values = tables[name]
    rows = tuple(PaperRow(**row) for row in values["rows"])
    return PaperTable(title=values["title"], source=values["source"], note=values["note"], rows=rows)


@functools.cache
def _read() -> dict[str, Any]:
    values: dict[str, Any] = json.loads(files(__package__).joinpath("paper.json").read_text(encoding="utf-8"))
    return values
