"""Reading the CSV file of a task, and finding the audio that it names."""

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
        raise SondoError(f"No such file: {path}. The task's table of labels is missing; was the data unpacked whole?")
    columns = read_columns(path)
    missing = [name for name in needed if name not in columns]
    if missing:
        raise SondoError(f"{path}: no column {', '.join(missing)}; the columns are: {', '.join(columns) or 'none'}.")
    rows: list[Row] = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        next(reader)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(columns):
                raise SondoError(f"{path}, line {reader.line_num}: {len(cells)} cells, but {len(columns)} columns.")
            rows.append({name: cell.strip() for name, cell in zip(columns, cells, strict=True)})
    if not rows:
        raise SondoError(f"{path}: a header, but no rows.")
    return rows


def find_audio(names: Sequence[str], *, folders: Sequence[Path], table: Path) -> tuple[Path, ...]:
    """The file behind each name: the first of `folders` that holds it.

    Args:
        names: File names or paths as the table gives them; absolute ones stand for themselves.
        folders: Where relative names may be.
        table: The table that names them, for the message.

    Raises:
        SondoError: Files are missing: how many, and the first of them.
    """
    found: list[Path] = []
    missing: list[str] = []
    for name in names:
        path = next((folder / name for folder in folders if name and (folder / name).is_file()), None)
        if path is None:
            missing.append(name or "(empty cell)")
        else:
            found.append(path)
    if missing:
        more = ", …" if len(missing) > 3 else ""
        raise SondoError(
            f"{table}: {len(missing)} of {len(names)} audio files are missing ({', '.join(missing[:3])}{more}). "
            f"Looked in {' and '.join(str(folder) for folder in folders)}."
        )
    return tuple(found)
