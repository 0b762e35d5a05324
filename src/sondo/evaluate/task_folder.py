"""Any labelled folder: class folders, or a CSV that names files and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path

from sondo.csv_rows import Row, read_columns, read_rows
from sondo.errors import SondoError
from sondo.evaluate.splits import assign_folds
from sondo.evaluate.table import find_audio
from sondo.evaluate.task import SPLITS, Task, TaskInfo
from sondo.screen import say

INFO = TaskInfo(
    name="folder",
    metric="accuracy, or map where a clip has several labels",
    citation="your own data",
    licence="your own",
    source="your own",
    layout=(
        "a folder of class folders (also below train/, valid/ and test/), or a folder with a CSV, or a CSV: "
        "path|filename|file, label|labels|category|class (several labels separated by ';', and then an empty cell for "
        "a clip of none of the classes), optional fold, split, group"
    ),
    options=("title", "num_folds", "seed"),
)
_PATH_COLUMNS = ("path", "filename", "file")
_LABEL_COLUMNS = ("label", "labels", "category", "class")
_SEPARATOR, _OTHER_SEPARATORS = ";", (",", "|")
_SPLIT_NAMES = {"training": "train", "val": "valid", "validation": "valid", "dev": "valid", "testing": "test"} | {
    name: name for name in SPLITS
}


def load(data: Path, *, title: str = "folder", num_folds: int = 5, seed: int = 0) -> Task:
    """Read a labelled folder or CSV.

    Args:
        data: A folder of class folders, a folder with a CSV, or a CSV. Paths in a CSV are relative to it (or to the
            folder ``audio`` beside it).
        title: Name of the task in tables.
        num_folds: Number of stratified folds that are made where the data brings neither folds nor splits.
        seed: Seed of those folds.

    Raises:
        SondoError: Nothing labelled is found, files or labels are missing, labels are separated by something else than
            ';', or a class has fewer clips than folds.
    """
    if num_folds < 2:
        raise SondoError(f"num_folds is {num_folds}; two folds or more are needed.")
    table = data if data.is_file() else _find_table(data)
    if table is not None:
        return _from_table(table, title=title, num_folds=num_folds, seed=seed)
    return _from_class_folders(data, title=title, num_folds=num_folds, seed=seed)


def read_folds(rows: Sequence[Row], table: Path) -> tuple[int, ...]:
    """The column ``fold`` as whole numbers.

    Raises:
        SondoError: A cell is no whole number.
    """
    folds: list[int] = []
    for line, row in enumerate(rows, start=2):
        try:
            folds.append(int(row["fold"]))
        except ValueError:
            raise SondoError(f"{table}, row {line}: fold {row['fold']!r} is not a whole number.") from None
    return tuple(folds)


def read_splits(rows: Sequence[Row], table: Path) -> tuple[str, ...]:
    """The column ``split`` as train, valid and test; usual other names of them are understood.

    Raises:
        SondoError: A cell is none of them.
    """
    splits: list[str] = []
    for line, row in enumerate(rows, start=2):
        split = _SPLIT_NAMES.get(row["split"].lower())
        if split is None:
            raise SondoError(f"{table}, row {line}: split {row['split']!r}; the splits are {', '.join(SPLITS)}.")
        splits.append(split)
    return tuple(splits)


def _find_table(folder: Path) -> Path | None:
    """The one CSV of a folder that has a column of files and one of labels; None where class folders are meant."""
    tables = sorted(folder.glob("*.csv"))
    fitting = [
        path for path in tables if all(_column(read_columns(path), names) for names in (_PATH_COLUMNS, _LABEL_COLUMNS))
    ]
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        raise SondoError(f"{folder}: {len(fitting)} tables of labels ({names}). Name the CSV itself as the data.")
    if fitting:
        return fitting[0]
    if tables and not any(child.is_dir() and child.name != "audio" for child in folder.iterdir()):
        raise SondoError(
            f"{tables[0]}: columns {', '.join(read_columns(tables[0])) or 'none'}; needed are one of "
            f"{', '.join(_PATH_COLUMNS)} and one of {', '.join(_LABEL_COLUMNS)}."
        )
    return None


def _column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _from_table(table: Path, *, title: str, num_folds: int, seed: int) -> Task:
    columns = read_columns(table)
    path_column, label_column = _column(columns, _PATH_COLUMNS), _column(columns, _LABEL_COLUMNS)
    rows = read_rows(table, needed=(path_column or _PATH_COLUMNS[0], label_column or _LABEL_COLUMNS[0]))
    assert path_column is not None
    assert label_column is not None
    _check_separator([row[label_column] for row in rows], table)
    label_sets = [tuple(dict.fromkeys(_labels(row[label_column]))) for row in rows]
    unlabelled = [row[path_column] for row, labels in zip(rows, label_sets, strict=True) if not labels]
    if unlabelled:
        _admit_unlabelled(unlabelled, label_sets, table)
    return _assemble(
        table,
        title=title,
        paths=find_audio(
            [row[path_column] for row in rows], folders=[table.parent, table.parent / "audio"], table=table
        ),
        label_sets=label_sets,
        folds=read_folds(rows, table) if _filled(rows, "fold", table) else None,
        splits=read_splits(rows, table) if _filled(rows, "split", table) else None,
        groups=tuple(row["group"] for row in rows) if _filled(rows, "group", table) else None,
        num_folds=num_folds,
        seed=seed,
    )


def _labels(cell: str) -> list[str]:
    return [label.strip() for label in cell.split(_SEPARATOR) if label.strip()]


def _check_separator(cells: Sequence[str], table: Path) -> None:
    """Refuse labels that are separated by something else, of which every combination would become a class.

    A cell is such a list where one of its parts is in another cell too; with a space behind the separator, as in names
    (`Inside, small room`), where each of them is.
    """
    if any(_SEPARATOR in cell for cell in cells):
        return
    for separator in _OTHER_SEPARATORS:
        parts = {cell: {part.strip() for part in cell.split(separator)} - {""} for cell in cells}
        counts = Counter(part for held in parts.values() for part in held)
        for cell, held in parts.items():
            shared = sorted(part for part in held if counts[part] > 1)
            if len(held) > 1 and len(shared) >= (len(held) if f"{separator} " in cell else 1):
                raise SondoError(
                    f"{table}: {cell!r} reads like several labels, for {' and '.join(shared)} is in other cells too. "
                    f"Labels are separated by {_SEPARATOR!r}; if it is the name of one class, write it without "
                    f"{separator!r}."
                )


def _admit_unlabelled(names: Sequence[str], label_sets: Sequence[tuple[str, ...]], table: Path) -> None:
    """Clips without a label are of none of the classes where a clip can have several, and a mistake where it has one.

    Raises:
        SondoError: No clip has several labels.
    """
    count = f"{len(names)} of {len(label_sets)} rows have no label"
    if all(len(labels) < 2 for labels in label_sets):
        raise SondoError(
            f"{table}: {count} ({', '.join(names[:3])}). Give them a class of their own, or take the rows out."
        )
    say(f"{table}: {count}: they are taken as clips of none of the classes")


def _filled(rows: Sequence[Row], column: str, table: Path) -> bool:
    """Whether an optional column is there and filled; half filled is a mistake."""
    empty = sum(not row.get(column) for row in rows)
    if 0 < empty < len(rows):
        raise SondoError(f"{table}: {empty} of {len(rows)} rows have no {column}. Fill the column, or leave it out.")
    return empty == 0


def _from_class_folders(folder: Path, *, title: str, num_folds: int, seed: int) -> Task:
    from sondo.audio.folders import look_into, unopened_note

    files, num_unopened = look_into(folder)
    parts = [path.relative_to(folder).parts for path in files]
    split_names = [_SPLIT_NAMES.get(part[0].lower()) for part in parts]
    has_splits = bool(parts) and all(name is not None for name in split_names)
    depth = 1 if has_splits else 0
    loose = [path for path, part in zip(files, parts, strict=True) if len(part) < depth + 2]
    if not files or len(loose) == len(files):
        found = f"{len(files)} audio files outside of class folders" if files else "no audio files"
        unopened = unopened_note(num_unopened)
        raise SondoError(f"{folder}: {found} and no CSV of labels{unopened}. Expected: {INFO.layout}.")
    if loose:
        names = ", ".join(path.name for path in loose[:3])
        raise SondoError(f"{folder}: {len(loose)} audio files are in no class folder ({names}): label or remove them.")
    silent = _without_sound(folder, {part[: depth + 1] for part in parts})
    if silent:
        say(f"{folder}: no sound in {', '.join(silent[:3])}{' and others' if len(silent) > 3 else ''}: left out")
    return _assemble(
        folder,
        title=title,
        paths=tuple(files),
        label_sets=[(part[depth],) for part in parts],
        folds=None,
        splits=tuple(name or "" for name in split_names) if has_splits else None,
        groups=None,
        num_folds=num_folds,
        seed=seed,
    )


def _without_sound(folder: Path, heard: Set[tuple[str, ...]]) -> list[str]:
    """Class folders, below a split's or not, that are not among those with a file of sound."""
    not_hidden = "/".join(["[!.]*"] * len(next(iter(heard))))
    found = (path.relative_to(folder) for path in sorted(folder.glob(not_hidden)) if path.is_dir())
    return [str(path) for path in found if path.parts not in heard]


