"""GTZAN: 930 clips of 30 s in 10 genres, the split without its known faults."""

from __future__ import annotations

from pathlib import Path

from sondo.audio.decode import probe
from sondo.audio.errors import AudioError
from sondo.errors import SondoError
from sondo.evaluate.task import Task, TaskInfo
from sondo.evaluate.tasks.gtzan_split import SPLIT
from sondo.evaluate.tasks.layout import find_clips, find_root, published

INFO = TaskInfo(
    name="gtzan",
    title="GTZAN",
    metric="accuracy",
    citation="G. Tzanetakis, P. Cook, Musical genre classification of audio signals, IEEE Transactions on Speech and "
    "Audio Processing 2002; faults: B. L. Sturm, arXiv 1306.1461; split: C. Kereliuk, B. L. Sturm, J. Larsen, Deep "
    "Learning and Music Adversaries, IEEE Transactions on Multimedia 2015",
    licence="none stated; for research",
    source="http://marsyas.info/downloads/datasets.html, or the copies of it on Kaggle",
    layout="a folder with genres/ or genres_original/ that holds blues/blues.00000.wav and on (or .au)",
    splits="fault-filtered: train 443, valid 197, test 290, made so that no artist is in two of them",
    clips=930,
    sample_rate_hz=22050,
    folders=("gtzan", "genres", "genres_original"),
)
_BROKEN = "jazz/jazz.00054"
_NOTE = "the fault-filtered split of Kereliuk, Sturm and Larsen (443/197/290): repetitions and distorted files left out"


def load(folder: Path) -> Task:
    """Read GTZAN; of the 1,000 clips, those of the fault-filtered split.

    Raises:
        SondoError: As `find_root` and `find_clips`; or the copy in which one file is broken.
    """
    root = find_root(folder, INFO, needs=sorted(SPLIT["train"]), inside=("genres", "genres_original", ""))
    suffix = ".au" if any((root / "blues").glob("*.au")) else ".wav"
    clips = [
        (split, genre, number) for split, genres in SPLIT.items() for genre, some in genres.items() for number in some
    ]
    names = [f"{genre}/{genre}.{number:05}{suffix}" for _, genre, number in clips]
    _check_broken(root / f"{_BROKEN}{suffix}")
    return Task(
        paths=find_clips(names, folders=[root], table=root, info=INFO),
        labels=tuple(genre for _, genre, _ in clips),
        splits=tuple(split for split, _, _ in clips),
        metric="accuracy",
        **published(INFO, len(clips), note=_NOTE),
    )


def _check_broken(path: Path) -> None:
    try:
        if path.is_file():
            probe(path)
    except AudioError:
        raise SondoError(
            f"{path} cannot be read: it is broken in the copy of GTZAN that is usual on Kaggle. Take this one file "
            "from another copy; without it the score is on another split."
        ) from None
