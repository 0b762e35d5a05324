"""Whose run a folder is: what must be as it was, what may change, and how paths are told apart."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from filelock import FileLock

import sondo
from sondo import pipeline
from sondo.audio.decode import list_audio_files
from sondo.bank import Bank, ingest
from sondo.bank.schema import CLIP_SCHEMA, BankInfo
from sondo.claim import LOCK, claim_folder, no_trace_if_refused, write_json
from sondo.classifier.onnx_file import check_out
from sondo.distill.run_folder import alone_in
from sondo.distill.train import train
from sondo.errors import SondoError
from sondo.evaluate import load_task
from sondo.evaluate.contender import teacher_of_run
from sondo.recipe import Recipe, StudentConfig, TeacherConfig, TrainConfig

SMALL = {"student": StudentConfig(width_mult=0.1), "train": TrainConfig(epochs=1, batch_size=2)}
LISTENING = {"teacher": {"online": True}, "augment": {"roll": True}}


@pytest.fixture
def begun(sound_folder, tmp_path, monkeypatch):
    """A run's folder with a bank and a summary, and a way to type the command again: whether it runs anything."""
    monkeypatch.chdir(tmp_path)
    ingest(tmp_path / "r" / "bank.lance", audio=sound_folder)
    recipe = Recipe(out="r", audio="sound", **SMALL)
    (tmp_path / "r" / "recipe.json").write_text(json.dumps(recipe.to_dict()))
    (tmp_path / "r" / "summary.json").write_text('{"seconds": "of the first time"}')
    ran = []
    monkeypatch.setattr(pipeline, "_stages", lambda *_: ran.append(1) or {})

    def again(**settings):
        before = len(ran)
        pipeline.distil(Recipe(**{"out": "r", "audio": "sound", **SMALL, **settings}))
        return len(ran) > before

    return again


def test_two_spellings_of_a_path_are_one(begun, tmp_path, monkeypatch):
    assert not begun(audio="sound/", out="r/")
    assert not begun(audio=str(tmp_path / "sound"), workers=2)
    monkeypatch.chdir(tmp_path / "r")
    assert not begun(audio="../sound", out=".")


def test_a_moved_run_is_the_same_run(begun, tmp_path):
    (tmp_path / "r" / "student").mkdir()
    os.rename(tmp_path / "r", tmp_path / "elsewhere")
    assert not begun(out="elsewhere")


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_run_whose_sound_was_moved_is_the_same_run(begun, sound_folder, tmp_path, has_begun):
    if has_begun:
        (tmp_path / "r" / "checkpoints").mkdir()
    sound_folder.rename(tmp_path / "elsewhere")
    (tmp_path / "r" / "summary.json").unlink()
    assert begun(audio="elsewhere")
    bank = Bank(tmp_path / "r" / "bank.lance")
    assert len(bank) == 7
    assert bank.files == [str(path.resolve()) for path in list_audio_files(tmp_path / "elsewhere")]


def test_sound_that_came_after_a_finished_run_is_named(begun, sound_folder, capsys):
    assert not begun()
    assert "came later" not in capsys.readouterr().err
    soundfile.write(sound_folder / "new.wav", np.full(16000, 0.1, np.float32), 32000)
    assert not begun()
    assert f"1 files of sound came later and were not heard, such as {sound_folder / 'new.wav'}: name" in (
        capsys.readouterr().err
    )
    sound_folder.rename(sound_folder.with_name("gone"))
    assert not begun()
    assert "came later" not in capsys.readouterr().err


def test_until_training_begins_only_the_banks_sound_is_fixed(begun, tmp_path):
    (tmp_path / "r" / "summary.json").unlink()
    assert begun(train=TrainConfig(epochs=2, loss="l1"))
    other = tmp_path / "other"
    other.mkdir()
    soundfile.write(other / "0.wav", np.full(16000, 0.1, np.float32), 32000)
    with pytest.raises(SondoError, match=r"audio was '.*sound', is now '.*other'. Name another --out$"):
        begun(audio=str(other))  # in the same bank, training would take both
    (tmp_path / "r" / "checkpoints").mkdir()
    with pytest.raises(SondoError, match=r"was 2, is now 3. Name another --out, with --bank r/bank\.lance"):
        begun(train=TrainConfig(epochs=3, loss="l1"))


def test_what_is_measured_afterwards_may_be_asked_for_later(begun, tmp_path):
    (tmp_path / "r" / "student").mkdir()
    assert not begun()
    assert begun(int8=True)
    assert not begun(int8=True)


