"""Sound that was moved: its rows are followed, with all that they have, and nothing else is taken for it."""

import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import soundfile

from sondo.bank import Bank, ColumnWriter, ingest
from sondo.bank.schema import CLIP_SCHEMA
from sondo.errors import SondoError

STAY = [name for name in CLIP_SCHEMA.names if name not in ("uri", "file_mtime_ns")]


@pytest.fixture
def bank(sound_folder, tmp_path):
    """A bank of the folder, in two commits, with a value for each clip."""
    (sound_folder / "0.wav").rename(tmp_path / "0.wav")
    ingest(tmp_path / "b.lance", audio=sound_folder)
    (tmp_path / "0.wav").rename(sound_folder / "0.wav")
    ingest(tmp_path / "b.lance", audio=sound_folder)
    fill(tmp_path / "b.lance", "teacher.one", range(7))
    return tmp_path / "b.lance"


def fill(path, column, values):
    bank = Bank(path)
    writer = ColumnWriter(bank, column, pa.int32(), {"made": "by hand"})
    ids = bank.read(["clip_id"]).column(0).combine_chunks()
    writer.append(ids[writer.done :], pa.array(list(values)[writer.done :], pa.int32()))
    writer.publish()


def names(bank, root):
    return [os.path.relpath(uri, root.resolve()) for uri in Bank(bank).read(["uri"]).column(0).to_pylist()]


def copied(folder, to):
    """A copy whose files have the time of now, and the folder gone."""
    shutil.copytree(folder, to, copy_function=shutil.copyfile)
    shutil.rmtree(folder)
    return to


@pytest.mark.parametrize("move", [os.rename, copied])
def test_a_folder_that_was_moved_or_copied_costs_nothing(bank, sound_folder, tmp_path, capsys, move):
    before, at = Bank(bank).read([*STAY, "teacher.one"]), names(bank, sound_folder)
    move(sound_folder, tmp_path / "new")
    for _ in range(2):
        assert ingest(bank, audio=tmp_path / "new").num_added == 0
    assert names(bank, tmp_path / "new") == at
    assert Bank(bank).read([*STAY, "teacher.one"]).equals(before)
    assert Bank(bank).read(["file_mtime_ns"]).column(0).to_pylist() == [
        os.stat(tmp_path / "new" / name).st_mtime_ns for name in at
    ]
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("6 files have moved") == 1
    assert "are gone" not in said
    fill(bank, "teacher.two", range(7, 14))  # a table that was followed can still grow
    soundfile.write(tmp_path / "new" / "more.wav", np.full(16000, 0.1, np.float32), 32000)
    ingest(bank, audio=tmp_path / "new")
    assert Bank(bank).read(["teacher.one", "teacher.two"]).slice(0, 7).to_pydict() == {
        "teacher.one": list(range(7)),
        "teacher.two": list(range(7, 14)),
    }
    assert Bank(bank).num_missing("teacher.two") == 1


def test_a_column_that_was_interrupted_goes_on_after_a_move(bank, sound_folder, tmp_path):
    writer = ColumnWriter(Bank(bank), "teacher.two", pa.int32(), {"made": "by hand"})
    writer.append(Bank(bank).take([0, 1], ["clip_id"]).column(0).combine_chunks(), pa.array([50, 51], pa.int32()))
    sound_folder.rename(tmp_path / "new")
    ingest(bank, audio=tmp_path / "new")
    fill(bank, "teacher.two", range(7))
    assert Bank(bank).read(["teacher.two"]).column(0).to_pylist() == [50, 51, 2, 3, 4, 5, 6]


