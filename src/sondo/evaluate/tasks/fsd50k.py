"""FSD50K: 51,197 Freesound clips with labels of 200 classes, the official development and evaluation sets."""

from __future__ import annotations

import csv
from pathlib import Path

from sondo.csv_rows import Row, read_rows
from sondo.errors import SondoError
from sondo.evaluate.task import Task, TaskInfo
from sondo.evaluate.tasks.layout import find_clips, find_root, published

INFO = TaskInfo(
    name="fsd50k",
    title="FSD50K",
    metric="map",
    citation="E. Fonseca, X. Favory, J. Pons, F. Font, X. Serra, FSD50K: an Open Dataset of Human-Labeled Sound "
    "Events, IEEE/ACM TASLP 2022",
    licence="CC BY 4.0 as a whole; each clip CC0, CC BY, CC BY-NC or Sampling+",
    source="https://zenodo.org/records/4060432",
    layout="a folder with FSD50K.ground_truth/ (dev.csv, eval.csv, vocabulary.csv), FSD50K.dev_audio/ and "
    "FSD50K.eval_audio/",
    splits="official: dev (train 36,796, val 4,170), eval 10,231",
    clips=51197,
    sample_rate_hz=44100,
    folders=("FSD50K",),
)
_TRUTH = "FSD50K.ground_truth"
_SPLITS = {"train": "train", "val": "valid"}


def load(folder: Path) -> Task:
    """Read FSD50K; val chooses the regularisation, eval is the test part.

    Raises:
        SondoError: As `find_root` and `find_clips`; a split or a label that is not official.
    """
    tables = tuple(f"{_TRUTH}/{name}.csv" for name in ("dev", "eval", "vocabulary"))
    root = find_root(folder, INFO, needs=(*tables, "FSD50K.dev_audio", "FSD50K.eval_audio"))
    dev_table, eval_table, vocabulary = (root / name for name in tables)
    dev = read_rows(dev_table, needed=("fname", "labels", "split"))
    test = read_rows(eval_table, needed=("fname", "labels"))
    wrong = next((line for line, row in enumerate(dev, start=2) if row["split"] not in _SPLITS), None)
    if wrong is not None:
        raise SondoError(f"{dev_table}, row {wrong}: split {dev[wrong - 2]['split']!r}; the splits are train and val.")
    known = _vocabulary(vocabulary)
    paths = [
        find_clips([f"{row['fname']}.wav" for row in rows], folders=[root / f"FSD50K.{part}_audio"], table=table,
                   info=INFO)
        for rows, part, table in ((dev, "dev", dev_table), (test, "eval", eval_table))
    ]  # fmt: skip
    return Task(
        paths=paths[0] + paths[1],
        labels=_labels(dev, dev_table, known) + _labels(test, eval_table, known),
        splits=tuple(_SPLITS[row["split"]] for row in dev) + ("test",) * len(test),
        metric="map",
        **published(INFO, len(dev) + len(test)),
    )


def _vocabulary(path: Path) -> set[str]:
    """The classes; the file has no header: index, label, identifier in AudioSet."""
    with path.open(newline="", encoding="utf-8") as file:
        return {cells[1] for cells in csv.reader(file) if len(cells) > 1}


def _labels(rows: list[Row], table: Path, known: set[str]) -> tuple[tuple[str, ...], ...]:
    labels = tuple(tuple(row["labels"].split(",")) for row in rows)
    for line, some in enumerate(labels, start=2):
        if not known.issuperset(some):
            raise SondoError(f"{table}, row {line}: {', '.join(sorted(set(some) - known))!r} is not in vocabulary.csv.")
    return labels
