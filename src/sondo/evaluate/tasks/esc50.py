"""ESC-50: 2,000 field recordings of 5 s in 50 classes, 5 official folds."""

from __future__ import annotations

from pathlib import Path

from sondo.csv_rows import read_rows
from sondo.errors import SondoError
from sondo.evaluate.task import Task, TaskInfo
from sondo.evaluate.task_folder import read_folds
from sondo.evaluate.tasks.layout import find_clips, find_root, published

INFO = TaskInfo(
    name="esc50",
    title="ESC-50",
    metric="accuracy",
    citation="K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015",
    licence="CC BY-NC 3.0",
    source="https://github.com/karolpiczak/ESC-50",
    layout="a folder with meta/esc50.csv (filename, fold, category) and audio/*.wav",
    splits="5 official folds, each the test part once",
    clips=2000,
    sample_rate_hz=44100,
    folders=("ESC-50-master", "ESC-50"),
)
_NOTE = (
    "the regularisation is chosen on inner folds; the published notebook takes the best epoch of each test fold, which "
    "scores higher"
)


def load(folder: Path) -> Task:
    """Read ESC-50.

    Raises:
        SondoError: As `find_root` and `find_clips`; or a fold that is not the one in the file's name.
    """
    root = find_root(folder, INFO, needs=("meta/esc50.csv", "audio"))
    table = root / "meta" / "esc50.csv"
    rows = read_rows(table, needed=("filename", "fold", "category"))
    for line, row in enumerate(rows, start=2):
        if row["filename"].partition("-")[0] != row["fold"]:
            raise SondoError(
                f"{table}, row {line}: {row['filename']} is in fold {row['fold']}, but its name says fold "
                f"{row['filename'].partition('-')[0]}. Only the official folds give a score of ESC-50."
            )
    return Task(
        paths=find_clips([row["filename"] for row in rows], folders=[root / "audio"], table=table, info=INFO),
        labels=tuple(row["category"] for row in rows),
        folds=read_folds(rows, table),
        metric="accuracy",
        **published(INFO, len(rows), note=_NOTE),
    )
