"""UrbanSound8K: 8,732 slices of up to 4 s of city sound in 10 classes, its 10 official folds."""

from __future__ import annotations

from pathlib import Path

from sondo.csv_rows import read_rows
from sondo.evaluate.task import Task, TaskInfo
from sondo.evaluate.task_folder import read_folds
from sondo.evaluate.tasks.layout import find_clips, find_root, published

INFO = TaskInfo(
    name="us8k",
    title="UrbanSound8K",
    metric="accuracy",
    citation="J. Salamon, C. Jacoby, J. P. Bello, A Dataset and Taxonomy for Urban Sound Research, ACM Multimedia 2014",
    licence="CC BY-NC 3.0",
    source="https://urbansounddataset.weebly.com/urbansound8k.html",
    layout="a folder with metadata/UrbanSound8K.csv (slice_file_name, fold, class) and audio/fold1 to audio/fold10",
    splits="10 official folds, each the test part once",
    clips=8732,
    folders=("UrbanSound8K",),
)
_NOTE = "the 10 official folds: slices of one recording would be in several random ones and raise the score"


def load(folder: Path) -> Task:
    """Read UrbanSound8K. A slice is looked for in the folder of its fold, so that other folds are not found.

    Raises:
        SondoError: As `find_root` and `find_clips`.
    """
    root = find_root(folder, INFO, needs=("metadata/UrbanSound8K.csv", "audio"))
    table = root / "metadata" / "UrbanSound8K.csv"
    rows = read_rows(table, needed=("slice_file_name", "fold", "class"))
    names = [f"fold{row['fold']}/{row['slice_file_name']}" for row in rows]
    return Task(
        paths=find_clips(names, folders=[root / "audio"], table=table, info=INFO),
        labels=tuple(row["class"] for row in rows),
        folds=read_folds(rows, table),
        metric="accuracy",
        **published(INFO, len(rows), note=_NOTE),
    )
