"""Sound into an index: every clip of every file, once, whatever interrupts; and a teacher's vectors out of a bank."""

import os
import shutil
import sys

import numpy as np
import pytest
import soundfile

pytest.importorskip("lance", reason="needs the extra search")
pytest.importorskip("torch", reason="needs the extra train")

import pyarrow as pa

from sondo.bank import Bank, ingest
from sondo.distill.teach import teach
from sondo.errors import SondoError
from sondo.loading import load
from sondo.search import Index, build, query
from sondo.search import fill as fill_module
from sondo.teachers import create


def high_tone(seconds):
    return (0.3 * np.sin(2 * np.pi * 3000.0 * np.arange(round(seconds * 32000)) / 32000)).astype(np.float32)


TOY = {"fingerprint": "0123456789abcdef", "embedding_dim": 24, "licence": "CC0-1.0"}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "index.lance"


def places(path):
    return {(row["uri"].rsplit("/", 1)[-1], row["offset_s"]) for row in Index(path).rows()}


def test_every_clip_of_a_folder_is_there_and_finds_itself(sound_folder, student_folder, out):
    report = build(sound_folder, out, model=student_folder)
    short = {(f"{number}.wav", 0.0) for number in range(5)}
    assert places(out) == short | {("long.flac", 0.0), ("long.flac", 10.0)}
    assert (report.num_clips, report.num_added, report.rejected, report.is_approximate) == (7, 7, {}, False)
    info = Index(out).info
    model = load(student_folder)
    assert (info.kind, info.space_id, info.embedding_dim) == ("student", model.space_id, model.embedding_dim)
    assert (info.sample_rate, info.licence) == (model.sample_rate, model.licence)
    hits = query(out, sound_folder / "3.wav", k=3)
    assert hits[0].uri.endswith("3.wav")
    assert hits[0].cosine == pytest.approx(1.0, abs=1e-4)
    assert hits[0].cosine > hits[1].cosine >= hits[2].cosine


def test_the_second_time_nothing_is_heard_again(sound_folder, student_folder, out, monkeypatch):
    build(sound_folder, out, model=student_folder)
    monkeypatch.setattr("sondo.students.TorchModel.embed", lambda *_, **__: pytest.fail("heard again"))
    report = build(sound_folder, out, model=student_folder)
    assert (report.num_clips, report.num_added) == (7, 0)


@pytest.mark.parametrize("already", [False, True])
def test_what_another_process_indexed_while_this_one_waited_is_not_there_twice(
    sound_folder, student_folder, out, monkeypatch, already
):
    if already:
        build(sound_folder / "deep", out, model=student_folder)
    build_module = sys.modules["sondo.search.build"]
    opened = build_module._open

    def slowly(*arguments):
        if already:
            index = opened(*arguments)
            monkeypatch.undo()
            build(sound_folder, out, model=student_folder)
            return index
        monkeypatch.undo()
        bank_module = sys.modules["sondo.bank.bank"]
        write_lock = bank_module.write_lock

        def beaten(folder):
            monkeypatch.undo()
            build(sound_folder, out, model=student_folder)
            return write_lock(folder)

        monkeypatch.setattr(bank_module, "write_lock", beaten)
        return opened(*arguments)

    monkeypatch.setattr(build_module, "_open", slowly)
    report = build(sound_folder, out, model=student_folder)
    assert (report.num_clips, report.num_added) == (7, 0)


