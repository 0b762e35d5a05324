"""Training from a bank: it learns, it resumes to the same weights, it refuses what is not the same run."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from sondo.bank import Bank, ingest
from sondo.distill.alignment import alignment
from sondo.distill.cluster import cluster
from sondo.distill.data import BankBatches, stack_repeated
from sondo.distill.module import Distillation
from sondo.distill.train import memory_format, train
from sondo.errors import SondoError
from sondo.recipe import AugmentConfig, StudentConfig, TrainConfig
from sondo.screen import progress
from sondo.students import create, load, load_projector, load_projectors
from sondo.students.dymn_blocks import DynamicKernels

SMALL = StudentConfig(width_mult=0.1)


def taught(bank, *, zero=()):
    """A column of seeded vectors; those of some rows are zero."""
    vectors = np.random.default_rng(0).standard_normal((len(bank), 8)).astype(np.float16)
    vectors[list(zero)] = 0
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8)
    origin = {"teacher": "fake", "fingerprint": "1", "embedding_dim": 8, "licence": "CC0", "num_params": 5}
    bank.add_column("teacher.fake", values.type, iter([values]), origin)


@pytest.fixture
def bank(sound_folder, tmp_path):
    (sound_folder / "deep" / "long.flac").unlink()
    ingest(tmp_path / "b.lance", audio=sound_folder)
    opened = Bank(tmp_path / "b.lance")
    taught(opened)
    return opened


def run(bank, out, **settings):
    clusters = cluster(bank, teacher="teacher.fake", k=2)
    config = TrainConfig(**{"epochs": 2, "batch_size": 4, "clips_per_epoch": 8, "learning_rate": 3e-3} | settings)
    return train(bank, teachers=["teacher.fake"], clusters=clusters, student=SMALL, config=config, out=out)


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is a folder on Linux alone")
def test_workers_without_room_in_shared_memory_are_refused_before_training_waits_for_them(bank, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(SondoError, match=r"--train.workers 2 .*: they need \d+ MB there, 0 MB are free"):
        run(bank, tmp_path / "r", workers=2)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("head", ["mlp", pytest.param("linear", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_the_student_comes_closer_to_its_teacher(bank, tmp_path, head):
    before = run(bank, tmp_path / "one", epochs=1, head=head)
    after = run(bank, tmp_path / "many", epochs=25, head=head)
    cosines = [alignment(bank, "teacher.fake", load(f), load_projector(f))["cosine"] for f in (before, after)]
    assert cosines[1] > cosines[0] + 0.2
    assert load(after).teacher["licence"] == "CC0"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"loss": "cosine + 0.5 * queue_kl(size=10)", "head": "mlp", "projectors": 3},
        pytest.param({"head": "linear"}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one(bank, tmp_path, monkeypatch, settings):
    whole = run(bank, tmp_path / "whole", epochs=3, **settings)
    step = Distillation.training_step

    def killed(self, batch, batch_idx):
        if self.current_epoch == 2:
            raise RuntimeError("killed")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Distillation, "training_step", killed)
    with pytest.raises(RuntimeError, match="killed"):
        run(bank, tmp_path / "broken", epochs=3, **settings)
    monkeypatch.setattr(Distillation, "training_step", step)
    resumed = run(bank, tmp_path / "broken", epochs=3, **settings)
    for name in ("model.safetensors", "projector.safetensors"):
        expected, found = load_file(whole / name), load_file(resumed / name)
        assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_a_failed_training_leaves_no_line_on_the_screen_for_others_to_join(bank, tmp_path, monkeypatch):
    def fails(*_):
        raise RuntimeError("killed")

    monkeypatch.setattr(Distillation, "training_step", fails)
    with pytest.raises(RuntimeError, match="killed"):
        run(bank, tmp_path / "r", epochs=1)
    with progress() as first:
        pass
    with progress() as second:
        assert second is not first


def test_in_a_job_of_slurm_it_trains_alone_and_keeps_its_logs(bank, tmp_path, monkeypatch):
    job = {"JOB_ID": "7", "JOB_NAME": "train", "NTASKS": "2", "PROCID": "1", "LOCALID": "1", "NODEID": "0"}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setattr("lightning.fabric.utilities.rank_zero.rank_zero_only.rank", 1)  # set when it is imported
    run(bank, tmp_path / "run", epochs=1)
    assert len(list((tmp_path / "run" / "logs").rglob("metrics.csv"))) == 1


@pytest.mark.slow
def test_several_mapping_heads_are_one_afterwards_and_meet_the_teacher(bank, tmp_path):
    settings = {"head": "mlp", "projectors": 3, "geometry": "standardise"}
    before, after = (run(bank, tmp_path / f"{epochs}", epochs=epochs, **settings) for epochs in (1, 25))
    cosines = [alignment(bank, "teacher.fake", load(f), load_projector(f))["cosine"] for f in (before, after)]
    assert cosines[1] > cosines[0] + 0.2
    assert load_projector(after).hidden_dim == 3 * load(after).projector_width
    assert load(after).info["training"]["projectors"] == 3


@pytest.mark.slow
def test_clips_without_a_direction_are_neither_trained_on_nor_compared(bank, tmp_path, monkeypatch, capsys):
    taught(bank, zero=[1, 3])
    drawn = []
    read = BankBatches.__getitem__
    monkeypatch.setattr(BankBatches, "__getitem__", lambda self, rows: drawn.extend(rows) or read(self, rows))
    folder = run(bank, tmp_path / "r", epochs=2)
    assert set(drawn) == {0, 2, 4}
    assert "2 of 5 clips are left out, whose teacher.fake is zero" in capsys.readouterr().err
    assert alignment(bank, "teacher.fake", load(folder), load_projector(folder))["clips"] == 3
    taught(bank, zero=range(4))
    with pytest.raises(SondoError, match="has 1 clips to train on"):
        run(bank, tmp_path / "another")


def test_other_settings_in_the_same_folder_are_refused(bank, tmp_path):
    run(bank, tmp_path / "r", epochs=1)
    with pytest.raises(SondoError, match=r"holds another run: train\.epochs was 1, is now 2"):
        run(bank, tmp_path / "r", epochs=2)


def test_a_finished_student_stays_when_the_bank_grows_and_an_unfinished_one_is_told_why(bank, tmp_path, capsys):
    folder = run(bank, tmp_path / "r", epochs=1)
    note = tmp_path / "r" / "train.json"
    grown = json.loads(note.read_text())
    assert not Path(grown["bank"]["path"]).is_relative_to(tmp_path / "r")
    grown["bank"] |= {"num_clips": 3, "num_training_clips": 3}
    grown["clusters"] = "cluster.fake.9"
    note.write_text(json.dumps(grown))
    assert run(bank, tmp_path / "r", epochs=1) == folder
    assert "the bank had 3 clips" in capsys.readouterr().err
    assert json.loads(note.read_text()) == grown
    note.write_text(json.dumps(grown))
    (folder / "config.json").unlink()
    with pytest.raises(SondoError, match=r"holds another run: bank\.num_clips was 3.*the bank had 3 clips and has"):
        run(bank, tmp_path / "r", epochs=1)


def test_sampling_by_classes_says_what_it_never_draws(bank, tmp_path, monkeypatch, capsys):
    rows = bank.read(["uri", "offset_s"]).to_pylist()

    def labelled(count):
        told = {"split": None, "fold": None}
        keys = [(row["uri"], row["offset_s"]) for row in rows]
        bank.describe({key: told | {"labels": ["a"] if place < count else []} for place, key in enumerate(keys)})
        return run(bank, tmp_path / f"{count}", epochs=1, sampling="classes", clips_per_epoch=None)

    monkeypatch.setattr("sondo.distill.train.fit", lambda *_, **__: None)
    labelled(2)
    assert "3 of 5 clips have no label, and --train.sampling classes never draws them" in capsys.readouterr().err
    with pytest.raises(SondoError, match=r"1 of 5 clips to train on has a label, .* at least 2 are needed"):
        labelled(1)


def test_a_finished_student_is_not_that_of_another_bank_of_as_many_clips(bank, tmp_path):
    run(bank, tmp_path / "r", epochs=1)
    other = Bank(shutil.copytree(bank.path, tmp_path / "other.lance"))
    uris = bank.read(["uri", "offset_s"]).to_pylist()
    other.describe({(row["uri"], row["offset_s"]): {"split": "train", "fold": None, "labels": []} for row in uris[1:]})
    other.describe({(uris[0]["uri"], uris[0]["offset_s"]): {"split": "valid", "fold": None, "labels": []}})
    with pytest.raises(SondoError, match=r"holds another run: bank.path was .*/b.lance', is now .*/other.lance'"):
        run(other, tmp_path / "r", epochs=1)


@pytest.mark.parametrize("what", ["labels", "clusters"])
def test_a_training_does_not_go_on_with_other_labels_or_clusters(bank, tmp_path, monkeypatch, capsys, what):
    def describe(*names):
        rows = bank.read(["uri", "offset_s"]).to_pylist()
        told = [{"split": None, "fold": None, "labels": [name]} for name in names]
        bank.describe({(row["uri"], row["offset_s"]): each for row, each in zip(rows, told, strict=True)})

    settings = {"supervised": 0.5} if what == "labels" else {}
    describe("a", "b", "a", "b", "a")
    folder = run(bank, tmp_path / "r", epochs=1, **settings)
    if what == "labels":
        describe("c", "b", "c", "b", "c")  # as many classes as before
    else:
        monkeypatch.setattr("sondo.distill.train.read_clusters", lambda *_: np.array([[0], [1], [0], [1], [0]]))
    assert run(bank, tmp_path / "r", epochs=1, **settings) == folder
    assert "learned from clips of other splits, labels or clusters than" in capsys.readouterr().err
    (folder / "config.json").unlink()
    with pytest.raises(SondoError, match="has begun to train on clips of other splits, labels or clusters than"):
        run(bank, tmp_path / "r", epochs=1, **settings)


def test_a_stale_cluster_column_is_named(bank, tmp_path):
    clusters = cluster(bank, teacher="teacher.fake", k=2)
    values = bank.read(["teacher.fake"]).column(0).combine_chunks()
    origin = bank.origin("teacher.fake") | {"fingerprint": "2"}
    bank.add_column("teacher.fake", values.type, iter([values]), origin)
    config = TrainConfig(epochs=1, batch_size=4)
    with pytest.raises(SondoError, match=r"cluster\.fake\.2 is stale"):
        train(bank, teachers=["teacher.fake"], clusters=clusters, student=SMALL, config=config, out=tmp_path / "r")


def test_test_clips_are_never_trained_on(sound_folder, tmp_path):
    (tmp_path / "m.csv").write_text("path,split\n" + "".join(f"{i}.wav,test\n" for i in range(5)))
    ingest(tmp_path / "b.lance", audio=sound_folder, manifest=tmp_path / "m.csv")
    bank = Bank(tmp_path / "b.lance")
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(10, np.float16)), 2)
    bank.add_column("teacher.fake", values.type, iter([values]), {"embedding_dim": 2})
    config = TrainConfig(epochs=1, sampling="uniform")
    with pytest.raises(SondoError, match=r"0 clips to train on.*splits there: test"):
        train(bank, teachers=["teacher.fake"], clusters=None, student=SMALL, config=config, out=tmp_path / "r")


def test_short_clips_are_repeated_to_the_longest():
    short, long = np.arange(6, dtype=np.float16).reshape(2, 3), np.zeros((2, 7), np.float16)
    stacked = stack_repeated([short, long])
    assert stacked.shape == (2, 2, 7)
    assert stacked[0, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert stacked.dtype == torch.float32


@pytest.fixture
def two_teachers(bank):
    vectors = np.random.default_rng(1).standard_normal((len(bank), 5)).astype(np.float16)
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 5)
    origin = {"teacher": "other", "fingerprint": "2", "embedding_dim": 5, "licence": "MIT", "num_params": 7}
    bank.add_column("teacher.other", values.type, iter([values]), origin)
    return bank, ["teacher.fake", "teacher.other"]


@pytest.mark.slow
@pytest.mark.parametrize("dropping", [0.0, 0.5])
def test_two_teachers_each_have_a_head_that_comes_closer(two_teachers, tmp_path, dropping):
    bank, columns = two_teachers

    def cosines(epochs, clips_per_epoch, out):
        config = TrainConfig(
            epochs=epochs,
            batch_size=4,
            clips_per_epoch=clips_per_epoch,
            learning_rate=3e-3,
            sampling="uniform",
            teacher_dropping=dropping,
        )
        folder = train(bank, teachers=columns, clusters=None, student=SMALL, config=config, out=tmp_path / out)
        student = load(folder)
        heads = load_projectors(folder)
        assert [head.embedding_dim for head in heads] == [8, 5]
        assert student.teacher["name"] == "fake+other"
        assert student.licence == "fake: CC0; other: MIT"
        return [alignment(bank, c, student, head)["cosine"] for c, head in zip(columns, heads, strict=True)]

    before, after = cosines(1, 8, "one"), cosines(4, 40, "many")
    assert after[0] > before[0] + 0.1
    assert after[1] > before[1] + 0.1
    log = next((tmp_path / "many" / "logs").glob("*/metrics.csv")).read_text().splitlines()[0]
    assert {"train_loss", "train_loss.fake", "train_loss.other"} <= set(log.split(","))


def test_two_teachers_of_one_column_are_refused(two_teachers, tmp_path):
    config = TrainConfig(epochs=1, sampling="uniform")
    with pytest.raises(SondoError, match=r"share the column teacher.fake: .*--teacher.label"):
        train(
            two_teachers[0],
            teachers=["teacher.fake", "teacher.fake"],
            clusters=None,
            student=SMALL,
            config=config,
            out=tmp_path / "r",
        )


@pytest.mark.parametrize("geometry", ["centre", "standardise", "phi_s"])
@pytest.mark.slow
def test_the_heads_end_in_the_teachers_own_space_whatever_training_saw(bank, tmp_path, geometry):
    far = np.asarray(bank.read(["teacher.fake"]).column(0).combine_chunks().flatten().to_numpy(), dtype=np.float32)
    values = pa.FixedSizeListArray.from_arrays(pa.array((far + 30).astype(np.float16)), 8)
    origin = {"teacher": "far", "fingerprint": "3", "embedding_dim": 8, "licence": "CC0", "num_params": 5}
    bank.add_column("teacher.far", values.type, iter([values]), origin)
    config = TrainConfig(
        epochs=3,
        batch_size=4,
        clips_per_epoch=8,
        learning_rate=3e-3,
        sampling="uniform",
        geometry=geometry,
        loss="mse",
    )
    folder = train(bank, teachers=["teacher.far"], clusters=None, student=SMALL, config=config, out=tmp_path / "r")
    student, head = load(folder), load_projector(folder)
    with torch.inference_mode():
        mapped = head(student.embed_log_mel(stack_repeated(bank.log_mels(range(5)))))
    assert mapped.mean() == pytest.approx(30, abs=3)


@pytest.mark.slow
def test_augmented_matryoshka_with_a_loss_by_clusters_resumes_to_the_same_weights(bank, tmp_path, monkeypatch):
    clusters = cluster(bank, teacher="teacher.fake", k=2)
    config = TrainConfig(
        epochs=2, batch_size=4, clips_per_epoch=8, loss="cosine + 0.5 * cluster_aware", matryoshka=[8, 96]
    )
    augmentation = AugmentConfig(gain_db=6, roll=True, mixup_alpha=0.3, time_masks=1, mel_masks=1)

    def run_into(out):
        return train(
            bank,
            teachers=["teacher.fake"],
            clusters=clusters,
            student=SMALL,
            config=config,
            augmentation=augmentation,
            out=tmp_path / out,
        )

    whole = run_into("whole")
    step = Distillation.training_step

    def killed(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise RuntimeError("killed")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Distillation, "training_step", killed)
    with pytest.raises(RuntimeError, match="killed"):
        run_into("broken")
    monkeypatch.setattr(Distillation, "training_step", step)
    for name, value in load_file(run_into("broken") / "model.safetensors").items():
        assert torch.equal(value, load_file(whole / "model.safetensors")[name])
    plain = run(bank, tmp_path / "plain")
    assert load(plain).space_id != load(whole).space_id


def test_a_loss_by_clusters_without_clusters_is_refused(bank, tmp_path):
    config = TrainConfig(epochs=1, sampling="uniform", loss="cluster_aware")
    with pytest.raises(SondoError, match="compares clips by their clusters: set --train.sampling balanced"):
        train(bank, teachers=["teacher.fake"], clusters=None, student=SMALL, config=config, out=tmp_path / "r")


def test_dropping_teachers_needs_several(bank, tmp_path):
    config = TrainConfig(epochs=1, sampling="uniform", teacher_dropping=0.5)
    with pytest.raises(SondoError, match="chooses among several teachers, and there is one"):
        train(bank, teachers=["teacher.fake"], clusters=None, student=SMALL, config=config, out=tmp_path / "r")


def test_sampling_by_classes_needs_labels(bank, tmp_path):
    config = TrainConfig(epochs=1, sampling="classes")
    with pytest.raises(SondoError, match="class-balanced sampling needs labels"):
        train(bank, teachers=["teacher.fake"], clusters=None, student=SMALL, config=config, out=tmp_path / "r")


@pytest.mark.slow
def test_training_starts_from_a_file_of_weights_and_the_card_names_it(bank, tmp_path):
    torch.manual_seed(5)
    backbone = create("mobilenetv3", width_mult=0.1).backbone
    torch.save(backbone.state_dict() | {"classifier.2.weight": torch.ones(2, 2)}, tmp_path / "start.pt")
    config = TrainConfig(epochs=1, batch_size=4, clips_per_epoch=4, learning_rate=1e-12, sampling="uniform")
    student = StudentConfig(width_mult=0.1, init=str(tmp_path / "start.pt"))
    folder = train(bank, teachers=["teacher.fake"], clusters=None, student=student, config=config, out=tmp_path / "r")
    found = load(folder)
    assert torch.allclose(found.backbone.features[0][0].weight, backbone.features[0][0].weight, atol=1e-6)
    assert found.info["training"]["init"] == str(tmp_path / "start.pt")


def test_batch_norms_have_the_statistics_of_all_clips_in_evaluation(bank, tmp_path):
    """In every layer, behind the others as they are in evaluation: not those of training's batches of two."""
    student = load(run(bank, tmp_path / "r", epochs=1, batch_size=2, clips_per_epoch=2, replacement=False))
    norms = {name: part for name, part in student.named_modules() if isinstance(part, nn.BatchNorm2d)}
    seen = {}
    for name, norm in norms.items():
        norm.register_forward_pre_hook(lambda _, given, name=name: seen.__setitem__(name, given[0]))
    assert len(bank) <= 8
    with torch.inference_mode():
        student.embed_log_mel(stack_repeated(bank.log_mels(list(range(len(bank))))))
    shift, stretch = [], []
    for name, norm in norms.items():
        mean, variance = seen[name].mean((0, 2, 3)), seen[name].var((0, 2, 3))
        shift.append(((norm.running_mean - mean).abs() / (variance + norm.eps).sqrt()).max())
        stretch.append(((norm.running_var + norm.eps) / (variance + norm.eps)).log().abs().max())
    # not zero: what is kept is divided by n - 1, what training divides by is n, and deep layers see 20 points of a clip
    assert max(shift) < 0.25
    assert max(stretch) < 1


