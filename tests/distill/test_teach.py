"""A teacher over a bank: any object of the teacher's shape, resumed, checked, never mixed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sondo.bank import Bank, ingest
from sondo.bank.schema import BankInfo
from sondo.distill.cluster import cluster, default_k
from sondo.distill.teach import teach
from sondo.errors import SondoError
from sondo.teachers import create


class Loudness:
    """Mean square, mean and length in seconds of each clip."""

    name, sample_rate, embedding_dim, fingerprint, licence = "loudness", 16000, 3, "v1", "CC0"

    def __init__(self, *, fail_after: int | None = None):
        self.seen, self.fail_after = 0, fail_after

    def embed(self, audio):
        self.seen += len(audio)
        if self.fail_after is not None and self.seen > self.fail_after:
            raise KeyboardInterrupt
        seconds = torch.full((len(audio),), audio.shape[1] / self.sample_rate)
        return torch.stack([audio.square().mean(1), audio.mean(1), seconds], dim=1)


@pytest.fixture
def bank(sound_folder, tmp_path):
    ingest(tmp_path / "b.lance", audio=sound_folder)
    return Bank(tmp_path / "b.lance")


def column(bank, name="teacher.loudness"):
    return np.array(bank.read([name]).column(0).to_pylist())


def test_each_clip_is_heard_whole_at_the_teachers_rate(bank):
    assert teach(bank, Loudness()) == "teacher.loudness"
    durations = bank.read(["duration_s"]).column(0).to_numpy()
    vectors = column(bank)
    assert vectors[:, 2] == pytest.approx(durations, abs=0.01)
    assert vectors[:, 0] == pytest.approx(0.3**2 / 2 + 0.02**2, rel=0.05)  # a tone of 0.3 in noise of 0.02
    assert bank.origin("teacher.loudness")["licence"] == "CC0"


def test_a_second_time_nothing_is_taught(bank):
    teach(bank, Loudness())
    again = Loudness()
    teach(bank, again)
    assert again.seen == 0


def test_a_bank_that_can_only_be_read_gives_what_it_has(bank, read_only):
    teach(bank, Loudness())
    read_only(bank)
    assert teach(bank, Loudness()) == "teacher.loudness"
    other = Loudness()
    other.name = "other"
    with pytest.raises(SondoError, match=r"cannot write .*b\.lance: .* copy it to another place"):
        teach(bank, other)
    assert other.seen == 0


def test_an_interrupted_stage_goes_on_and_gives_the_same_column(bank, monkeypatch, tmp_path, sound_folder):
    monkeypatch.setattr("sondo.distill.teach.CLIPS_PER_COMMIT", 2)
    ingest(tmp_path / "other.lance", audio=sound_folder)
    other = Bank(tmp_path / "other.lance")
    teach(other, Loudness())
    with pytest.raises(KeyboardInterrupt):
        teach(bank, Loudness(fail_after=4), batch_size=1)
    assert not bank.has_column("teacher.loudness")
    rest = Loudness()
    teach(bank, rest)
    assert rest.seen == len(bank) - 4
    assert np.array_equal(column(bank), column(other))


def test_another_version_of_a_teacher_is_named_as_stale(bank):
    teach(bank, Loudness())
    newer = Loudness()
    newer.fingerprint = "v2"
    with pytest.raises(SondoError, match="fingerprint was 'v1', is now 'v2'"):
        teach(bank, newer)
    teach(bank, newer, overwrite=True)
    assert bank.origin("teacher.loudness")["fingerprint"] == "v2"


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([float("nan"), 0, 0], "gave nan for"),
        ([1e6, 0, 0], "float16"),
        ([0, 0, 0], "a zero vector"),
        ([1e-10, 0, 2e-8], "a zero vector"),  # in float16, which the bank keeps
        ([1, 2], r"shape \(\d, 2\)"),
    ],
)
def test_vectors_that_are_none_are_refused(bank, vector, message):
    teacher = Loudness()
    teacher.embed = lambda audio: torch.tensor([vector] * len(audio), dtype=torch.float32)
    with pytest.raises(SondoError, match=message):
        teach(bank, teacher)


def test_a_clip_that_gets_a_zero_vector_is_named_and_the_others_are_taught(bank, capsys):
    teacher, heard = Loudness(), Loudness().embed
    teacher.embed = lambda audio: heard(audio) * float(audio.shape[1] != 11200)  # 0.7 s at its rate
    vectors = column(bank, teach(bank, teacher))
    (row,) = [n for n, uri in enumerate(bank.read(["uri"]).column(0).to_pylist()) if uri.endswith("4.wav")]
    assert bank.zero_rows("teacher.loudness").tolist() == [row]
    assert np.all(np.delete(vectors, row, axis=0).any(axis=1))
    said = capsys.readouterr().err
    assert "1 of 7 clips got a zero vector of loudness (are they silent?)" in said
    assert "4.wav at 0 s" in said


def test_a_teacher_that_says_the_same_of_all_clips_is_pointed_out(bank, capsys):
    teach(bank, Loudness())
    assert "same vector" not in capsys.readouterr().err
    teacher = Loudness()
    teacher.name, teacher.embed = "deaf", lambda audio: torch.ones(len(audio), 3)
    teach(bank, teacher)
    assert "deaf gave the same vector for all clips" in capsys.readouterr().err


def test_of_a_bank_that_has_grown_the_clips_that_are_new_are_counted(bank, sound_folder, capsys):
    teacher, heard = Loudness(), Loudness().embed
    teacher.embed = lambda audio: heard(audio) * float(audio.shape[1] != 11200)  # 0.7 s at its rate
    teach(bank, teacher)
    shutil.copy(sound_folder / "4.wav", sound_folder / "5.wav")
    shutil.copy(sound_folder / "3.wav", sound_folder / "6.wav")
    ingest(bank.path, audio=sound_folder)
    bank.refresh()
    capsys.readouterr()
    teach(bank, teacher)
    assert "1 of 2 clips got a zero vector of loudness" in capsys.readouterr().err


def test_a_teacher_that_gave_zero_is_mended_in_the_same_bank(bank):
    teach(bank, Loudness())
    before = column(bank).tolist()
    mended = Loudness()
    mended.name, heard = "other", mended.embed
    mended.embed = lambda audio: 0 * heard(audio)
    with pytest.raises(
        SondoError, match=r"let the teacher give such sound a fixed vector .* other teachers said stays"
    ):
        teach(bank, mended)
    mended.embed, mended.fingerprint = lambda audio: 0 * heard(audio) + 0.5, "mended"
    teach(bank, mended)
    assert np.all(column(bank, "teacher.other") == 0.5)
    assert column(bank).tolist() == before


def test_another_teacher_of_the_same_name_is_told_by_what_it_says(bank, sound_folder):
    class Unnamed(Loudness):
        fingerprint = ""

    class Other(Unnamed):
        def embed(self, audio):
            return super().embed(audio).flip(1).numpy()  # an array will do

    teach(bank, Unnamed())
    assert teach(bank, Unnamed()) == "teacher.loudness"
    with pytest.raises(SondoError, match=r"by another teacher of this name.*a name of its own, and a `fingerprint`"):
        teach(bank, Other())
    shutil.rmtree(sound_folder)  # nobody can be asked, and nobody needs to be
    assert teach(bank, Unnamed()) == "teacher.loudness"


def test_another_teacher_of_the_same_name_does_not_go_on_with_a_column(bank, monkeypatch):
    class Unnamed(Loudness):
        fingerprint = ""

    class Other(Unnamed):
        def embed(self, audio):
            return super().embed(audio).flip(1)

    monkeypatch.setattr("sondo.distill.teach.CLIPS_PER_COMMIT", 3)
    with pytest.raises(KeyboardInterrupt):
        teach(bank, Unnamed(fail_after=4))
    with pytest.raises(SondoError, match="by another teacher of this name"):
        teach(bank, Other())
    teach(bank, Unnamed())
    assert not (column(bank) == column(bank)[:, ::-1]).all()


def test_a_teacher_may_be_called_in_any_script(bank, capsys):
    def called(name):
        teacher = Loudness()
        teacher.name = name
        return teach(bank, teacher)

    assert (called("教師"), called("pédagogue 2")) == ("teacher.教師", "teacher.pédagogue_2")
    assert (column(bank, "teacher.教師") == column(bank, "teacher.pédagogue_2")).all()
    assert cluster(bank, teacher="teacher.教師", k=2) == "cluster.教師.2"
    with pytest.raises(SondoError, match=r"teacher '\+\+' has neither a letter nor a digit .*--teacher.label"):
        called("++")


def test_sound_that_is_gone_is_named(bank, sound_folder):
    (sound_folder / "3.wav").unlink()
    with pytest.raises(SondoError, match=r"3\.wav is gone"):
        teach(bank, Loudness())


def test_vectors_computed_elsewhere_need_no_sound(bank, sound_folder):
    class Looked:
        name, sample_rate, embedding_dim, needs_audio = "looked", 0, 2, False

        def lookup(self, clip_ids, uris, offsets_s):
            return np.array([[len(uri), offset + 1] for uri, offset in zip(uris, offsets_s, strict=True)], np.float32)

    (sound_folder / "3.wav").unlink()
    teach(bank, Looked())
    rows = bank.read(["uri", "offset_s"]).to_pylist()
    assert column(bank, "teacher.looked").tolist() == [[len(r["uri"]), r["offset_s"] + 1] for r in rows]


def test_a_vector_that_one_clip_has_goes_to_no_other_of_a_bank_that_has_grown(bank, sound_folder, tmp_path):
    """`0.wav` is a key for each file of that name, and of the later one nothing was computed."""
    (tmp_path / "v.txt").write_text("0.wav\n")
    np.save(tmp_path / "v.npy", np.ones((1, 3)))
    (sound_folder / "later").mkdir()
    shutil.copy(sound_folder / "1.wav", sound_folder / "later" / "0.wav")

    def taught(name):
        (tmp_path / "m.csv").write_text(f"path\n{name}\n")
        ingest(tmp_path / "few.lance", manifest=tmp_path / "m.csv", audio=sound_folder)
        teach(Bank(tmp_path / "few.lance"), create("precomputed", checkpoint=tmp_path / "v.npy"))

    taught("0.wav")
    with pytest.raises(SondoError, match=r"the key '0.wav' fits more than one clip, .*/0\.wav .* and .*later/0\.wav"):
        taught("later/0.wav")


def test_files_whose_vectors_are_in_the_bank_are_not_read_again_when_it_grows(
    bank, sound_folder, tmp_path, monkeypatch
):
    (tmp_path / "npz").mkdir()
    for name in "012":
        np.savez(tmp_path / "npz" / f"{name}.npz", embedding=np.ones(3, np.float32))
    read, load = [], np.load
    monkeypatch.setattr(np, "load", lambda path, **options: (read.append(Path(path).stem), load(path, **options))[1])
    for names in (["0", "1"], ["0", "1", "2"]):
        (tmp_path / "m.csv").write_text("\n".join(["path", *(f"{name}.wav" for name in names)]))
        ingest(tmp_path / "few.lance", manifest=tmp_path / "m.csv", audio=sound_folder)
        teacher = create("precomputed", checkpoint=tmp_path / "npz")
        read.clear()
        teach(Bank(tmp_path / "few.lance"), teacher)
    assert read == ["2"]


def test_clusters_part_what_is_apart(bank):
    teach(bank, Loudness())
    name = cluster(bank, teacher="teacher.loudness", k=2)
    assert name == "cluster.loudness.2"
    numbers = bank.read([name]).column(0).to_numpy()
    long = column(bank)[:, 2] > 5
    assert len(set(numbers[long])) == len(set(numbers[~long])) == 1
    assert set(numbers[long]) != set(numbers[~long])


def test_clusters_of_changed_vectors_are_made_again(bank, capsys):
    teach(bank, Loudness())
    cluster(bank, teacher="teacher.loudness", k=2)
    cluster(bank, teacher="teacher.loudness", k=2)
    assert "is there for all" in capsys.readouterr().err
    newer = Loudness()
    newer.fingerprint = "v2"
    teach(bank, newer, overwrite=True)
    cluster(bank, teacher="teacher.loudness", k=2)
    assert "made again" in capsys.readouterr().err
    assert bank.origin("cluster.loudness.2")["teacher"]["fingerprint"] == "v2"


def test_clusters_need_vectors_and_enough_clips(bank):
    with pytest.raises(SondoError, match=r"no column teacher\.loudness.*sondo teach"):
        cluster(bank, teacher="teacher.loudness", k=2)
    teach(bank, Loudness())
    with pytest.raises(SondoError, match="8 clusters of 7 clips"):
        cluster(bank, teacher="teacher.loudness", k=8)


def test_the_number_of_clusters_follows_the_paper_or_the_bank():
    assert [default_k(n) for n in (2, 40, 200, 10**6)] == [1, 10, 50, 50]


def test_compat_takes_no_parts_of_files_for_it_hears_their_middle(sound_folder, tmp_path):
    (tmp_path / "m.csv").write_text("path,offset_s,duration_s\ndeep/long.flac,0,11.5\n1.wav,,\n")  # all of it
    given = {"manifest": tmp_path / "m.csv", "audio": sound_folder, "info": BankInfo(compat="ssondo")}
    assert ingest(tmp_path / "p.lance", **given).num_clips == 2
    for part in ("1,", "0,5"):
        (tmp_path / "m.csv").write_text(f"path,offset_s,duration_s\ndeep/long.flac,{part}\n")
        with pytest.raises(SondoError, match=r"long\.flac: a part from [01] s on, but in a bank of compat ssondo"):
            ingest(tmp_path / "q.lance", **given)


def test_compat_hears_the_middle_and_shows_the_student_the_start(tmp_path):
    rate = 16000
    ramp = (np.arange(14 * rate) / (14 * rate)).astype(np.float32)
    (tmp_path / "sound").mkdir()
    soundfile.write(tmp_path / "sound" / "long.wav", ramp, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "sound" / "short.wav", ramp[: 2 * rate] + 0.5, rate, subtype="FLOAT")
    ingest(tmp_path / "b.lance", audio=tmp_path / "sound", info=BankInfo(compat="ssondo"))
    bank = Bank(tmp_path / "b.lance")
    rows = bank.read(["uri", "offset_s", "duration_s", "frames"]).to_pylist()
    assert [(r["offset_s"], r["duration_s"], r["frames"]) for r in rows] == [(0.0, 10.0, 624), (0.0, 2.0, 624)]

    class Ends:
        name, sample_rate, embedding_dim = "ends", rate, 3

        def embed(self, audio):
            assert audio.shape[1] == 10 * rate
            return torch.stack([audio[:, 0], audio[:, -1], audio[:, 2 * rate - 1]], dim=1) + 1

    column = teach(bank, Ends())
    found = np.stack(bank.read([column]).column(0).to_pylist()) - 1
    np.testing.assert_allclose(found[0, :2], [2 / 14, 12 / 14], atol=2e-3)
    np.testing.assert_allclose(found[1], [0.5, 0.0, 0.5 + 2 / 14], atol=2e-3)
    student_start = bank.log_mels([1])[0]
    assert student_start[:, 200:].max() == student_start[:, 200:].min() == np.float16(np.log(1e-3))
