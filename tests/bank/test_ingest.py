"""Sound into rows: what is kept, what is set aside, what a second run does."""

import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import soundfile

from sondo.bank import Bank, ingest
from sondo.bank.manifest import file_name
from sondo.bank.schema import BANK_KEY, clip_id
from sondo.errors import SondoError


def rows(bank):
    return (
        Bank(bank).read(["clip_id", "uri", "offset_s", "duration_s", "split", "fold", "labels", "frames"]).to_pylist()
    )


def test_a_folder_is_read_recursively_and_long_sound_is_cut(sound_folder, tmp_path):
    report = ingest(tmp_path / "b.lance", audio=sound_folder)
    found = [
        (row["uri"].split("/")[-1], row["offset_s"], round(row["duration_s"], 3)) for row in rows(tmp_path / "b.lance")
    ]
    assert report.num_clips == report.num_added == 7
    assert ("long.flac", 0.0, 10.0) in found
    assert ("long.flac", 10.0, 1.5) in found
    assert ("0.wav", 0.0, 0.5) in found


def test_frames_follow_the_front_end(sound_folder, tmp_path):
    ingest(tmp_path / "b.lance", audio=sound_folder)
    bank = Bank(tmp_path / "b.lance")
    for row, mel in zip(rows(tmp_path / "b.lance"), bank.log_mels(range(len(bank))), strict=True):
        expected = 1 + (round(row["duration_s"] * 32000) - 1024) // 512
        assert mel.shape == (128, expected) == (128, row["frames"])
        assert np.isfinite(mel).all()


def test_a_second_run_adds_nothing_and_new_files_are_added(sound_folder, tmp_path):
    ingest(tmp_path / "b.lance", audio=sound_folder)
    assert ingest(tmp_path / "b.lance", audio=sound_folder).num_added == 0
    soundfile.write(sound_folder / "new.wav", np.full(32000, 0.1, np.float32), 32000)
    assert ingest(tmp_path / "b.lance", audio=sound_folder).num_added == 1


