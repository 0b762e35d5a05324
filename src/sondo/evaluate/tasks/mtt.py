"""MagnaTagATune: 25,860 clips of 29 s of music, the 50 most frequent tags, the usual split by folder."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from sondo.errors import SondoError
from sondo.evaluate.task import Task, TaskInfo
from sondo.evaluate.tasks.layout import find_clips, find_root, published

INFO = TaskInfo(
    name="mtt",
    title="MagnaTagATune",
    metric="map",
    citation="E. Law, K. West, M. Mandel, M. Bay, J. S. Downie, Evaluation of Algorithms Using Games: The Case of "
    "Music Tagging, ISMIR 2009",
    licence="CC BY-NC-SA 3.0 (Magnatune)",
    source="https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset (mp3.zip.001 to .003, annotations_final.csv)",
    layout="a folder with annotations_final.csv (tab separated) and mp3/0 to mp3/f, or 0 to f beside the table",
    splits="12:1:3 by the first letter of the path: 0 to b train, c valid, d to f test",
    clips=25860,
    sample_rate_hz=16000,
    folders=("MagnaTagATune", "mtt"),
)
_TABLE = "annotations_final.csv"
_NUM_TAGS = 50
_EMPTY = {
    "6/norine_braun-now_and_zen-08-gently-117-146.mp3",
    "8/jacob_heringman-josquin_des_prez_lute_settings-19-gintzler__pater_noster-204-233.mp3",
    "9/american_baroque-dances_and_suites_of_rameau_and_couperin-25-le_petit_rien_xiveme_ordre_couperin-88-117.mp3",
}
"""Files without a byte, as published."""
_NOTE = (
    "the three files that are published empty are left out; clips without any of the 50 tags stay, as negatives "
    "(some works drop them)"
)


def load(folder: Path) -> Task:
    """Read MagnaTagATune.

    Raises:
        SondoError: As `find_root` and `find_clips`; or a table that is not the published one.
    """
    root = find_root(folder, INFO, needs=(_TABLE,))
    table = root / _TABLE
    tags, names, marks = _read(table)
    counts = marks.sum(axis=0)
    top = sorted(np.argsort(-counts, kind="stable")[:_NUM_TAGS].tolist())
    kept = [row for row, name in enumerate(names) if name not in _EMPTY]
    names = [names[row] for row in kept]
    splits = tuple(_split(name, table) for name in names)
    return Task(
        paths=find_clips(names, folders=[root / "mp3", root], table=table, info=INFO),
        labels=tuple(tuple(tags[column] for column in top if marks[row, column]) for row in kept),
        splits=splits,
        metric="map",
        **published(INFO, len(names), note=_NOTE),
    )


def _split(name: str, table: Path) -> str:
    first = name.partition("/")[0]
    if len(first) != 1 or first not in "0123456789abcdef":
        raise SondoError(f"{table}: {name!r} is in none of the folders 0 to f, by which the split is made.")
    return "train" if first < "c" else "valid" if first == "c" else "test"


def _read(table: Path) -> tuple[list[str], list[str], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """Tags, paths of the clips, and which clip has which tag."""
    names, marks = [], []
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file, delimiter="\t")
        header = next(reader, [])
        if len(header) < 3 or header[0] != "clip_id" or header[-1] != "mp3_path":
            raise SondoError(
                f"{table}: expected tab-separated columns clip_id, the tags, mp3_path; the first line has "
                f"{len(header)} columns ({', '.join(header[:3])})."
            )
        for cells in reader:
            if len(cells) != len(header) or not {*cells[1:-1]} <= {"0", "1"}:
                raise SondoError(f"{table}, line {reader.line_num}: expected {len(header)} cells, the tags as 0 or 1.")
            names.append(cells[-1])
            marks.append(np.array(cells[1:-1]) == "1")
    if not names:
        raise SondoError(f"{table}: a header, but no rows.")
    return header[1:-1], names, np.stack(marks)