def test_labels_that_were_put_right_are_scored_again(begun, sound_folder, tmp_path, capsys):
    table = tmp_path / "labels.csv"

    def label(*labels):
        rows = [f"sound/{number}.wav,{label},{number % 2}" for number, label in enumerate(labels)]
        table.write_text("path,label,fold\n" + "\n".join(rows))

    label("a", "a", "b", "b")
    task = {"task": "folder", "data": str(table)}
    assert begun(**task)
    scored = {"tasks": {"folder": {"data": load_task("folder", table).fingerprint}}}
    write_json(tmp_path / "r" / "summary.json", scored)
    assert not begun(**task)
    table.unlink()  # a finished run needs its data no longer
    assert not begun(**task)
    label("b", "b", "a", "a")
    assert begun(**task)
    assert "has other labels or parts than when folder was scored" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": {"loss": "cosin"}}, "no loss is called 'cosin'"),
        ({"train": {"matryoshka": [64, 100_000]}}, "do not fit an embedding of"),
        ({"train": {"loss": "cluster_aware", "sampling": "uniform"}}, "compares clips by their clusters"),
        (
            {"student": {"name": "dymn", "width_mult": 0.4, "init": "efficientat/dymn10_im"}},
            "has width 1 and this student 0.4: take --student.init efficientat/dymn04_im or",
        ),
        ({"student": {"width_mult": 0.1, "init": "mn01.pt"}}, "no weights at mn01.pt"),
        ({"teacher": {"online": True}}, "nothing changes the sound: set --augment.gain_db"),
        ({"augment": {"views": 2}}, "set --teacher.online, or leave it out"),
        ({**LISTENING, "train": {"supervised": 1, "sampling": "uniform"}}, "leave out --teacher.online"),
        ({**LISTENING, "compat": "ssondo"}, "compat ssondo teacher and student hear other parts"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_done(sound_folder, tmp_path, settings, message):
    with pytest.raises(SondoError, match=message):
        sondo.distill(**{"audio": sound_folder, "out": tmp_path / "r", "student": {"width_mult": 0.1}} | settings)
    assert not (tmp_path / "r" / "bank.lance").exists()


def test_fields_of_the_recipe_that_do_not_exist_are_named(tmp_path):
    with pytest.raises(SondoError, match=r"TrainConfig has no field 'epoch': did you mean epochs\?$"):
        sondo.distill(audio="x", out=tmp_path / "r", train={"epoch": 1})
    with pytest.raises(SondoError, match=r"Recipe.*'epochs'"):
        sondo.distill(audio="x", out=tmp_path / "r", epochs=3)
    with pytest.raises(SondoError, match=r"TeacherConfig.*'nam'"):
        sondo.distill(audio="x", out=tmp_path / "r", more_teachers=[{"nam": "m2d"}])
    with pytest.raises(SondoError, match="workers is -1: expected at least 1"):
        sondo.distill(audio="x", out=tmp_path / "r", workers=-1)
    with pytest.raises(SondoError, match="has no name, sample_rate, embedding_dim, embed: give a name"):
        sondo.distill(audio="x", out=tmp_path / "r", teacher=lambda audio: audio)
    with pytest.raises(SondoError, match=r"train\.seed is -1: expected from 0 to 4294967295"):
        sondo.distill(audio="x", out=tmp_path / "r", train={"seed": -1})


class Named:
    name, sample_rate, embedding_dim = "named", 16000, 3

    def embed(self, audio):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": {"sampling": "balance"}}, "train.sampling is 'balance': expected balanced or uniform or classes"),
        ({"train": {"head": "lin"}}, "train.head is 'lin': expected mlp or linear"),
        ({"train": {"precision": "fp32"}}, "train.precision is 'fp32'"),
        ({"train": {"epochs": 2.5}}, "train.epochs is 2.5: expected a whole number"),
        ({"train": {"matryoshka": ["x"]}}, r"train.matryoshka is \['x'\]: expected a list"),
        ({"train": "fast"}, "train is 'fast': expected a sondo.recipe.TrainConfig or its fields"),
        ({"cluster": {"k": 4.5}}, "cluster.k is 4.5: expected a whole number or None"),
        ({"student": 3}, "student is 3: expected a sondo.recipe.StudentConfig"),
        ({"student": {"width_mult": "0.1"}}, "student.width_mult is '0.1': expected a number or None"),
        ({"teacher": Named}, "the teacher is the class Named: give an object of it"),
        ({"more_teachers": [Named()]}, "more_teachers is .*Named.*: expected a list of which each is a sondo.recipe.T"),
        ({"more_teachers": "modulatoin"}, "modulatoin"),
        ({"compat": "sondo"}, "compat is 'sondo': expected ssondo or None"),
        ({"augment": {"roll": 1}}, "augment.roll is 1: expected True or False"),
    ],
)
def test_values_of_another_kind_are_named_before_anything_is_done(sound_folder, tmp_path, settings, message):
    with pytest.raises(SondoError, match=message):
        sondo.distill(**{"audio": sound_folder, "out": tmp_path / "r", **settings})
    assert not (tmp_path / "r" / "bank.lance").exists()