def test_an_interrupted_build_keeps_its_clips_and_goes_on(sound_folder, student_folder, out, monkeypatch):
    add, count = fill_module.Filling.add, []

    def stop_after_three(self, row, vector):
        if len(count) == 3:
            raise KeyboardInterrupt
        count.append(row)
        add(self, row, vector)

    monkeypatch.setattr(fill_module.Filling, "add", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        build(sound_folder, out, model=student_folder)
    assert len(Index(out)) == 3
    monkeypatch.undo()
    report = build(sound_folder, out, model=student_folder)
    assert (report.num_clips, report.num_added) == (7, 4)


def test_a_clip_to_which_two_ways_lead_is_there_once_as_in_a_bank(sound_folder, student_folder, out, tmp_path):
    (sound_folder / "link.wav").symlink_to(sound_folder / "0.wav")
    assert build(sound_folder, out, model=student_folder).num_clips == 7
    assert ingest(tmp_path / "bank.lance", audio=sound_folder).num_clips == 7
    manifest, long = tmp_path / "parts.csv", sound_folder / "deep" / "long.flac"
    manifest.write_text(f"path,offset_s\n{long},\n{long},10.0\n")
    assert build(manifest, tmp_path / "parts.lance", model=student_folder).num_clips == 2
    long.touch()
    assert build(manifest, tmp_path / "parts.lance", model=student_folder).num_clips == 2


def test_a_file_that_changed_is_heard_again_and_replaces_what_was_there(sound_folder, student_folder, out):
    build(sound_folder, out, model=student_folder)
    soundfile.write(sound_folder / "deep" / "long.flac", high_tone(4.0), 32000)
    report = build(sound_folder, out, model=student_folder)
    assert (report.num_clips, report.num_added) == (6, 1)
    hits = query(out, sound_folder / "deep" / "long.flac", k=1)
    assert hits[0].uri.endswith("long.flac")
    assert hits[0].cosine == pytest.approx(1.0, abs=1e-4)


@pytest.mark.slow
def test_files_that_are_gone_from_the_folder_are_dropped_and_those_of_other_folders_stay(
    sound_folder, student_folder, out, tmp_path, capfd
):
    elsewhere = tmp_path / "sound elsewhere"
    elsewhere.mkdir()
    for name, sound in (("kept.wav", high_tone(1.0)), ("bad.wav", [])):
        soundfile.write(elsewhere / name, sound, 32000)
    build(elsewhere, out, model=student_folder, max_bad_share=0.5)
    build(sound_folder, out, model=student_folder)
    for gone in (sound_folder / "0.wav", sound_folder / "deep" / "long.flac", *elsewhere.iterdir()):
        gone.unlink()
    report = build(sound_folder, out, model=student_folder)
    assert (report.num_clips, report.num_added, report.num_dropped) == (5, 0, 3)
    assert "2 files are gone" in capfd.readouterr().err
    assert places(out) == {(f"{number}.wav", 0.0) for number in range(1, 5)} | {("kept.wav", 0.0)}
    soundfile.write(elsewhere / "new.wav", high_tone(1.0), 32000)
    assert build(elsewhere, out, model=student_folder).num_dropped == 1
    assert Index(out).rejected() == {}
    (elsewhere / "new.wav").unlink()
    build(sound_folder, out, model=student_folder)
    assert "1 files of the index are gone, such as" in capfd.readouterr().err
    with pytest.raises(SondoError, match="no audio in"):  # a disk that is not mounted looks the same
        build(elsewhere, out, model=student_folder)
    assert len(Index(out)) == 5


def copied(folder, to):
    """A copy whose files have the time of now, and the folder gone."""
    shutil.copytree(folder, to, copy_function=shutil.copyfile)
    shutil.rmtree(folder)


@pytest.mark.parametrize("move", [os.rename, copied])
def test_a_folder_that_was_moved_or_copied_is_followed(sound_folder, student_folder, out, tmp_path, capfd, move):
    build(sound_folder, out, model=student_folder)
    before = places(out)
    move(sound_folder, tmp_path / "moved")
    report = build(tmp_path / "moved", out, model=student_folder)
    assert (report.num_clips, report.num_added, report.num_dropped) == (7, 0, 0)
    assert "6 files have moved" in capfd.readouterr().err
    assert places(out) == before
    assert {row["uri"].split("/moved/")[0] for row in Index(out).rows()} == {str(tmp_path.resolve())}


def test_a_file_that_was_touched_is_named_once(sound_folder, student_folder, out, capfd):
    build(sound_folder, out, model=student_folder)
    (sound_folder / "0.wav").touch()
    assert build(sound_folder, out, model=student_folder).num_added == 0
    assert f"such as {(sound_folder / '0.wav').resolve()}: their clips are kept" in capfd.readouterr().err


def test_other_sound_of_the_same_name_size_and_time_is_other_sound(sound_folder, student_folder, out, tmp_path):
    build(sound_folder, out, model=student_folder)
    (tmp_path / "other").mkdir()
    for path in sound_folder.glob("*.wav"):
        sound, rate = soundfile.read(path)
        soundfile.write(tmp_path / "other" / path.name, sound * np.linspace(0, 1, len(sound)) ** 2, rate)
        os.utime(tmp_path / "other" / path.name, ns=(os.stat(path).st_mtime_ns,) * 2)
        path.unlink()
    report = build(tmp_path / "other", out, model=student_folder)
    assert report.num_added == 5


def test_a_banks_index_follows_its_bank(sound_folder, out, tmp_path):
    ingest(tmp_path / "b.lance", audio=sound_folder)
    teach(Bank(tmp_path / "b.lance"), create("modulation"))
    build(tmp_path / "b.lance", out, teacher="modulation")
    sound_folder.rename(tmp_path / "moved")
    ingest(tmp_path / "b.lance", audio=tmp_path / "moved")
    report = build(tmp_path / "b.lance", out, teacher="modulation")
    assert (report.num_clips, report.num_added) == (7, 0)
    assert {row["uri"] for row in Index(out).rows()} == set(Bank(tmp_path / "b.lance").files)


def test_bad_files_are_set_aside_with_their_reason_and_taken_once_mended(sound_folder, student_folder, out):
    bad = sound_folder / "bad.wav"
    bad.write_bytes(b"no sound at all")
    with pytest.raises(SondoError, match=r"^at least 1 of 7 files cannot be read.*--max_bad_share.*bad\.wav"):
        build(sound_folder, out, model=student_folder)
    report = build(sound_folder, out, model=student_folder, max_bad_share=0.5)
    assert report.num_clips == 7
    assert list(report.rejected) == [str(bad.resolve())]
    assert list(Index(out).rejected()) == [str(bad.resolve())]
    soundfile.write(bad, high_tone(1.0), 32000)
    assert build(sound_folder, out, model=student_folder).num_clips == 8
    assert Index(out).rejected() == {}


def test_a_clip_whose_vector_has_no_direction_is_set_aside(sound_folder, student_folder, out, monkeypatch):
    soundfile.write(sound_folder / "silent.wav", np.zeros(32000, dtype=np.float32), 32000)
    monkeypatch.setattr(
        "sondo.students.TorchModel.embed", lambda model, sound, **_: np.full(model.embedding_dim, np.abs(sound).max())
    )
    report = build(sound_folder, out, model=student_folder, max_bad_share=0.5)
    assert report.num_clips == 7
    (reason,) = report.rejected.values()
    assert "zero or not finite" in reason


def test_labels_come_from_a_manifest(sound_folder, student_folder, out, tmp_path):
    manifest = tmp_path / "sounds.csv"
    manifest.write_text(f"path,label\n{sound_folder / '0.wav'},low\n{sound_folder / '4.wav'},high\n")
    build(manifest, out, model=student_folder)
    assert [hit.labels for hit in query(out, sound_folder / "4.wav", k=2)] == [("high",), ("low",)]


def test_labels_that_were_corrected_count_and_those_that_are_not_named_stay(
    sound_folder, student_folder, out, tmp_path, monkeypatch, capsys
):
    manifest = tmp_path / "sounds.csv"
    manifest.write_text(f"path,label\n{sound_folder / '0.wav'},low\n{sound_folder / '4.wav'},high\n")
    build(manifest, out, model=student_folder)
    monkeypatch.setattr("sondo.students.TorchModel.embed", lambda *_, **__: pytest.fail("heard again"))
    manifest.write_text(f"path,label\n{sound_folder / '0.wav'},low\n{sound_folder / '4.wav'},high;shrill\n")
    for _ in range(2):
        build(manifest, out, model=student_folder)
    assert capsys.readouterr().err.count("1 clip with other labels than before") == 1
    manifest.write_text(f"path\n{sound_folder / '0.wav'}\n{sound_folder / '4.wav'}\n")
    build(manifest, out, model=student_folder)
    assert [row["labels"] for row in Index(out).rows()] == [["low"], ["high", "shrill"]]


def test_a_part_that_is_not_there_says_nothing_of_other_parts(sound_folder, student_folder, out, tmp_path):
    manifest, sound = tmp_path / "parts.csv", sound_folder / "1.wav"
    manifest.write_text(f"path,offset_s,duration_s\n{sound},0,0.5\n{sound},100,0.5\n{sound_folder / '2.wav'},0,1\n")
    assert list(build(manifest, out, model=student_folder, max_bad_share=0.5).rejected) == [str(sound.resolve())]
    manifest.write_text(f"path,offset_s,duration_s\n{sound},0,0.5\n{sound},0.5,0.5\n")
    assert build(manifest, out, model=student_folder).rejected == {}
    assert places(out) == {("1.wav", 0.0), ("1.wav", 0.5), ("2.wav", 0.0)}


def test_a_part_that_has_another_length_now_is_heard_again(sound_folder, student_folder, out, tmp_path):
    manifest, sound = tmp_path / "parts.csv", (sound_folder / "1.wav").rename(sound_folder / "it's one.wav")
    for length_s in (0.5, 0.7):
        rows = "".join(f"{sound},{offset_s},{length_s if offset_s else 0.2}\n" for offset_s in (0, 0.25))
        manifest.write_text(f"path,offset_s,duration_s\n{rows}")
        report = build(manifest, out, model=student_folder)
    assert (report.num_clips, report.num_added) == (2, 1)
    assert {row["offset_s"]: row["duration_s"] for row in Index(out).rows()} == {0.0: 0.2, 0.25: 0.7}
    _, (_, _, vector) = Index(out).clips_of(str(sound.resolve()))
    model, (samples, rate) = load(student_folder), soundfile.read(sound, dtype="float32")
    wanted = model.embed(samples[round(0.25 * rate) : round(0.95 * rate)], sample_rate=rate)
    assert vector @ wanted / np.linalg.norm(wanted) == pytest.approx(1.0, abs=1e-5)


def test_of_a_bank_the_share_of_unreadable_files_is_one_of_files(sound_folder, student_folder, out, tmp_path):
    sounds = tmp_path / "some"
    sounds.mkdir()
    soundfile.write(sounds / "long.wav", high_tone(100), 32000)
    shutil.copy(sound_folder / "0.wav", sounds / "bad.wav")
    ingest(tmp_path / "b.lance", audio=sounds)
    (sounds / "bad.wav").write_bytes(b"no sound")
    with pytest.raises(SondoError, match="at least 1 of 2 files cannot be read"):
        build(tmp_path / "b.lance", out, model=student_folder, max_bad_share=0.2)


def teach_toy(bank_path, *, zero=()):
    """A column `teacher.toy` of 24 seeded values, zero in some rows."""
    bank = Bank(bank_path)
    vectors = np.random.default_rng(0).standard_normal((len(bank), 24)).astype(np.float16)
    vectors[list(zero)] = 0
    origin = {"stage": "teach", "teacher": "toy", "sample_rate": 32000, **TOY}
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 24)
    with bank.lock():
        bank.add_column("teacher.toy", pa.list_(pa.float16(), 24), iter([column]), origin)
    return bank, vectors


