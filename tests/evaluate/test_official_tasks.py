"""The seven tasks of the paper from folders in their official layouts, and a sentence for each common mistake."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter

import numpy as np
import pytest
from miniature import BUILDERS, esc50, gtzan, mtt, sound, us8k

from sondo.errors import SondoError
from sondo.evaluate import available, load_task
from sondo.evaluate.tasks.gtzan_split import SPLIT

COUNTS = {
    "openmic": (45, {"train": 30, "test": 15}),
    "nsynth": (27, {"train": 15, "valid": 6, "test": 6}),
    "gtzan": (930, {"train": 443, "valid": 197, "test": 290}),
    "mtt": (32, {"train": 24, "valid": 2, "test": 6}),
    "fsd50k": (24, {"train": 12, "valid": 6, "test": 6}),
    "esc50": (30, dict.fromkeys(range(1, 6), 6)),
    "us8k": (40, dict.fromkeys(range(1, 11), 4)),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_the_official_layout_is_read_with_its_official_parts(tmp_path, name):
    BUILDERS[name][0](tmp_path)
    task = load_task(name, tmp_path)
    clips, parts = COUNTS[name]
    assert len(task) == len(set(task.paths)) == clips
    assert all(path.is_file() for path in task.paths)
    assert Counter(task.folds or task.splits) == parts
    assert task.complete == (name == "gtzan")
    assert name == "gtzan" or "that are published: no score of" in task.note
    info = next(info for info in available() if info.name == name)
    assert info.clips > 900
    assert info.splits
    assert BUILDERS[name][1] in info.folders


def test_what_nobody_judged_is_neither_positive_nor_negative(tmp_path):
    BUILDERS["openmic"][0](tmp_path)
    task = load_task("openmic", tmp_path)
    assert task.classes == ("cello", "flute", "voice")
    assert task.targets()[:3].tolist() == [[1, 0, -1], [-1, 1, 0], [0, -1, 1]]


def test_labels_are_those_of_the_tables(tmp_path):
    for name in ("fsd50k", "mtt", "nsynth"):
        BUILDERS[name][0](tmp_path / name)
    assert load_task("fsd50k", tmp_path / "fsd50k").labels[:3] == (("Bark",), ("Rain",), ("Bark", "Rain"))
    task = load_task("mtt", tmp_path / "mtt")
    assert task.labels[:6] == (("guitar",),) * 2 + (("no vocals", "slow"),) * 2 + (("slow",),) * 2
    assert [split for split in task.splits[:16]] == ["train"] * 12 + ["valid"] + ["test"] * 3
    assert set(load_task("nsynth", tmp_path / "nsynth").labels) == {"bass", "brass", "flute"}


def test_only_the_fifty_most_frequent_tags_count(tmp_path):
    rows = ["\t".join(["clip_id", *(f"tag{i}" for i in range(60)), "mp3_path"])]
    for number in range(60):
        path = f"{'0d'[number % 2]}/{number}.mp3"
        rows.append("\t".join([str(number), *("1" if tag <= number else "0" for tag in range(60)), path]))
        sound(tmp_path / path, 16000, 0)
    (tmp_path / "annotations_final.csv").write_text("\n".join(rows))
    assert set(load_task("mtt", tmp_path).classes) == {f"tag{i}" for i in range(50)}


def test_the_files_that_are_published_empty_are_left_out(tmp_path):
    mtt(tmp_path)
    empty = tmp_path / "mp3" / "6" / "norine_braun-now_and_zen-08-gently-117-146.mp3"
    empty.write_bytes(b"")
    with (tmp_path / "annotations_final.csv").open("a") as table:
        table.write(f"99\t1\t0\t0\t6/{empty.name}\n")
    assert len(load_task("mtt", tmp_path)) == 32


def test_the_split_of_gtzan_is_the_published_one():
    digests = {
        "train": "2b04966cef1486f1a7767b74271533fa23e220388db804a1937835e1fc4fa3fa",
        "valid": "f8fbee7c52397a0e0f3a91dc54fedecb2e27f5bdc9a9daeab8cb10d077e26956",
        "test": "09cafa6a89ce0a27f30ed250d56ecb4d03c22fffb5a693f96c7ae655ee02ac72",
    }
    for split, digest in digests.items():
        names = sorted(f"{genre}/{genre}.{n:05}.wav" for genre, some in SPLIT[split].items() for n in some)
        assert hashlib.sha256(("\n".join(names) + "\n").encode()).hexdigest() == digest
    parts = [{(genre, n) for genre, some in SPLIT[split].items() for n in some} for split in SPLIT]
    assert not parts[0] & parts[1]
    assert not parts[1] & parts[2]
    assert not parts[0] & parts[2]


@pytest.mark.parametrize("under", ["genres", "genres_original", ""])
def test_gtzan_lies_under_any_of_its_names(tmp_path, under, monkeypatch):
    few = {split: {genre: some[:2] for genre, some in genres.items()} for split, genres in SPLIT.items()}
    monkeypatch.setattr("sondo.evaluate.tasks.gtzan.SPLIT", few)
    monkeypatch.setattr("miniature.SPLIT", few)
    gtzan(tmp_path, under)
    assert len(load_task("gtzan", tmp_path)) == 60
    (tmp_path / under / "jazz" / "jazz.00054.wav").write_bytes(b"RIFF....")
    with pytest.raises(SondoError, match=r"jazz.00054.wav cannot be read: it is broken in the copy of GTZAN that is"):
        load_task("gtzan", tmp_path)


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "gtzan"])
def test_the_folder_above_and_below_is_answered_with_the_right_one(tmp_path, name):
    root = tmp_path / BUILDERS[name][1]
    BUILDERS[name][0](root)
    with pytest.raises(SondoError, match=f"{tmp_path} is a folder above that of .*: give {root}"):
        load_task(name, tmp_path)
    inner = next(child for child in sorted(root.iterdir()) if child.is_dir())
    with pytest.raises(SondoError, match=f"{inner} is a folder inside that of .*: give {root}"):
        load_task(name, inner)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("openmic", "openmic-2018-aggregated-labels.csv"),
        ("openmic", "partitions/split01_test.csv"),
        ("nsynth", "nsynth-valid/examples.json"),
        ("mtt", "annotations_final.csv"),
        ("fsd50k", "FSD50K.ground_truth/eval.csv"),
        ("fsd50k", "FSD50K.eval_audio"),
        ("esc50", "meta/esc50.csv"),
        ("us8k", "metadata/UrbanSound8K.csv"),
    ],
)
def test_a_missing_part_is_named_and_an_archive_beside_it_too(tmp_path, name, table):
    BUILDERS[name][0](tmp_path)
    part = tmp_path / table
    shutil.rmtree(part) if part.is_dir() else part.unlink()
    with pytest.raises(SondoError, match=f"{table} is missing from .*Expected: .*Get it from http"):
        load_task(name, tmp_path)
    (tmp_path / "data.zip").write_bytes(b"PK")
    with pytest.raises(SondoError, match=rf"{table} is missing and data.zip is there: the archives are not unpacked"):
        load_task(name, tmp_path)


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "gtzan"])
def test_sound_that_was_not_or_half_unpacked_is_named(tmp_path, name):
    BUILDERS[name][0](tmp_path)
    suffix = {"openmic": ".ogg", "mtt": ".mp3"}.get(name, ".wav")
    sounds = sorted(tmp_path.rglob(f"*{suffix}"))
    sounds[-1].unlink()
    with pytest.raises(SondoError, match=rf"1 of \d+ audio files are missing .*{sounds[-1].name}.* Half unpacked"):
        load_task(name, tmp_path)
    for path in sounds[:-1]:
        path.unlink()
    with pytest.raises(SondoError, match=r"none of the \d+ audio files of .* is there .*was the audio unpacked"):
        load_task(name, tmp_path)


def test_converted_copies_and_resampled_copies_are_refused(tmp_path):
    esc50(tmp_path / "rate", rate=16000)
    with pytest.raises(SondoError, match=r"has 16,000 Hz, but ESC-50 is published at 44,100 Hz: this is a resampled"):
        load_task("esc50", tmp_path / "rate")
    us8k(tmp_path / "rates", rates=(22050,))
    with pytest.raises(SondoError, match=r"has 22,050 Hz, but UrbanSound8K is published at various rates"):
        load_task("us8k", tmp_path / "rates")
    esc50(tmp_path / "flac")
    for path in (tmp_path / "flac" / "audio").iterdir():
        path.rename(path.with_suffix(".flac"))
    with pytest.raises(SondoError, match=r"\.flac is there and .*\.wav is not: these are converted copies"):
        load_task("esc50", tmp_path / "flac")


def test_folds_that_are_not_the_official_ones_are_refused(tmp_path):
    esc50(tmp_path / "esc50")
    us8k(tmp_path / "us8k")
    rng = np.random.default_rng(0)
    for path, column in ((tmp_path / "esc50/meta/esc50.csv", 1), (tmp_path / "us8k/metadata/UrbanSound8K.csv", 5)):
        rows = [line.split(",") for line in path.read_text().splitlines()]
        folds = rng.permutation([row[column] for row in rows[1:]])
        for row, fold in zip(rows[1:], folds, strict=True):
            row[column] = fold
        path.write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(SondoError, match=r"but its name says fold \d. Only the official folds"):
        load_task("esc50", tmp_path / "esc50")
    with pytest.raises(SondoError, match=r"audio files are missing \(fold"):
        load_task("us8k", tmp_path / "us8k")


@pytest.mark.parametrize(
    ("name", "table", "old", "new", "message"),
    [
        ("fsd50k", "FSD50K.ground_truth/dev.csv", "val", "test", "the splits are train and val"),
        ("fsd50k", "FSD50K.ground_truth/eval.csv", "Rain", "Rane", "'Rane' is not in vocabulary.csv"),
        ("openmic", "openmic-2018-aggregated-labels.csv", "0.9", "yes", "row 2: relevance 'yes' is not a number"),
        ("openmic", "partitions/split01_test.csv", "003030_3840", "999999_0", "no row for 1 clips of the partitions"),
        ("nsynth", "nsynth-test/examples.json", "instrument_family_str", "family", "instrument_family_str for each"),
        ("mtt", "annotations_final.csv", "\t", ",", "expected tab-separated columns"),
        ("mtt", "annotations_final.csv", "\t1\t", "\tyes\t", "the tags as 0 or 1"),
        ("mtt", "annotations_final.csv", "\tf/", "\tg/", "in none of the folders 0 to f"),
    ],
)
def test_a_table_that_was_changed_is_refused(tmp_path, name, table, old, new, message):
    BUILDERS[name][0](tmp_path)
    path = tmp_path / table
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(SondoError, match=message):
        load_task(name, tmp_path)
