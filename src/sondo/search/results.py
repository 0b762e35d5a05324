"""What was found: a table on the screen, a CSV file, JSON."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sondo.errors import SondoError, check_places
from sondo.scratch import replacing
from sondo.screen import counted, one_line, tell
from sondo.search.index import Hit, Index

_COLUMNS = ("rank", "cosine", "file", "offset_s", "duration_s", "labels")


def show_hits(hits: Sequence[Hit]) -> None:
    """The clips, nearest first, a line each, so that a file's name can be copied whole; labels where any has some."""
    labels = ["; ".join(hit.labels) for hit in hits]
    width = max(map(len, ["labels", *labels])) + 2 if any(labels) else 0
    tell(f"rank  cosine  offset_s  {'labels' if width else '':<{width}}file")
    for rank, (hit, label) in enumerate(zip(hits, labels, strict=True), 1):
        tell(one_line(f"{rank:>4}  {hit.cosine:>6.4f}  {hit.offset_s:>8g}  {label:<{width}}{hit.uri}"))


def how_searched(index: Index, *, exact: bool = False) -> str:
    """In words, whether every vector was compared."""
    if index.is_approximate and not exact:
        return f"approximate search ({index.ann_kind}) over {counted(len(index), 'clip')}"
    return f"exact search over {counted(len(index), 'clip')}"


def check_csv(path: str | Path, *, overwrite: bool = False) -> None:
    """Find out, before any work is done, whether `write_csv` could write there.

    Raises:
        SondoError: Another extension than .csv, a file that is there and not to be replaced, or no such folder.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise SondoError(f"cannot write the clips to {path}: such a file is called something.csv (--json writes JSON)")
    if path.is_dir() or (path.exists() and not overwrite):
        raise SondoError(f"{path} is there already: name another file, or overwrite it (--overwrite)")
    if not path.parent.is_dir():
        raise SondoError(f"cannot write {path}: there is no folder {path.parent}")
    check_places(path)


def write_csv(path: str | Path, hits: Sequence[Hit], *, overwrite: bool = False) -> None:
    """Write the clips as a table; several labels are separated by `;`.

    Raises:
        SondoError: As `check_csv`.
    """
    path = Path(path)
    check_csv(path, overwrite=overwrite)
    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for rank, hit in enumerate(hits, 1):
            writer.writerow([rank, f"{hit.cosine:.6f}", hit.uri, hit.offset_s, hit.duration_s, ";".join(hit.labels)])


def as_json(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """The clips as plain values."""
    values = (
        (rank, hit.cosine, hit.uri, hit.offset_s, hit.duration_s, list(hit.labels)) for rank, hit in enumerate(hits, 1)
    )
    return [dict(zip(_COLUMNS, row, strict=True)) for row in values]