def test_a_recipe_by_name_lies_below_what_is_given(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(pipeline, "distil", lambda recipe, teacher: ran.append(recipe))
    (tmp_path / "mine.yaml").write_text("recipe: paper\ntrain: {loss: l1}\n")
    sondo.distill(out="r", audio="s", student="dymn", recipe="paper", train={"epochs": 3})
    sondo.distill(out="r", recipe=tmp_path / "mine.yaml", bank="b", train={"seed": 1})
    sondo.distill(out="r", audio="s")
    dymn, mine, plain = ran
    assert (dymn.student.name, dymn.student.init, dymn.train.epochs) == ("dymn", "efficientat/dymn10_im", 3)
    assert dymn.train.warmup_epochs == mine.train.warmup_epochs == 8  # the paper's
    assert (mine.student.name, mine.train.loss, mine.train.seed, mine.audio) == ("mobilenetv3", "l1", 1, None)
    assert plain == Recipe(out="r", audio="s")


def test_numbers_of_numpy_and_paths_are_taken():
    train = TrainConfig(epochs=np.int64(2), learning_rate=np.float32(0.5), weight_decay=1)
    student = StudentConfig(init=Path("w.pt"))
    settings = Recipe(out="r", audio="sound", bank=Path("b.lance"), train=train, student=student).to_dict()
    kept = json.loads(json.dumps(settings))
    assert (kept["train"]["epochs"], kept["train"]["learning_rate"], kept["student"]["init"]) == (2, 0.5, "w.pt")
    assert kept["bank"] == os.path.abspath("b.lance")


def test_one_process_trains_in_a_folder(tmp_path):
    with alone_in(tmp_path / "r"):
        with pytest.raises(SondoError, match="another process trains in"), alone_in(tmp_path / "r"):
            pass
        with alone_in(tmp_path / "other"):
            pass
    with alone_in(tmp_path / "r"):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SondoError, match=r"cannot write .*file/r: .*file is a file, name another place"):
        claim_folder(tmp_path / "file" / "r", {})
    with pytest.raises(SondoError, match="file is a file"), alone_in(tmp_path / "file" / "r"):
        pass


def test_hidden_files_make_no_other_folder_of_it(tmp_path):
    (tmp_path / ".DS_Store").touch()
    assert claim_folder(tmp_path, {"a": 1}) == set()
    (tmp_path / "result").touch()
    with pytest.raises(SondoError, match="a was 1, is now 2"):
        claim_folder(tmp_path, {"a": 2})


DISTILL, TRAIN = ("recipe.json", {"teacher": {}}), ("train.json", {"train": {}})
REPRODUCE, FINETUNE = ("recipe.json", {"grid": "mine"}), ("train.json", {"finetune": {}})


def begin(folder, run):
    """Claim a folder, leave something in it."""
    note, settings = run
    claim_folder(folder, settings, note=note)
    (folder / "result").touch()


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (FINETUNE, REPRODUCE, "r holds a run of `sondo finetune`, not of reproduce: name another --out"),
        (DISTILL, FINETUNE, "r holds a run of `sondo distill`, not of finetune: name another --out"),
        (TRAIN, REPRODUCE, "r holds a run of `sondo train`, not of reproduce: name another --out"),
        (REPRODUCE, DISTILL, "r holds a run of `sondo reproduce`, not of distill: name another --out"),
    ],
)
def test_a_folder_of_another_kind_of_run_is_refused(tmp_path, first, second, message):
    begin(tmp_path / "r", first)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SondoError, match=f"{message}$"):
        begin(tmp_path / "r", second)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_whole_way_and_its_training_share_a_folder(tmp_path):
    begin(tmp_path / "r", DISTILL)
    begin(tmp_path / "r", TRAIN)
    begin(tmp_path / "r", DISTILL)
    assert {"recipe.json", "train.json"} <= {path.name for path in (tmp_path / "r").iterdir()}


