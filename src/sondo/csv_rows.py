"""Reading CSV files that name sounds and labels: every cell is text, as it was written.

May import: `sondo.errors`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from sondo.errors import SondoError

Row = dict[str, str]

_OTHER_MARKS = {"semicolons": ";", "tabs": "\t"}


def read_columns(path: Path) -> tuple[str, ...]:
    """The header of a CSV file, in lower case; empty for an empty file.

    Raises:
        SondoError: The file is no CSV in UTF-8.
    """
    return _header(next(_lines(path), (1, []))[1])


def read_rows(path: Path, *, needed: Sequence[str]) -> list[Row]:
    """The rows of a CSV file by lower-case column name, cells stripped.

    Args:
        path: The CSV file.
        needed: Columns that must be there.

    Raises:
        SondoError: No such file, one that is no CSV in UTF-8, a column is missing or there twice, a row has another
            number of cells, or there are no rows.
    """
    if not path.is_file():
        raise SondoError(f"No such file: {path}. A table of labels is missing; was the data unpacked whole?")
    lines = _lines(path)
    columns = _header(next(lines, (1, []))[1])
    missing = [name for name in needed if name not in columns]
    if missing:
        other = next((name for name, mark in _OTHER_MARKS.items() if any(mark in column for column in columns)), None)
        hint = f" It looks separated by {other}, and commas are expected." if other else ""
        raise SondoError(
            f"{path}: no column {', '.join(missing)}; the columns are: {', '.join(columns) or 'none'}.{hint}"
        )
    if twice := [name for name in dict.fromkeys(columns) if name and columns.count(name) > 1]:
        raise SondoError(f"{path}: the column {twice[0]} is there {columns.count(twice[0])} times: keep one of them.")
    rows: list[Row] = []
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):  # spreadsheets write the lines below a table as commas
            continue
        if len(cells) != len(columns):
            raise SondoError(f"{path}, line {line}: {len(cells)} cells, but {len(columns)} columns.")
        rows.append({name: cell.strip() for name, cell in zip(columns, cells, strict=True)})
    if not rows:
        raise SondoError(f"{path}: a header, but no rows.")
    return rows


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line with its number; what is no text shows where it is read, not at the top alone."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for cells in reader:
                yield reader.line_num, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise SondoError(
            f"{path}: not a CSV file in UTF-8 ({error}). Save it again as such (a spreadsheet's `CSV UTF-8`), or "
            "convert it: iconv -f latin1 -t utf-8 OLD.csv > NEW.csv"
        ) from error


def _header(cells: list[str]) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in cells)