def test_an_interrupted_ingest_ends_with_the_same_rows(sound_folder, tmp_path, monkeypatch):
    ingest(tmp_path / "whole.lance", audio=sound_folder)
    monkeypatch.setattr(sys.modules["sondo.bank.ingest"], "CLIPS_PER_COMMIT", 2)
    kept, appends = Bank.append, []

    def killed_at_the_third(self, clips):
        if len(appends) == 2:
            raise KeyboardInterrupt
        appends.append(len(clips))
        kept(self, clips)

    monkeypatch.setattr(Bank, "append", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        ingest(tmp_path / "b.lance", audio=sound_folder)
    assert len(Bank(tmp_path / "b.lance")) == 4
    monkeypatch.setattr(Bank, "append", kept)
    assert ingest(tmp_path / "b.lance", audio=sound_folder).num_added == 3
    assert rows(tmp_path / "b.lance") == rows(tmp_path / "whole.lance")


def test_unreadable_files_are_set_aside_with_their_reason(sound_folder, tmp_path):
    (sound_folder / "text.wav").write_text("this is no sound")
    (sound_folder / "empty.wav").touch()
    report = ingest(tmp_path / "b.lance", audio=sound_folder, max_bad_share=0.5)
    assert report.num_clips == 7
    listed = {row["uri"].split("/")[-1]: row["reason"] for row in Bank(tmp_path / "b.lance").rejected()}
    assert set(listed) == {"text.wav", "empty.wav"}
    assert all(listed.values())


def test_a_file_that_was_mended_is_read_again(sound_folder, tmp_path):
    (sound_folder / "text.wav").write_text("this is no sound")
    ingest(tmp_path / "b.lance", audio=sound_folder, max_bad_share=0.5)
    soundfile.write(sound_folder / "text.wav", np.full(32000, 0.1, np.float32), 32000)
    report = ingest(tmp_path / "b.lance", audio=sound_folder, max_bad_share=0.5)
    assert (report.num_added, report.rejected) == (1, {})
    assert Bank(tmp_path / "b.lance").rejected() == []


def test_too_many_bad_files_stop_the_job_and_keep_the_good(sound_folder, tmp_path):
    (sound_folder / "text.wav").write_text("this is no sound")
    with pytest.raises(
        SondoError, match=r"^at least 1 of 7 files cannot be read.*max_bad_share of ingest and distill.*text\.wav"
    ):
        ingest(tmp_path / "b.lance", audio=sound_folder)


def test_files_that_are_gone_are_told(sound_folder, tmp_path, capsys):
    ingest(tmp_path / "b.lance", audio=sound_folder)
    assert "are gone" not in capsys.readouterr().err
    (sound_folder / "0.wav").unlink()
    ingest(tmp_path / "b.lance", audio=sound_folder)
    said = " ".join(capsys.readouterr().err.split())
    assert f"1 files that the bank has clips of are gone, such as {(sound_folder / '0.wav').resolve()}" in said
    assert "ingest into a new bank" in said


@pytest.mark.parametrize("target", ["gone.ogg", "broken.ogg"])  # nowhere, or to itself
def test_a_broken_link_goes_by_its_own_name(sound_folder, tmp_path, target):
    (sound_folder / "broken.ogg").symlink_to(target)
    (sound_folder / "good.wav").symlink_to("0.wav")
    (tmp_path / "m.csv").write_text("path\nbroken.ogg\ngood.wav\n")
    for name, given in (("folder", None), ("listed", tmp_path / "m.csv")):
        report = ingest(tmp_path / f"{name}.lance", audio=sound_folder, manifest=given, max_bad_share=0.5)
        assert list(report.rejected) == [str(sound_folder / "broken.ogg")]
        assert str((sound_folder / "0.wav").resolve()) in [row["uri"] for row in rows(tmp_path / f"{name}.lance")]


def test_a_link_goes_by_its_own_name_where_that_alone_tells_the_decoder(tmp_path):
    (tmp_path / "0f343b09").touch()
    for name in ("a.m4a", "a.wav"):
        (tmp_path / name).symlink_to("0f343b09")
    assert file_name(tmp_path / "a.m4a") == str(tmp_path / "a.m4a")
    assert file_name(tmp_path / "a.wav") == str(tmp_path / "0f343b09")
    (tmp_path / "whole.mp4").touch()
    (tmp_path / "b.m4a").symlink_to("whole.mp4")  # one sound, once in the bank
    assert file_name(tmp_path / "b.m4a") == str(tmp_path / "whole.mp4")


def test_parts_of_the_shortest_length_are_read(sound_folder, tmp_path):
    """0.4 + 0.1 - 0.4 is less than 0.1."""
    parts = [f"deep/long.flac,{tenth / 10},0.1" for tenth in range(8)]
    (tmp_path / "m.csv").write_text("path,offset_s,duration_s\n" + "\n".join(parts))
    report = ingest(tmp_path / "b.lance", manifest=tmp_path / "m.csv", audio=sound_folder)
    assert (report.num_clips, report.rejected) == (8, {})


def test_a_corrected_manifest_corrects_the_bank(sound_folder, tmp_path, capsys):
    listed = tmp_path / "m.csv"
    listed.write_text("path,split,label\n0.wav,train,dog\n1.wav,train,dog;rain\ndeep/long.flac,train,rain\n")
    ingest(tmp_path / "b.lance", manifest=listed, audio=sound_folder)
    before = Bank(tmp_path / "b.lance").read(["clip_id", "uri", "logmel"])
    listed.write_text("path,split,label\n0.wav,train,cat\n1.wav,train,dog;rain\ndeep/long.flac,test,rain\n2.wav,,cat\n")
    assert ingest(tmp_path / "b.lance", manifest=listed, audio=sound_folder).num_added == 1
    assert "3 clips have other splits, folds or labels now" in capsys.readouterr().err
    found = [(row["uri"].rsplit("/", 1)[-1], row["split"], row["labels"]) for row in rows(tmp_path / "b.lance")]
    assert found == [
        ("0.wav", "train", ["cat"]),
        ("1.wav", "train", ["dog", "rain"]),
        ("long.flac", "test", ["rain"]),
        ("long.flac", "test", ["rain"]),
        ("2.wav", None, ["cat"]),
    ]
    assert Bank(tmp_path / "b.lance").read(["clip_id", "uri", "logmel"]).slice(0, 4).equals(before)
    listed.write_text("path\n0.wav\n")  # says nothing of its label
    ingest(tmp_path / "b.lance", manifest=listed, audio=sound_folder)
    assert rows(tmp_path / "b.lance")[0]["labels"] == ["cat"]


def test_a_part_that_was_corrected_is_read_and_says_nothing_of_its_file(sound_folder, tmp_path):
    """The 11.5 s of long.flac have nothing at 25 s, which is the manifest's mistake and not the file's."""
    listed, bank = tmp_path / "m.csv", tmp_path / "b.lance"
    given = {"manifest": listed, "audio": sound_folder, "max_bad_share": 1.0}
    listed.write_text("path,offset_s,duration_s\ndeep/long.flac,25,2\ndeep/long.flac,1,2\n0.wav,,\n")
    for _ in range(2):  # the good part does not take the reason of the other off the list
        assert [*ingest(bank, **given).rejected.values()] == [row["reason"] for row in Bank(bank).rejected()]
        assert len(Bank(bank).rejected()) == 1
    listed.write_text("path,offset_s,duration_s\ndeep/long.flac,5,2\n")
    assert (ingest(bank, **given).num_added, Bank(bank).rejected()) == (1, [])
    listed.write_text("path,offset_s,duration_s\ndeep/long.flac,25,2\n0.wav,,\n")
    ingest(bank, **given)
    assert ingest(bank, audio=sound_folder).rejected == {}  # the whole file


@pytest.mark.parametrize(
    ("before", "now"),
    [("deep/long.flac,0,5", "deep/long.flac,0,3"), (None, "deep/long.flac,,\ndeep/long.flac,10,1")],
    ids=["since", "at once"],
)
def test_a_clip_that_begins_where_one_of_another_length_does_is_refused(sound_folder, tmp_path, before, now):
    listed, bank = tmp_path / "m.csv", tmp_path / "b.lance"
    given = {"manifest": listed, "audio": sound_folder}
    if before:
        listed.write_text(f"path,offset_s,duration_s\n{before}\n")
        assert (ingest(bank, **given).num_added, ingest(bank, **given).num_added) == (1, 0)
    listed.write_text(f"path,offset_s,duration_s\n{now}\n")
    with pytest.raises(SondoError, match=r"long\.flac: two clips begin at 1?0 s, .* and one of [31] s: ingest into"):
        ingest(bank, **given)


def test_a_manifest_whose_files_are_elsewhere_says_where_it_looked(sound_folder, tmp_path):
    listed = tmp_path / "lists" / "m.csv"
    listed.parent.mkdir()
    listed.write_text("path\n0.wav\n1.wav\n")
    expected = f"none of the 2 files that it lists is there, such as {listed.parent / '0.wav'}; .*--audio"
    with pytest.raises(SondoError, match=expected):
        ingest(tmp_path / "b.lance", manifest=listed)
    assert ingest(tmp_path / "b.lance", manifest=listed, audio=sound_folder).num_added == 2


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "only.wav").write_text("this is no sound")
    with pytest.raises(SondoError, match="0 clips left"):
        ingest(tmp_path / "b.lance", audio=tmp_path, max_bad_share=1.0)


