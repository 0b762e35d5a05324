"""Free Spoken Digit Dataset with each speaker left out once: digits of a voice that the probe has never heard."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from sondo.csv_rows import read_rows
from sondo.evaluate.task import Task
from sondo.evaluate.tasks import fsdd
from sondo.evaluate.tasks.layout import published

INFO = dataclasses.replace(
    fsdd.INFO,
    name="fsdd_speakers",
    layout="a folder with fsdd.csv (filename, split, digit, speaker) and audio/",
    splits="ours: a fold for each of the six speakers",
    title="FSDD, speakers left out",
)


def load(folder: Path) -> Task:
    """Read FSDD: the label is the digit; the folds are the speakers in alphabetical order."""
    speakers = [row["speaker"] for row in read_rows(folder / "fsdd.csv", needed=("speaker",))]
    number = {speaker: index for index, speaker in enumerate(sorted(set(speakers)), start=1)}
    return dataclasses.replace(
        fsdd.load(folder),
        splits=None,
        folds=tuple(number[speaker] for speaker in speakers),
        **published(INFO, len(speakers), note="the folds are ours: each speaker is the test part once"),
    )
