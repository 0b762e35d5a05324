"""ESC-10: 400 field recordings of 5 s in 10 classes, 5 official folds."""

from __future__ import annotations

from pathlib import Path

from sondo.csv_rows import read_rows
from sondo.evaluate.table import find_audio
from sondo.evaluate.task import Task, TaskInfo
from sondo.evaluate.task_folder import read_folds
from sondo.evaluate.tasks.layout import published

INFO = TaskInfo(
    name="esc10",
    metric="accuracy",
    citation="K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015",
    licence="CC BY 3.0",
    source="https://github.com/karolpiczak/ESC-10",
    layout="a folder with esc10.csv (filename, fold, category) and audio/",
    splits="5 official folds, each the test part once",
    clips=400,
    title="ESC-10",
    folders=("esc10", "ESC-10-master", "ESC-10"),
)


def load(folder: Path) -> Task:
    """Read ESC-10; clips of one recording share an official fold."""
    table = folder / "esc10.csv"
    rows = read_rows(table, needed=("filename", "fold", "category"))
    return Task(
        paths=find_audio([row["filename"] for row in rows], folders=[folder / "audio"], table=table),
        labels=tuple(row["category"] for row in rows),
        folds=read_folds(rows, table),
        metric="accuracy",
        **published(INFO, len(rows)),
    )
