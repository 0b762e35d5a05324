"""NSynth: 305,979 notes of 4 s, the family of the instrument (11 classes), the official split."""

from __future__ import annotations

import json
from pathlib import Path

from sondo.errors import SondoError
from sondo.evaluate.task import SPLITS, Task, TaskInfo
from sondo.evaluate.tasks.layout import find_clips, find_root, published

INFO = TaskInfo(
    name="nsynth",
    title="NSynth",
    metric="accuracy",
    citation="J. Engel and others, Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders, ICML 2017",
    licence="CC BY 4.0",
    source="https://magenta.tensorflow.org/datasets/nsynth (the three .jsonwav.tar.gz)",
    layout="a folder with nsynth-train/, nsynth-valid/ and nsynth-test/, each with examples.json and audio/*.wav",
    splits="official: train 289,205, valid 12,678, test 4,096",
    clips=305979,
    sample_rate_hz=16000,
    folders=("nsynth",),
)
_NOTE = "no instrument of the training part is in the others; the test part has 10 of the 11 families (no synth_lead)"


def load(folder: Path) -> Task:
    """Read NSynth; the label is the instrument's family.

    Raises:
        SondoError: As `find_root` and `find_clips`; or an examples.json that cannot be read.
    """
    root = find_root(
        folder, INFO, needs=[f"nsynth-{split}/{part}" for split in SPLITS for part in ("examples.json", "audio")]
    )
    paths: tuple[Path, ...] = ()
    labels: list[str] = []
    splits: list[str] = []
    for split in SPLITS:
        table = root / f"nsynth-{split}" / "examples.json"
        families = _families(table)
        paths += find_clips(
            [f"{name}.wav" for name in families], folders=[table.parent / "audio"], table=table, info=INFO
        )
        labels.extend(families.values())
        splits.extend([split] * len(families))
    return Task(
        paths=paths,
        labels=tuple(labels),
        splits=tuple(splits),
        metric="accuracy",
        **published(INFO, len(paths), note=_NOTE),
    )


def _families(table: Path) -> dict[str, str]:
    """The family of each note by its name."""
    try:
        notes = json.loads(table.read_text(encoding="utf-8"))
        return {str(name): str(note["instrument_family_str"]) for name, note in notes.items()}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise SondoError(
            f"{table}: expected an entry with instrument_family_str for each note ({error!r}). Unpack it again."
        ) from None
