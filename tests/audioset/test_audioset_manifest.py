"""Manifests: a row for each clip, all its labels, and a bank that has them."""

import csv

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
from stand_in import NAMES

from sondo.audioset import make_manifest
from sondo.bank import Bank, ingest
from sondo.cli import main
from sondo.errors import SondoError

LABELS = [["Speech", "Gush"], ["Toothbrush"], ["Goat", "Music", "Speech"], ["Music", "Goat", "Speech"]]
INDICES = [[0, 451], [375], [95, 137, 0], [137, 95, 0]]


def manifest(files, out, **options):
    return make_manifest(files / "balanced_train_segments.csv", files / "class_labels_indices.csv", out, **options)


def test_a_row_has_all_labels_by_name_and_index(files, tmp_path):
    report = manifest(files, tmp_path / "m.csv")
    assert (report.num_clips, report.num_labels, report.num_absent) == (4, 9, 0)
    rows = list(csv.DictReader((tmp_path / "m.csv").open()))
    assert [row["path"] for row in rows] == [f"{name}.flac" for name in NAMES]
    assert [row["labels"].split(";") for row in rows] == LABELS
    assert [[int(index) for index in row["label_indices"].split(";")] for row in rows] == INDICES
    assert {row["split"] for row in rows} == {"balanced_train"}


def test_parquet_has_lists(files, tmp_path):
    manifest(files, tmp_path / "m.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "m.parquet")
    assert table.column("labels").to_pylist() == LABELS
    assert table.column("label_indices").to_pylist() == INDICES
    assert table.column("start_s").to_pylist() == [30.0, 50.0, 0.0, 2.5]


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_the_bank_has_every_label_of_the_sound_that_is_there(files, tmp_path, extension):
    """One file with each of the usual names; one segment has no sound."""
    audio = tmp_path / "audio" / "deep"
    audio.mkdir(parents=True)
    for name in (NAMES[0], NAMES[1][:11], f"Y{NAMES[3][:11]}", "another"):
        soundfile.write(audio / f"{name}.wav", np.full(32000, 0.1, np.float32), 32000)
    out = tmp_path / f"m.{extension}"
    assert manifest(files, out, audio=tmp_path / "audio").num_absent == 1
    ingest(tmp_path / "b.lance", manifest=out)
    rows = Bank(tmp_path / "b.lance").read(["uri", "labels", "split", "offset_s"]).to_pylist()
    assert [row["uri"].rpartition("/")[2][:-4] for row in rows] == [NAMES[0], NAMES[1][:11], f"Y{NAMES[3][:11]}"]
    assert [row["labels"] for row in rows] == [LABELS[0], LABELS[1], LABELS[3]]
    assert {(row["split"], row["offset_s"]) for row in rows} == {("balanced_train", 0.0)}


@pytest.mark.parametrize(("subset", "num_trained_on"), [("balanced_train", 1), ("unbalanced_train", 1), ("eval", 0)])
def test_training_takes_the_official_training_parts_alone(files, tmp_path, subset, num_trained_on):
    from sondo.distill.teach import teach
    from sondo.distill.train import train
    from sondo.recipe import StudentConfig, TrainConfig
    from sondo.teachers import create

    (tmp_path / "audio").mkdir()
    soundfile.write(tmp_path / "audio" / f"{NAMES[0]}.wav", np.full(32000, 0.1, np.float32), 32000)
    segments = (files / "balanced_train_segments.csv").rename(files / f"{subset}_segments.csv")
    make_manifest(segments, files / "class_labels_indices.csv", tmp_path / "m.csv", audio=tmp_path / "audio")
    ingest(tmp_path / "b.lance", manifest=tmp_path / "m.csv")
    bank = Bank(tmp_path / "b.lance")
    teach(bank, create("modulation"))
    with pytest.raises(SondoError, match=f"has {num_trained_on} clips to train on"):
        train(
            bank,
            teachers=["teacher.modulation"],
            clusters=None,
            student=StudentConfig(width_mult=0.1),
            config=TrainConfig(sampling="uniform"),
            out=tmp_path / "run",
        )


def test_labels_without_a_meaning_are_named(files, tmp_path):
    labels = files / "class_labels_indices.csv"
    labels.write_text("\n".join(labels.read_text().splitlines()[:3]))
    with pytest.raises(SondoError, match=r"3 label ids that .* /m/04rlf \(2 segments\), .*/m/012xff \(1 segments\)"):
        manifest(files, tmp_path / "m.csv")


def test_what_makes_no_manifest(files, tmp_path):
    with pytest.raises(SondoError, match=r"m\.txt: a manifest is \.csv or \.parquet"):
        manifest(files, tmp_path / "m.txt")
    (tmp_path / "file").touch()
    with pytest.raises(SondoError, match=r"file is a file, name another place"):
        manifest(files, tmp_path / "file" / "m.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SondoError, match=r"none of the 4 segments.*--PJHxphWEs_30\.000\.flac"):
        manifest(files, tmp_path / "m.csv", audio=tmp_path / "empty")
    segments = (files / "balanced_train_segments.csv").rename(files / "mine.csv")
    with pytest.raises(SondoError, match=r"mine\.csv: which part of AudioSet is this"):
        make_manifest(segments, files / "class_labels_indices.csv", tmp_path / "m.csv")


def test_a_label_that_csv_cannot_hold_is_refused(files, tmp_path):
    labels = files / "class_labels_indices.csv"
    labels.write_text(labels.read_text().replace('"Gush"', '"Gush; spurt"'))
    with pytest.raises(SondoError, match="'Gush; spurt' holds the `;`"):
        manifest(files, tmp_path / "m.csv")
    assert manifest(files, tmp_path / "m.parquet").num_labels == 9


def test_the_command(files, tmp_path, capsys):
    lists = [
        "--segments",
        str(files / "balanced_train_segments.csv"),
        "--labels",
        str(files / "class_labels_indices.csv"),
    ]
    main(["audioset", "manifest", *lists, "--out", str(tmp_path / "m.csv")])
    assert "4 clips of balanced_train, 9 labels" in capsys.readouterr().out
    for arguments, message in (
        (["audioset"], "no action is given: expected one of manifest, download ("),
        (["audioset", "frobnicate"], "frobnicate"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        assert message in capsys.readouterr().err