def test_of_very_many_settings_that_differ_a_few_are_named(tmp_path):
    begin(tmp_path / "r", ("recipe.json", {f"s{number:02}": 0 for number in range(20)}))
    with pytest.raises(SondoError, match=r"s04 was 0, is now 1; and 15 settings more\. Name another --out$"):
        claim_folder(tmp_path / "r", {f"s{number:02}": 1 for number in range(20)})


@pytest.mark.parametrize("was_there", [True, False])
def test_a_run_that_is_refused_leaves_nothing_that_was_not_there(sound_folder, tmp_path, was_there):
    out = tmp_path / "deep" / "r"
    if was_there:
        out.mkdir(parents=True)
    bank = tmp_path / "b.lance"
    ingest(bank, audio=sound_folder)
    there = set(tmp_path.rglob("*"))
    for settings in ({"train": {"loss": "foo"}}, {"teacher": "nobody"}, {"audio": tmp_path / "absent"}):
        with pytest.raises(SondoError):
            sondo.distill(**{"audio": sound_folder, "out": out} | settings)
    with pytest.raises(SondoError, match=r"has no column teacher\.a"):
        train(Bank(bank), teachers=["teacher.a"], clusters=None, student=StudentConfig(), config=TrainConfig(), out=out)
    assert set(tmp_path.rglob("*")) == there


def test_what_a_refused_run_has_done_stays(tmp_path):
    def distil():
        with no_trace_if_refused(tmp_path / "r"):
            write_json(tmp_path / "r" / "recipe.json", {})
            (tmp_path / "r" / "bank.lance").mkdir()
            raise SondoError

    with pytest.raises(SondoError):
        distil()
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["bank.lance", "recipe.json"]


def test_what_another_process_has_begun_meanwhile_stays(tmp_path):
    out, another = tmp_path / "r", FileLock(tmp_path / "r" / LOCK)

    def late():
        with no_trace_if_refused(out):
            write_json(out / "train.json", {})  # the other begins after this one has looked
            with another, alone_in(out):
                pass

    with pytest.raises(SondoError, match="another process trains in"):
        late()
    assert (out / "train.json").exists()


def test_a_teachers_weights_are_found_wherever_the_next_command_is_typed(begun, tmp_path):
    (tmp_path / "v.txt").write_text("0.wav\n")
    np.save(tmp_path / "v.npy", np.ones((1, 3)))
    teacher = TeacherConfig(name="precomputed", checkpoint="v.npy")
    (tmp_path / "r" / "summary.json").unlink()
    assert begun(teacher=teacher)
    assert teacher_of_run(tmp_path / "r").checkpoint == str(tmp_path / "v.npy")
    (tmp_path / "r" / "student").mkdir()
    assert not begun(teacher=teacher)
    (tmp_path / "v.npy").unlink()  # a finished run is known without them
    assert not begun(teacher=teacher)


@pytest.mark.parametrize(
    "make",
    [
        lambda place: Bank.create(place, BankInfo()),
        lambda place: claim_folder(place, {}),
        lambda place: check_out(place.with_suffix(".onnx"), student="run", overwrite=False),
    ],
)
def test_a_place_whose_name_is_not_utf_8_is_refused(tmp_path, make):
    with pytest.raises(SondoError, match=r"o\\xff.*: its name is not UTF-8, name another place"):
        make(tmp_path / os.fsdecode(b"o\xff"))
    assert not any(tmp_path.iterdir())


def test_a_folder_of_another_user_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != tmp_path)
    with pytest.raises(SondoError, match=re.escape(f"nothing can be made in {tmp_path}, name another place")):
        claim_folder(tmp_path, {})


def test_a_bank_that_is_moved_while_it_is_filled_is_not_begun_anew(tmp_path):
    bank = Bank.create(tmp_path / "b.lance", BankInfo())
    (tmp_path / "b.lance").rename(tmp_path / "moved.lance")
    with pytest.raises(SondoError, match=r"b\.lance is gone"):
        bank.append(CLIP_SCHEMA.empty_table())
    assert not (tmp_path / "b.lance").exists()