@pytest.mark.parametrize(("starts", "temperature"), [(False, 30), (True, 1)])
@pytest.mark.slow
def test_a_dymn_from_nothing_mixes_its_kernels_evenly_for_good_and_one_of_given_weights_as_these_do(
    bank, tmp_path, starts, temperature
):
    init = str(tmp_path / "start.pt") if starts else None
    if starts:
        torch.save(create("dymn", width_mult=0.1).backbone.state_dict(), init)
    config = TrainConfig(epochs=1, batch_size=4, clips_per_epoch=4, sampling="uniform")
    student = StudentConfig(name="dymn", width_mult=0.1, init=init)
    folder = train(bank, teachers=["teacher.fake"], clusters=None, student=student, config=config, out=tmp_path / "r")
    found = {part.temperature for part in load(folder).backbone.modules() if isinstance(part, DynamicKernels)}
    assert found == {temperature}


@pytest.mark.parametrize(("name", "width"), [("mobilenetv3", 0.1), ("dymn", 0.1), ("eres2net", 0.1), ("eres2net", 0.5)])
def test_every_student_can_learn_at_any_width(name, width):
    torch.manual_seed(0)
    student = create(name, width_mult=width)
    student.backbone.to(memory_format=memory_format(student.backbone))
    student.embed_log_mel(torch.randn(4, 128, 101)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in student.backbone.parameters() if p.grad is not None)
    assert memory_format(create("mobilenetv3", width_mult=0.4).backbone) is torch.channels_last
