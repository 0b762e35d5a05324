"""The table of what can no longer be had, so that it is asked for once: `gone.csv`."""

from __future__ import annotations

import csv
import os
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path

from sondo.audioset.segments import Segment
from sondo.errors import SondoError
from sondo.scratch import replacing


@dataclass(frozen=True)
class Gone:
    """A segment that cannot be had.

    Args:
        name: The segment, `YTID_START`.
        reason: Why, in a word or two: private, removed, blocked, ...
        detail: What YouTube said.
        date: When.
    """

    name: str
    reason: str
    detail: str
    date: str


_COLUMNS = [field.name for field in fields(Gone)]


class GoneTable:
    """The table. A line is durable once `add` returns; a half line that a kill left is dropped.

    Args:
        path: The CSV file; made when the first line is added.

    Raises:
        SondoError: Something else is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, Gone] = {}
        if not path.exists():
            return
        held = path.read_bytes()
        whole = held[: held.rfind(b"\n") + 1]
        rows = csv.DictReader(whole.decode("utf-8", "replace").splitlines())
        is_table = rows.fieldnames == _COLUMNS if whole else ",".join(_COLUMNS).encode().startswith(held)
        if not is_table:
            raise SondoError(f"{path} is not the table of a download: expected the columns {', '.join(_COLUMNS)}")
        os.truncate(path, len(whole))
        for row in rows:
            self._rows[row["name"]] = Gone(**row)

    def __contains__(self, segment: Segment) -> bool:
        return segment.stem in self._rows

    def reason(self, segment: Segment) -> str:
        """Why a segment that is in the table cannot be had."""
        return self._rows[segment.stem].reason

    def add(self, segment: Segment, reason: str, detail: str) -> None:
        """Note that a segment cannot be had; what was noted of it before is replaced."""
        row = Gone(segment.stem, reason, " ".join(detail.split()), date.today().isoformat())
        self._rows[row.name] = row
        is_new = not self.path.exists() or self.path.stat().st_size == 0
        with self.path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(asdict(row))

    def forget(self, segment: Segment) -> None:
        """Take a segment off the table, because it was had after all."""
        if self._rows.pop(segment.stem, None) is None:
            return
        with replacing(self.path) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(row) for row in self._rows.values())