@pytest.mark.parametrize(("folder", "message"), [("absent", "no such folder"), ("bare", "no audio in")])
def test_no_sound_to_find(tmp_path, folder, message):
    (tmp_path / "bare").mkdir()
    with pytest.raises(SondoError, match=message):
        ingest(tmp_path / "b.lance", audio=tmp_path / folder)
    assert not (tmp_path / "b.lance").exists()


def test_sound_in_a_folder_that_cannot_be_opened_is_told_from_none(closed_folder, tmp_path):
    with pytest.raises(SondoError, match="no audio in .*; folders there that could not be opened: 1"):
        ingest(tmp_path / "b.lance", audio=closed_folder.parent)


def test_a_manifest_names_parts_splits_folds_and_labels(sound_folder, tmp_path):
    (tmp_path / "m.csv").write_text(
        "filename,offset,duration,split,fold,label\ndeep/long.flac,2.5,3,train,1,hum;tone\n1.wav,,,test,2,tone\n"
    )
    ingest(tmp_path / "b.lance", audio=sound_folder, manifest=tmp_path / "m.csv")
    first, second = rows(tmp_path / "b.lance")
    assert (first["offset_s"], first["duration_s"], first["split"], first["fold"]) == (2.5, 3.0, "train", 1)
    assert (first["labels"], second["labels"], second["split"]) == (["hum", "tone"], ["tone"], "test")
    assert first["clip_id"] == clip_id(str((sound_folder / "deep/long.flac").resolve()), 2.5)


def test_names_and_labels_of_digits_stay_as_they_are_written(sound_folder, tmp_path):
    (sound_folder / "0.wav").rename(sound_folder / "007")
    (sound_folder / "1.wav").rename(sound_folder / "07")
    (tmp_path / "m.csv").write_text("path,label,split,fold\n007,01,1e3,1\n07,001,0,02\n")
    ingest(tmp_path / "b.lance", audio=sound_folder, manifest=tmp_path / "m.csv")
    found = [
        (row["uri"].split("/")[-1], row["labels"], row["split"], row["fold"]) for row in rows(tmp_path / "b.lance")
    ]
    assert found == [("007", ["01"], "1e3", 1), ("07", ["001"], "0", 2)]


