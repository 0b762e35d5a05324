"""OpenMIC-2018: 20,000 clips of 10 s of music, 20 instruments, each clip judged for some of them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from sondo.csv_rows import read_rows
from sondo.errors import SondoError
from sondo.evaluate.task import Task, TaskInfo
from sondo.evaluate.tasks.layout import find_clips, find_root, published

INFO = TaskInfo(
    name="openmic",
    title="OpenMIC",
    metric="map, over the clips that were judged for each instrument",
    citation="E. J. Humphrey, S. Durand, B. McFee, OpenMIC-2018: An Open Dataset for Multiple Instrument Recognition, "
    "ISMIR 2018",
    licence="CC BY 4.0; each clip of the Free Music Archive a Creative Commons licence of its own",
    source="https://zenodo.org/records/1432913",
    layout="a folder with openmic-2018-aggregated-labels.csv, partitions/split01_train.csv and split01_test.csv, and "
    "audio/000/*.ogg and on",
    splits="official: train 14,915, test 5,085; no validation part is published, 5 inner folds choose",
    clips=20000,
    folders=("openmic-2018",),
)
_LABELS = "openmic-2018-aggregated-labels.csv"
_PRESENT_FROM = 0.5
_NOTE = (
    "an instrument is present from a relevance of 0.5 on, as in the authors' notebook; what nobody judged is neither "
    "positive nor negative, in training and in the metric"
)


def load(folder: Path) -> Task:
    """Read OpenMIC from the table of labels: the names in openmic-2018.npz, which holds the same, are pickled.

    Raises:
        SondoError: As `find_root` and `find_clips`; a relevance that is no number, or a clip without a judgement.
    """
    parts = {split: f"partitions/split01_{split}.csv" for split in ("train", "test")}
    root = find_root(folder, INFO, needs=(_LABELS, *parts.values(), "audio"))
    table = root / _LABELS
    present, judged = _judgements(table)
    keys, splits = [], []
    for split, name in parts.items():
        of_part = (root / name).read_text(encoding="utf-8").split()
        keys += of_part
        splits += [split] * len(of_part)
    without = [key for key in keys if key not in judged]
    if without:
        raise SondoError(f"{table}: no row for {len(without)} clips of the partitions ({', '.join(without[:3])}).")
    return Task(
        paths=find_clips([f"{key[:3]}/{key}.ogg" for key in keys], folders=[root / "audio"], table=table, info=INFO),
        labels=tuple(tuple(present[key]) for key in keys),
        judged=tuple(tuple(judged[key]) for key in keys),
        splits=tuple(splits),
        metric="map",
        **published(INFO, len(keys), note=_NOTE),
    )


def _judgements(table: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The instruments that are present, and those that were judged, for each clip."""
    present: dict[str, list[str]] = defaultdict(list)
    judged: dict[str, list[str]] = defaultdict(list)
    for line, row in enumerate(read_rows(table, needed=("sample_key", "instrument", "relevance")), start=2):
        try:
            relevance = float(row["relevance"])
        except ValueError:
            raise SondoError(f"{table}, row {line}: relevance {row['relevance']!r} is not a number.") from None
        judged[row["sample_key"]].append(row["instrument"])
        if relevance >= _PRESENT_FROM:
            present[row["sample_key"]].append(row["instrument"])
    return present, judged