def test_a_banks_column_becomes_an_index_without_any_model(sound_folder, out, tmp_path):
    ingest(tmp_path / "bank.lance", audio=sound_folder)
    bank, vectors = teach_toy(tmp_path / "bank.lance")
    report = build(tmp_path / "bank.lance", out, teacher="toy")
    assert (report.num_clips, report.num_added) == (7, 7)
    index = Index(out)
    assert (index.info.kind, index.info.model, index.info.fingerprint) == ("teacher", "toy", "0123456789abcdef")
    assert (index.info.embedding_dim, index.info.licence) == (24, "CC0-1.0")
    uris = bank.read(["uri"]).column(0).to_pylist()
    hit, *_ = index.nearest(vectors[4].astype(np.float32), space_id=index.info.space_id, k=1)
    assert hit.uri == uris[4]
    assert build(tmp_path / "bank.lance", out, teacher="toy").num_added == 0


def test_clips_of_a_column_that_have_no_direction_are_left_out(sound_folder, out, tmp_path, capsys):
    ingest(tmp_path / "bank.lance", audio=sound_folder)
    bank, _ = teach_toy(tmp_path / "bank.lance", zero=[2])
    assert build(tmp_path / "bank.lance", out, teacher="toy").num_clips == 6
    assert "1 clips are left out, whose teacher.toy is zero" in capsys.readouterr().err
    assert bank.read(["uri"]).column(0)[2].as_py() not in {row["uri"] for row in Index(out).rows()}


