"""Free Spoken Digit Dataset: 3,000 spoken digits of about 0.4 s by 6 speakers, the official split."""

from __future__ import annotations

from pathlib import Path

from sondo.csv_rows import read_rows
from sondo.evaluate.table import find_audio
from sondo.evaluate.task import Task, TaskInfo
from sondo.evaluate.task_folder import read_splits
from sondo.evaluate.tasks.layout import published

INFO = TaskInfo(
    name="fsdd",
    metric="accuracy",
    citation="Z. Jackson and others, Free Spoken Digit Dataset",
    licence="CC BY-SA 4.0",
    source="https://github.com/Jakobovski/free-spoken-digit-dataset",
    layout="a folder with fsdd.csv (filename, split, digit) and audio/",
    splits="official: the first five takes of each speaker and digit are the test part",
    clips=3000,
    title="FSDD",
    folders=("fsdd", "free-spoken-digit-dataset"),
)


def load(folder: Path) -> Task:
    """Read FSDD: the label is the digit; the test split is the first five takes of each speaker and digit."""
    table = folder / "fsdd.csv"
    rows = read_rows(table, needed=("filename", "split", "digit"))
    return Task(
        paths=find_audio([row["filename"] for row in rows], folders=[folder / "audio"], table=table),
        labels=tuple(row["digit"] for row in rows),
        splits=read_splits(rows, table),
        metric="accuracy",
        **published(INFO, len(rows), note="speakers are in both parts, as published"),
    )
