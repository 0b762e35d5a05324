"""Reading CSV files that name sounds and labels: every cell is text, as it was written.

May import: `sondo.errors`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from sondo.errors import SondoError

Row = dict[str, str]


def read_columns(path: Path) -> tuple[str, ...]:
    """The header of a CSV file, in lower case; empty for an empty file.

    Raises:
        SondoError: The file is not UTF-8 text.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
    except UnicodeDecodeError as error:
        raise SondoError(f"{path}: not a CSV file in UTF-8.") from error
    return tuple(name.strip().lower() for name in header)


def read_rows(path: Path, *, needed: Sequence[str]) -> list[Row]:
    """The rows of a CSV file by lower-case column name, cells stripped.

    Args:
        path: The CSV file.
        needed: Columns that must be there.

    Raises:
        SondoError: No such file, a column is missing, a row has another number of cells, or there are no rows.
    """
    if not path.is_file():
        raise SondoError(f"No such file: {path}. A table of labels is missing; was the data unpacked whole?")
    columns = read_columns(path)
    missing = [name for name in needed if name not in columns]
    if missing:
        raise SondoError(f"{path}: no column {', '.join(missing)}; the columns are: {', '.join(columns) or 'none'}.")
    rows: list[Row] = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        next(reader, None)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(columns):
                raise SondoError(f"{path}, line {reader.line_num}: {len(cells)} cells, but {len(columns)} columns.")
            rows.append({name: cell.strip() for name, cell in zip(columns, cells, strict=True)})
    if not rows:
        raise SondoError(f"{path}: a header, but no rows.")
    return rows
