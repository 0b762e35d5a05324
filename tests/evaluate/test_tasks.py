"""Reading tasks from disk: layouts, folds and the mistakes that people make."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sondo.errors import SondoError
from sondo.evaluate import available, load_task


def touch_audio(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(800, dtype=np.float32), 8000)


def write_table(path, header, rows, *, audio=True, column=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    if audio:
        for row in rows:
            touch_audio(path.parent / row[column])


def test_available_lists_every_task_with_its_terms():
    names = ["openmic", "nsynth", "gtzan", "mtt", "fsd50k", "esc50", "us8k", "esc10", "fsdd", "fsdd_speakers", "folder"]
    assert [info.name for info in available()] == names
    assert all(info.metric and info.citation and info.licence and info.source and info.layout for info in available())


def test_esc10_layout(tmp_path):
    rows = [(f"{fold}-{label}.wav", fold, 0, label) for fold in (1, 2, 3) for label in ("rain", "dog")]
    write_table(tmp_path / "esc10.csv", "filename,fold,target,category", rows, audio=False)
    for row in rows:
        touch_audio(tmp_path / "audio" / row[0])
    task = load_task("esc10", tmp_path)
    assert task.folds == (1, 1, 2, 2, 3, 3)
    assert task.labels == ("rain", "dog") * 3
    assert task.paths[0] == tmp_path / "audio" / "1-rain.wav"
    assert task.metric == "accuracy"
    assert task.licence == "CC BY 3.0"
    assert (task.complete, task.note) == (False, "6 clips, not the 400 that are published: no score of ESC-10")
    (tmp_path / "audio" / "2-dog.wav").unlink()
    with pytest.raises(SondoError, match=r"1 of 6 audio files are missing \(2-dog.wav\)"):
        load_task("esc10", tmp_path)


def test_fsdd_layout(tmp_path):
    rows = [(f"{digit}_a_{take}.wav", "train" if take else "test", digit) for digit in (0, 1) for take in range(3)]
    write_table(tmp_path / "fsdd.csv", "filename,split,digit", rows, audio=False)
    for row in rows:
        touch_audio(tmp_path / "audio" / row[0])
    task = load_task("fsdd", tmp_path)
    assert task.splits == ("test", "train", "train") * 2
    assert task.labels == ("0",) * 3 + ("1",) * 3
    assert (
        task.note
        == "6 clips, not the 3,000 that are published: no score of FSDD; speakers are in both parts, as published"
    )


def test_fsdd_speakers_leaves_each_speaker_out_once(tmp_path):
    rows = [(f"{digit}_{speaker}.wav", "train", digit, speaker) for digit in (0, 1) for speaker in ("lucas", "ann")]
    write_table(tmp_path / "fsdd.csv", "filename,split,digit,speaker", rows, audio=False)
    for row in rows:
        touch_audio(tmp_path / "audio" / row[0])
    task = load_task("fsdd_speakers", tmp_path)
    assert (task.folds, task.splits) == ((2, 1, 2, 1), None)
    assert task.labels == ("0", "0", "1", "1")
    assert (task.name, task.complete) == ("fsdd_speakers", False)


def test_class_folders_get_stratified_folds_with_a_fixed_seed(tmp_path):
    for label in ("cat", "dog"):
        for number in range(10):
            touch_audio(tmp_path / label / f"{number}.wav")
    task = load_task("folder", tmp_path, title="pets")
    assert task.name == "pets"
    assert Counter(zip(task.labels, task.folds, strict=True)) == {
        (label, fold): 2 for label in ("cat", "dog") for fold in range(1, 6)
    }
    assert "made by sondo" in task.note
    assert load_task("folder", tmp_path).folds == task.folds
    assert load_task("folder", tmp_path, seed=1).folds != task.folds


def test_a_label_that_was_put_right_makes_another_task_and_a_move_does_not(tmp_path):
    rows = [(f"{number}.wav", "dog" if number < 4 else "rain", number % 2) for number in range(8)]
    for place, content in {
        "first": rows,
        "moved": rows[::-1],
        "label": [("0.wav", "rain", 0), *rows[1:]],
        "fold": [("0.wav", "dog", 1), *rows[1:]],
    }.items():
        write_table(tmp_path / place / "data.csv", "path,label,fold", content)
    first, moved, label, fold = (
        load_task("folder", tmp_path / place).fingerprint for place in ("first", "moved", "label", "fold")
    )
    assert first == moved
    assert len({first, label, fold}) == 3


def test_a_table_may_name_some_files_in_full_and_is_still_one_task(tmp_path, monkeypatch):
    for place, in_full in (("half", 4), ("none", 0)):
        files = [str(tmp_path / place / f"{n}.wav") if n < in_full else f"{n}.wav" for n in range(8)]
        write_table(
            tmp_path / place / "data.csv", "path,label,fold", [(f, "ab"[n % 2], n // 4) for n, f in enumerate(files)]
        )
    monkeypatch.chdir(tmp_path)
    half, none = (load_task("folder", Path(place)) for place in ("half", "none"))
    assert {path.is_absolute() for path in half.paths} == {True, False}
    assert half.fingerprint == none.fingerprint


def test_class_folders_below_split_folders(tmp_path):
    for split, count in (("train", 4), ("val", 1), ("test", 2)):
        for label in ("cat", "dog"):
            for number in range(count):
                touch_audio(tmp_path / split / label / f"{number}.wav")
    task = load_task("folder", tmp_path)
    assert Counter(task.splits) == {"train": 8, "valid": 2, "test": 4}
    assert task.classes == ("cat", "dog")


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_a_class_folder_without_sound_is_named(tmp_path, capfd, splits):
    for split in splits:
        for number in range(5):
            touch_audio(tmp_path / split / "cat" / f"{number}.wav")
            touch_audio(tmp_path / split / "dog" / "deep" / f"{number}.wav")
        (tmp_path / ".hidden" / split).mkdir(parents=True, exist_ok=True)
    (tmp_path / splits[-1] / "cow").mkdir()
    (tmp_path / splits[-1] / "cow" / "notes.txt").touch()
    assert load_task("folder", tmp_path).classes == ("cat", "dog")
    assert f"no sound in {Path(splits[-1], 'cow')}: left out" in capfd.readouterr().err


def test_table_with_several_labels_and_groups(tmp_path):
    rows = [(f"{i}.wav", "a;b" if i % 2 else "b;c", f"source{i // 4}") for i in range(40)]
    write_table(tmp_path / "labels.csv", "File,Labels,Group", rows)
    task = load_task("folder", tmp_path)
    assert task.metric == "map"
    assert task.labels[:2] == (("b", "c"), ("a", "b"))
    fold_of = {}
    for group, fold in zip(task.groups, task.folds, strict=True):
        assert fold_of.setdefault(group, fold) == fold
    assert sorted(Counter(task.folds).values()) == [8] * 5
    assert load_task("folder", tmp_path / "labels.csv") == task


def test_an_empty_cell_is_none_of_the_classes_where_clips_have_several(tmp_path, capfd):
    rows = [(f"{i}.wav", ("a;b", "b", "a", "")[i % 4]) for i in range(40)]
    write_table(tmp_path / "labels.csv", "path,labels", rows)
    task = load_task("folder", tmp_path)
    assert "10 of 40 rows have no label: they are taken as clips of none" in capfd.readouterr().err
    assert task.labels[:4] == (("a", "b"), ("b",), ("a",), ())
    assert task.targets()[:4].tolist() == [[1, 1], [0, 1], [1, 0], [0, 0]]
    per_fold = Counter(fold for fold, labels in zip(task.folds, task.labels, strict=True) if not labels)
    assert set(per_fold.values()) == {2}
    assert task.only([3, 0]).multi_label


@pytest.mark.parametrize(
    "cells",
    [
        ("dog,living", "rain", "cat,living", "saw"),  # as in FSD50K
        ("dog|living", "rain", "cat|living", "saw"),
        ("dog, living", "dog", "rain, living", "rain"),
        ("a | b", "b | c", "a", "a | c"),
    ],
)
def test_labels_with_another_separator_are_named(tmp_path, cells):
    quoted = [(f"{i}.wav", f'"{cell}"') for i, cell in enumerate(cells * 5)]
    write_table(tmp_path / "labels.csv", "path,label", quoted)
    with pytest.raises(SondoError, match=r"reads like several labels.*separated by ';'; if it is the name of one"):
        load_task("folder", tmp_path)


@pytest.mark.parametrize(
    "cells", [("Inside, small room", "Inside, public space", "Rain"), ("Speech, male;Rain", "Speech", "male", "Rain")]
)
def test_a_comma_in_a_name_is_part_of_the_name(tmp_path, cells):
    quoted = [(f"{i}.wav", f'"{cell}"') for i, cell in enumerate(cells * 5)]
    write_table(tmp_path / "labels.csv", "path,label", quoted)
    assert load_task("folder", tmp_path).classes == tuple(sorted({one for cell in cells for one in cell.split(";")}))


def test_classes_that_capitals_alone_tell_apart_are_named(tmp_path, capfd):
    rows = [(f"{n}.wav", label, n % 2) for n, label in enumerate(("Dog", "Dog", "dog", "dog", "cat", "cat"))]
    write_table(tmp_path / "m.csv", "path,label,fold", rows)
    assert load_task("folder", tmp_path / "m.csv").classes == ("Dog", "cat", "dog")
    assert "though capitals alone tell them apart: Dog and dog\n" in capfd.readouterr().err
    write_table(tmp_path / "n.csv", "path,label,fold", rows[2:])
    load_task("folder", tmp_path / "n.csv")
    assert "capitals" not in capfd.readouterr().err


def test_a_fold_column_is_taken_as_it_is(tmp_path):
    rows = [(f"{i}.wav", "ab"[i % 2], i // 2 + 7) for i in range(6)]
    write_table(tmp_path / "labels.csv", "path,label,fold", rows)
    task = load_task("folder", tmp_path)
    assert task.folds == (7, 7, 8, 8, 9, 9)
    assert task.note == ""


FIVE = [(f"{i}.wav", "ab"[i % 2]) for i in range(10)]


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("path,label", [(f"{i}.wav", "a") for i in range(6)], "two classes"),
        (
            "path,label",
            [*FIVE[:8], ("8.wav", ""), ("9.wav", "")],
            r"2 of 10 rows .* \(8.wav, 9.wav\). Give them a class",
        ),
        (
            "path,label,fold",
            [("x.wav", "a;b", 1), ("y.wav", "a;b", 2), ("z.wav", "", 3)],
            "no clip of fold 3 has a label",
        ),
        (
            "path,label,split",
            [("x.wav", "a;b", "train"), ("y.wav", "", "test")],
            "no clip of split test has a label",
        ),
        ("path,label", [*FIVE, ("x.wav", "rare")], r"5 folds, .*: rare: 1. Add clips, or leave the class out"),
        ("path,label", [*FIVE[:8], ("x.wav", "c"), ("y.wav", "c")], r"c: 2. Add clips, have .* \(num_folds 2\), or"),
        ("path,label", [*FIVE, ("0.wav", "a")], "listed more than once"),
        ("path,label,fold", [(*row, "one") for row in FIVE], "fold 'one' is not a whole number"),
        ("path,label,fold", [(*row, 1) for row in FIVE], "two folds"),
        ("path,label,fold", [(*row, "ab".index(row[1])) for row in FIVE], "are in one fold"),
        ("path,label,fold", [(*row, "" if i else 1) for i, row in enumerate(FIVE)], "9 of 10 rows have no fold"),
        ("path,label,split", [(*row, "train") for row in FIVE], "no clip has the split 'test'; found train.$"),
        (
            "path,label,split",
            [(*row, "valid" if index % 2 else "train") for index, row in enumerate(FIVE)],
            "no clip has the split 'test'; found train, valid. Call the part that is held back 'test'.",
        ),
        ("path,label,split", [(*row, "tset") for row in FIVE], "split 'tset'"),
        ("path,label,split", [(*row, "test" if row[1] == "a" else "train") for row in FIVE], "no training clip"),
        (
            "path,label,fold,group",
            [(*row, i // 2, "one") for i, row in enumerate(FIVE)],
            "groups have clips in several",
        ),
        ("path,label,group", [(*row, row[1]) for row in FIVE], "come from one group"),
        ("path,tag", FIVE, "needed are one of path, filename, file"),
        ("path,label", [*FIVE, ("only-a-path",)], r"line 12: 1 cells, but 2 columns"),
        ("path,label", [], "no rows"),
    ],
)
def test_mistakes_in_a_table_are_named(tmp_path, header, rows, message):
    write_table(tmp_path / "labels.csv", header, rows, audio=all(len(row) > 1 for row in rows))
    with pytest.raises(SondoError, match=message):
        load_task("folder", tmp_path)


def test_missing_audio_is_counted_and_named(tmp_path):
    write_table(tmp_path / "labels.csv", "path,label", FIVE, audio=False)
    with pytest.raises(SondoError, match=r"10 of 10 audio files are missing \(0.wav, 1.wav, 2.wav, …\)"):
        load_task("folder", tmp_path)


def test_folders_without_labels_are_refused(tmp_path):
    with pytest.raises(SondoError, match="no audio files and no CSV"):
        load_task("folder", tmp_path)
    touch_audio(tmp_path / "loose.wav")
    with pytest.raises(SondoError, match="1 audio files outside of class folders"):
        load_task("folder", tmp_path)
    touch_audio(tmp_path / "cat" / "1.wav")
    with pytest.raises(SondoError, match=r"in no class folder \(loose.wav\)"):
        load_task("folder", tmp_path)


def test_class_folders_that_cannot_be_opened_are_told_from_none(closed_folder):
    with pytest.raises(SondoError, match="no CSV of labels; folders there that could not be opened: 1, see above. Exp"):
        load_task("folder", closed_folder.parent)


def test_unknown_names_are_answered_with_the_known_ones(tmp_path):
    with pytest.raises(SondoError, match="There are: openmic, .*, esc10, fsdd, fsdd_speakers, folder"):
        load_task("esc11", tmp_path)
    with pytest.raises(SondoError, match="there is no .*nothing: expected a folder with esc10.csv"):
        load_task("esc10", tmp_path / "nothing")
    (tmp_path / "labels.csv").touch()
    with pytest.raises(SondoError, match=r"there is no .*label\.csv: did you mean .*labels\.csv"):
        load_task("folder", tmp_path / "label.csv")
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(SondoError, match=r"No such file: .*esc10.csv"):
        load_task("esc10", tmp_path)
    with pytest.raises(SondoError, match="no option seed"):
        load_task("esc10", tmp_path, seed=1)


def test_a_split_without_a_test_part_is_enough_for_training(tmp_path):
    rows = [(*row, "valid" if row[0] in ("0.wav", "9.wav") else "train") for row in FIVE]
    write_table(tmp_path / "labels.csv", "path,label,split", rows)
    task = load_task("folder", tmp_path, needs_test=False)
    assert [path.name for path, part in zip(task.paths, task.splits, strict=True) if part == "valid"] == [
        "0.wav",
        "9.wav",
    ]
    write_table(tmp_path / "labels.csv", "path,label,split", [(*row, "valid") for row in FIVE])
    with pytest.raises(SondoError, match="no clip has the split 'train'; found valid.$"):
        load_task("folder", tmp_path, needs_test=False)