def test_a_bank_can_be_heard_by_a_model_too(sound_folder, student_folder, out, tmp_path):
    ingest(tmp_path / "bank.lance", audio=sound_folder)
    assert build(tmp_path / "bank.lance", out, model=student_folder).num_clips == 7
    assert ("long.flac", 10.0) in places(out)


def test_what_cannot_be_built_is_refused_with_a_way_out(sound_folder, student_folder, out, tmp_path):
    ingest(tmp_path / "bank.lance", audio=sound_folder)
    with pytest.raises(SondoError, match=r"no column teacher\.toy.*none yet.*sondo teach"):
        build(tmp_path / "bank.lance", out, teacher="toy")
    with pytest.raises(SondoError, match="is no bank"):
        build(sound_folder, out, teacher="toy")
    with pytest.raises(SondoError, match="--model MODEL, or --teacher NAME"):
        build(sound_folder, out)
    assert not os.path.exists(out)


def test_vectors_of_two_spaces_are_never_in_one_index(sound_folder, student_folder, out, tmp_path):
    build(sound_folder, out, model=student_folder)
    ingest(tmp_path / "bank.lance", audio=sound_folder)
    teach_toy(tmp_path / "bank.lance")
    with pytest.raises(SondoError, match="name another path for the index"):
        build(tmp_path / "bank.lance", out, teacher="toy")


def test_an_index_below_a_file_is_refused_before_the_work(student_folder, sound_folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SondoError, match=r"cannot write .*file is a file"):
        build(sound_folder, tmp_path / "file" / "i.lance", model=student_folder)