def _assemble(
    where: Path,
    *,
    title: str,
    paths: tuple[Path, ...],
    label_sets: Sequence[tuple[str, ...]],
    folds: tuple[int, ...] | None,
    splits: tuple[str, ...] | None,
    groups: tuple[str, ...] | None,
    num_folds: int,
    seed: int,
) -> Task:
    """Put a task together; a fold column goes before a split column, and folds are made where there is neither."""
    note = ""
    if folds is not None:
        splits = None
    elif splits is None:
        _check_counts(label_sets, groups, num_folds=num_folds, where=where)
        folds = assign_folds(label_sets, groups=groups, num_folds=num_folds, seed=seed)
        kept = ", clips of a group together" if groups is not None else ""
        note = f"{num_folds} stratified folds made by sondo (seed {seed}{kept}): the data brings none"
    _tell_alike(label_sets, where)
    multi_label = any(len(labels) > 1 for labels in label_sets)
    return Task(
        name=title,
        paths=paths,
        labels=tuple(label_sets) if multi_label else tuple(labels[0] for labels in label_sets),
        metric="map" if multi_label else "accuracy",
        folds=folds,
        splits=splits,
        groups=groups,
        note=note,
    )


def _tell_alike(label_sets: Sequence[tuple[str, ...]], where: Path) -> None:
    """Say which classes may be one: `Dog` and `dog` are two, as they are written."""
    spellings: dict[str, set[str]] = {}
    for label in {label for labels in label_sets for label in labels}:
        spellings.setdefault(label.casefold(), set()).add(label)
    alike = [" and ".join(sorted(found)) for _, found in sorted(spellings.items()) if len(found) > 1]
    if alike:
        more = " and others" if len(alike) > 3 else ""
        say(f"{where}: classes of their own, though capitals alone tell them apart: {'; '.join(alike[:3])}{more}")


def _check_counts(
    label_sets: Sequence[tuple[str, ...]], groups: Sequence[str] | None, *, num_folds: int, where: Path
) -> None:
    counts = Counter(label for labels in label_sets for label in labels)
    few = {label: count for label, count in sorted(counts.items()) if count < num_folds}
    if few:
        named = ", ".join(f"{label}: {count}" for label, count in list(few.items())[:3])
        fewest = min(few.values())
        fewer = f"have fewer folds made (num_folds {fewest}), " if fewest > 1 else ""
        raise SondoError(
            f"{where}: too few clips for {num_folds} folds, each of which holds some of every class: {named}"
            f"{', …' if len(few) > 3 else ''}. Add clips, {fewer}or leave the class out."
        )
    if groups is None:
        return
    sources: dict[str, set[str]] = {}
    for labels, group in zip(label_sets, groups, strict=True):
        for label in labels:
            sources.setdefault(label, set()).add(group)
    single = sorted(label for label, found in sources.items() if len(found) < 2)
    if single:
        raise SondoError(
            f"{where}: all clips of {len(single)} classes ({', '.join(single[:3])}) come from one group, so that no "
            "other group is left to test on. Add sound of another source, or leave the class out."
        )
