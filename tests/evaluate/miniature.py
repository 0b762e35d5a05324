"""Miniature folders of the seven tasks of the paper, in the layouts in which they are published.

Every class is a tone of its own pitch, so that any model that hears tells them apart.
"""

from __future__ import annotations

import csv
import functools
import io
import json
from pathlib import Path

import numpy as np
import soundfile

from sondo.evaluate.tasks.gtzan_split import SPLIT

SECONDS = 0.15


def sound(path: Path, rate: int, pitch: int, seed: int = 0) -> None:
    """A tone of a class in a little noise, one of eight."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_encoded(path.suffix, rate, pitch, seed % 8))


@functools.cache
def _encoded(suffix: str, rate: int, pitch: int, seed: int) -> bytes:
    time = np.arange(round(SECONDS * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    wave = 0.3 * np.sin(2 * np.pi * 250 * 1.4**pitch * time) + 0.01 * noise
    form = {".ogg": ("OGG", "VORBIS"), ".mp3": ("MP3", "MPEG_LAYER_III"), ".wav": ("WAV", "PCM_16")}[suffix]
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=form[0], subtype=form[1])
    return file.getvalue()


def write(path: Path, rows: list[list[object]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def esc50(folder: Path, rate: int = 44100) -> None:
    rows: list[list[object]] = [["filename", "fold", "target", "category", "esc10", "src_file", "take"]]
    for fold in range(1, 6):
        for target, category in enumerate(("dog", "rain", "clock")):
            for take in "AB":
                name = f"{fold}-{100 + target}{ord(take)}-{take}-{target}.wav"
                rows.append([name, fold, target, category, "False", 100 + target, take])
                sound(folder / "audio" / name, rate, target, fold)
    write(folder / "meta" / "esc50.csv", rows)


def us8k(folder: Path, rates: tuple[int, ...] = (44100, 48000)) -> None:
    rows: list[list[object]] = [["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]]
    for fold in range(1, 11):
        for target, label in enumerate(("dog_bark", "siren")):
            for number in range(2):
                name = f"{1000 * fold + target}-{target}-0-{number}.wav"
                rows.append([name, 1000 * fold + target, 0.0, 4.0, 1, fold, target, label])
                sound(folder / "audio" / f"fold{fold}" / name, rates[number % len(rates)], target, fold)
    write(folder / "metadata" / "UrbanSound8K.csv", rows)


def fsd50k(folder: Path) -> None:
    labels = ("Bark", "Rain", "Bark,Rain")
    truth = folder / "FSD50K.ground_truth"
    write(truth / "vocabulary.csv", [[0, "Bark", "/m/05tny_"], [1, "Rain", "/m/06mb1"]])
    dev: list[list[object]] = [["fname", "labels", "mids", "split"]]
    for number in range(18):
        dev.append([number, labels[number % 3], "/m/0", "val" if number >= 12 else "train"])
        sound(folder / "FSD50K.dev_audio" / f"{number}.wav", 44100, 3 * (number % 3), number)
    test: list[list[object]] = [["fname", "labels", "mids"]]
    for number in range(100, 106):
        test.append([number, labels[number % 3], "/m/0"])
        sound(folder / "FSD50K.eval_audio" / f"{number}.wav", 44100, 3 * (number % 3), number)
    write(truth / "dev.csv", dev)
    write(truth / "eval.csv", test)


def nsynth(folder: Path) -> None:
    for split, count in (("train", 5), ("valid", 2), ("test", 2)):
        notes = {}
        for target, family in enumerate(("bass", "brass", "flute")):
            for number in range(count):
                name = f"{family}_acoustic_{number:03}-060-{split[:3]}"
                notes[name] = {"instrument_family": target, "instrument_family_str": family, "sample_rate": 16000}
                sound(folder / f"nsynth-{split}" / "audio" / f"{name}.wav", 16000, 2 * target, number)
        (folder / f"nsynth-{split}" / "examples.json").write_text(json.dumps(notes))


def gtzan(folder: Path, under: str = "genres") -> None:
    genres = sorted(SPLIT["train"])
    for numbers in SPLIT.values():
        for genre, some in numbers.items():
            for number in some:
                sound(folder / under / genre / f"{genre}.{number:05}.wav", 22050, genres.index(genre), number)


def openmic(folder: Path) -> None:
    """Each clip is judged for two of three instruments: the one that sounds, and one that does not."""
    rows: list[list[object]] = [["sample_key", "instrument", "relevance", "num_responses"]]
    names = ("cello", "flute", "voice")
    keys: dict[str, list[list[object]]] = {"train": [], "test": []}
    for number in range(45):
        key, sounding = f"{number // 10:03}{number:03}_3840", number % 3
        keys["test" if number >= 30 else "train"].append([key])
        rows.append([key, names[sounding], 0.9, 3])
        rows.append([key, names[(sounding + 1) % 3], 0.1, 3])
        sound(folder / "audio" / key[:3] / f"{key}.ogg", 44100, 2 * sounding, number)
    write(folder / "openmic-2018-aggregated-labels.csv", rows)
    for split, some in keys.items():
        write(folder / "partitions" / f"split01_{split}.csv", some)


def mtt(folder: Path, under: str = "mp3") -> None:
    tags = ("guitar", "no vocals", "slow")
    rows: list[list[object]] = [["clip_id", *tags, "mp3_path"]]
    for number in range(32):
        path = f"{number % 16:x}/artist-album-{number:02}-song-0-29.mp3"
        kind = number // 2 % 3
        rows.append([number, int(kind == 0), int(kind == 1), int(kind != 0), path])
        sound(folder / under / path, 16000, 2 * kind, number)
    write(folder / "annotations_final.csv", rows, delimiter="\t")


BUILDERS = {
    "openmic": (openmic, "openmic-2018"),
    "nsynth": (nsynth, "nsynth"),
    "gtzan": (gtzan, "gtzan"),
    "mtt": (mtt, "MagnaTagATune"),
    "fsd50k": (fsd50k, "FSD50K"),
    "esc50": (esc50, "ESC-50-master"),
    "us8k": (us8k, "UrbanSound8K"),
}
"""What builds each task, and the name that its folder has when unpacked."""