def test_other_sound_of_the_same_name_and_size_is_other_sound(bank, sound_folder, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    sound, rate = soundfile.read(sound_folder / "1.wav")
    soundfile.write(other / "1.wav", sound[::-1] * 0.5, rate)
    assert os.stat(other / "1.wav").st_size == os.stat(sound_folder / "1.wav").st_size
    shutil.rmtree(sound_folder)
    assert ingest(bank, audio=other).num_added == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "have moved" not in said
    assert "6 files that the bank has clips of are gone" in said


def test_other_sound_of_the_same_time_is_other_sound_too(tmp_path):
    def corpus(folder, first):
        for path in tones(folder, first=first).rglob("*.wav"):
            os.utime(path, ns=(10**18, 10**18))  # as an archive that keeps no times leaves them
        return folder

    ingest(tmp_path / "b.lance", audio=corpus(tmp_path / "one", 300))
    shutil.rmtree(tmp_path / "one")
    assert ingest(tmp_path / "b.lance", audio=corpus(tmp_path / "two", 1500)).num_added == 3
    assert len(Bank(tmp_path / "b.lance")) == 6


def test_sound_that_was_restored_in_its_place_is_the_same(bank, sound_folder, tmp_path, capsys):
    before = Bank(bank).read([*STAY, "teacher.one"])
    shutil.copytree(sound_folder, tmp_path / "backup")
    copied(tmp_path / "backup", sound_folder.with_name("restored"))
    shutil.rmtree(sound_folder)
    (tmp_path / "restored").rename(sound_folder)
    assert ingest(bank, audio=sound_folder).num_added == 0
    assert Bank(bank).read([*STAY, "teacher.one"]).equals(before)
    assert "6 files have another time and the same sound" in " ".join(capsys.readouterr().err.split())
    sound, rate = soundfile.read(sound_folder / "1.wav")
    soundfile.write(sound_folder / "1.wav", sound[::-1] * 0.5, rate)
    with pytest.raises(SondoError, match="1.wav has changed since it was ingested"):
        ingest(bank, audio=sound_folder)


def test_a_change_behind_the_first_clip_is_a_change(bank, sound_folder, tmp_path):
    long = sound_folder / "deep" / "long.flac"
    sound, rate = soundfile.read(long)
    soundfile.write(tmp_path / "long.wav", sound, rate)
    long.unlink()
    (tmp_path / "long.wav").rename(sound_folder / "long.wav")
    ingest(tmp_path / "long.lance", audio=sound_folder)
    sound[-rate // 2 :] *= 0.5  # in the second clip
    soundfile.write(sound_folder / "long.wav", sound, rate)
    with pytest.raises(SondoError, match="long.wav has changed"):
        ingest(tmp_path / "long.lance", audio=sound_folder)


def test_what_is_still_there_has_not_moved(bank, sound_folder, tmp_path):
    shutil.copytree(sound_folder, tmp_path / "second")
    assert ingest(bank, audio=tmp_path / "second").num_added == 7
    assert {os.path.dirname(uri) for uri in Bank(bank).files} >= {str(sound_folder), str(tmp_path / "second")}


def tones(folder, *, first):
    """Files of one length, and so of one size, and of one name in each of three folders."""
    for number, name in enumerate(("a", "b", "c")):
        (folder / name).mkdir(parents=True)
        seconds = np.arange(16000) / 32000
        soundfile.write(folder / name / "0.wav", 0.1 * np.sin(2 * np.pi * (first + 100 * number) * seconds), 32000)
    return folder


@pytest.mark.parametrize("move", [os.rename, copied])
def test_the_end_of_the_path_tells_files_of_one_name_apart(tmp_path, move):
    folder = tones(tmp_path / "old", first=300)
    ingest(tmp_path / "b.lance", audio=folder)
    before, at = Bank(tmp_path / "b.lance").read(["logmel"]), names(tmp_path / "b.lance", folder)
    move(folder, tmp_path / "new")
    assert ingest(tmp_path / "b.lance", audio=tmp_path / "new").num_added == 0
    assert names(tmp_path / "b.lance", tmp_path / "new") == at
    assert Bank(tmp_path / "b.lance").read(["logmel"]).equals(before)


@pytest.mark.parametrize(("move", "num_added"), [(os.rename, 0), (shutil.copyfile, 3)])
def test_files_that_only_their_time_tells_apart(tmp_path, move, num_added):
    ingest(tmp_path / "b.lance", audio=tones(tmp_path / "old", first=300))
    for name in "abc":
        os.makedirs(tmp_path / "new" / f"{name}2")
        move(tmp_path / "old" / name / "0.wav", tmp_path / "new" / f"{name}2" / "0.wav")
    shutil.rmtree(tmp_path / "old")
    assert ingest(tmp_path / "b.lance", audio=tmp_path / "new").num_added == num_added


def test_shards_are_followed(sound_folder, tmp_path):
    sounds = [{"bytes": (sound_folder / f"{n}.wav").read_bytes(), "path": f"{n}.wav"} for n in range(3)]
    (tmp_path / "old").mkdir()
    pyarrow.parquet.write_table(pa.table({"audio": sounds}), tmp_path / "old" / "0.parquet")
    ingest(tmp_path / "b.lance", audio=tmp_path / "old")
    copied(tmp_path / "old", tmp_path / "new")
    assert ingest(tmp_path / "b.lance", audio=tmp_path / "new").num_added == 0
    assert names(tmp_path / "b.lance", tmp_path / "new") == [f"0.parquet#{n}" for n in range(3)]


def test_other_sound_at_the_old_place_is_refused(bank, sound_folder, tmp_path):
    sound_folder.rename(tmp_path / "new")
    ingest(bank, audio=tmp_path / "new")
    sound_folder.mkdir()
    soundfile.write(sound_folder / "1.wav", np.full(16000, 0.1, np.float32), 32000)
    with pytest.raises(SondoError, match=r"1\.wav is not the sound that was ingested from there and has moved"):
        ingest(bank, audio=sound_folder)
    assert len(Bank(bank)) == 7