def test_a_parquet_manifest_beside_the_sound(sound_folder, tmp_path):
    table = pa.table({"path": ["0.wav", "1.wav"], "labels": [["a", None], ["b", "c"]]})
    pyarrow.parquet.write_table(table, sound_folder / "m.parquet")
    ingest(tmp_path / "b.lance", audio=sound_folder / "m.parquet")
    assert [row["labels"] for row in rows(tmp_path / "b.lance")] == [["a"], ["b", "c"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nx.wav\n", "no path column"),
        ("path\n", "a header, but no rows"),
        ("path,offset\n1.wav,soon\n", r"row 1: offset is 'soon'"),
        ("path,duration\n1.wav,0\n", "a duration of 0 s"),
        ("path,fold\n0.wav,1\n1.wav,1.5\n", r"row 2: fold is '1\.5', expected a whole number"),
        ("path,fold\n0.wav,20260101123\n", r"row 1: fold is '20260101123', expected a whole number of at most 2,147"),
        ("path,label\n1.wav,a\n0.wav,b\n1.wav,c\n", r"rows 1 and 3 name the same sound, .*1\.wav"),
    ],
)
def test_a_manifest_that_makes_no_sense(sound_folder, tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(SondoError, match=message):
        ingest(tmp_path / "b.lance", audio=sound_folder, manifest=tmp_path / "m.csv")


def test_what_a_manifest_may_have_misspelt_is_said(sound_folder, tmp_path, capsys):
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,lable,split,duration,file\n0.wav,a,Train,,x\n1.wav,b,,,x\ndeep/long.flac,c,tset,,x\n")
    ingest(tmp_path / "b.lance", audio=sound_folder, manifest=manifest)
    said = capsys.readouterr().err
    assert f"{manifest}: columns that are not read: lable, file\n" in said
    assert "splits that training passes over: tset (2 clips); it takes clips without a split or of train, " in said


def test_nothing_is_said_of_what_is_known(sound_folder, tmp_path, capsys):
    (tmp_path / "m.csv").write_text(",path,labels,label,split,offset_s\n0,0.wav,a,b,train,\n1,1.wav,b,,VAL,\n")
    ingest(tmp_path / "b.lance", audio=sound_folder, manifest=tmp_path / "m.csv")
    said = capsys.readouterr().err
    assert "not read" not in said
    assert "passes over" not in said


def test_a_changed_file_is_named_as_stale(sound_folder, tmp_path):
    ingest(tmp_path / "b.lance", audio=sound_folder)
    soundfile.write(sound_folder / "1.wav", np.full(16000, 0.1, np.float32), 32000)
    with pytest.raises(SondoError, match=r"1\.wav has changed since it was ingested"):
        ingest(tmp_path / "b.lance", audio=sound_folder)


def test_a_bank_of_another_version_is_refused(sound_folder, tmp_path):
    import lance

    table = pa.table({"clip_id": ["a"]}).replace_schema_metadata({BANK_KEY: b'{"version": 99}'})
    lance.write_dataset(table, str(tmp_path / "b.lance"))
    with pytest.raises(SondoError, match="bank of version 99"):
        ingest(tmp_path / "b.lance", audio=sound_folder)


def test_what_a_full_disk_left_of_a_bank_is_taken_over(sound_folder, tmp_path, monkeypatch):
    import lance

    def full(rows, uri, **_):
        for name in ("_versions", "_transactions", "data"):
            os.makedirs(os.path.join(uri, name))
        raise OSError("LanceError(IO): No space left on device (os error 28)")

    with monkeypatch.context() as patched:
        patched.setattr(lance, "write_dataset", full)
        with pytest.raises(OSError, match="No space left"):
            ingest(tmp_path / "b.lance", audio=sound_folder)
    assert ingest(tmp_path / "b.lance", audio=sound_folder).num_clips == 7
    (tmp_path / "mine" / "data").mkdir(parents=True)  # a name that Lance has too
    with pytest.raises(SondoError, match="exists and is not a bank"):
        ingest(tmp_path / "mine", audio=sound_folder)
    assert (tmp_path / "mine" / "data").is_dir()


def test_a_place_where_nothing_can_be_made_is_found_before_any_work(sound_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: os.path.basename(path) != "locked")
    (tmp_path / "locked").mkdir()
    with pytest.raises(
        SondoError, match=r"cannot write .*b\.lance/_sondo: nothing can be made in .*locked, name another"
    ):
        ingest(tmp_path / "locked" / "deep" / "b.lance", audio=sound_folder)


def test_a_foreign_table_or_folder_is_left_alone(sound_folder, tmp_path):
    import lance

    lance.write_dataset(pa.table({"x": [1]}), str(tmp_path / "foreign.lance"))
    with pytest.raises(SondoError, match="not a bank of sondo"):
        ingest(tmp_path / "foreign.lance", audio=sound_folder)
    with pytest.raises(SondoError, match="exists and is not a bank"):
        ingest(sound_folder, audio=sound_folder)
