"""Labels in training: classes, average precision against scikit-learn, runs with labels beside or without teachers."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score

from sondo.bank import Bank, ingest
from sondo.cli import main
from sondo.distill.data import multi_hot
from sondo.distill.online import OnlineTeacher
from sondo.distill.supervised import AveragePrecision, classes_of
from sondo.distill.teach import teach
from sondo.distill.train import train
from sondo.errors import SondoError
from sondo.recipe import StudentConfig, TrainConfig
from sondo.students import load, load_projectors

LABELS = ["low;tone", "low", "high", "high;tone", "high"]


class Loudness:
    name, sample_rate, embedding_dim, licence = "loudness", 16000, 2, "CC0"

    def embed(self, audio):
        return audio.square().mean(1, keepdim=True).sqrt() * audio.new_tensor([1.0, -2.0])


def make_bank(sound_folder, path, labels=LABELS, split="valid"):
    rows = [f"{index}.wav,,{names}" for index, names in enumerate(labels)]
    rows.append(f"deep/long.flac,{split},high;unheard")  # two clips
    (sound_folder / "m.csv").write_text("\n".join(["path,split,labels", *rows]) + "\n")
    ingest(path, audio=sound_folder, manifest=sound_folder / "m.csv")
    return Bank(path)


@pytest.fixture
def bank(sound_folder, tmp_path):
    return make_bank(sound_folder, tmp_path / "b.lance")


def run(bank, out, *, teachers=(), **settings):
    config = TrainConfig(
        **{"epochs": 2, "batch_size": 4, "clips_per_epoch": 8, "learning_rate": 3e-3, "sampling": "classes"} | settings
    )
    student = StudentConfig(width_mult=0.1)
    return train(bank, teachers=list(teachers), clusters=None, student=student, config=config, out=out)


def logged(out, name):
    header, *rows = next((out / "logs").glob("*/metrics.csv")).read_text().splitlines()
    place = header.split(",").index(name)
    return [float(row.split(",")[place]) for row in rows if row.split(",")[place]]


def test_classes_are_those_of_the_trained_clips(bank):
    assert classes_of(bank, np.arange(5), np.array([5, 6])) == ["high", "low", "tone"]
    assert classes_of(bank, np.array([1]), np.array([5, 6])) == ["low"]


def test_labels_as_numbers():
    found = multi_hot([["b", "a"], None, ["c"], ["b", "b"]], ["a", "b"])
    assert found.tolist() == [[1, 1], [0, 0], [0, 0], [0, 1]]


def test_average_precision_over_batches_is_scikit_learns():
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(40, 5)), generator.random((40, 5)) > 0.7
    meter = AveragePrecision()
    for part in np.array_split(np.arange(40), 3):
        meter.add(torch.from_numpy(logits[part]), torch.from_numpy(labels[part]).float())
    assert meter.num_clips == 40
    assert meter.result() == pytest.approx(average_precision_score(labels, logits, average="macro"))
    assert meter.num_clips == 0


@pytest.mark.slow
def test_labels_alone_teach_without_a_teacher(bank, tmp_path):
    folder = run(bank, tmp_path / "r", supervised=1.0, epochs=5, clips_per_epoch=24)
    losses = logged(tmp_path / "r", "train_loss")
    rates = logged(tmp_path / "r", "lr-Adam")
    assert len(rates) == len(losses)
    assert 0 < rates[-1] < max(rates) <= 3e-3
    assert losses[-1] < 0.7 * losses[0]
    student = load(folder)
    assert student.teacher == {}
    assert student.licence == "MIT"
    assert load_projectors(folder) == []
    notes = student.info["training"]
    assert notes["supervised"] == 1.0
    assert notes["classes"] == 3
    assert 0 < notes["valid_map"] <= 1
    assert len(logged(tmp_path / "r", "valid_map")) == 5


@pytest.mark.slow
def test_the_mix_learns_both(bank, tmp_path):
    column = teach(bank, Loudness())
    folder = run(bank, tmp_path / "r", teachers=[column], supervised=0.4, epochs=5, clips_per_epoch=24)
    parts = [logged(tmp_path / "r", f"train_loss{part}") for part in ("", ".labels", ".distillation")]
    assert parts[1][-1] < parts[1][0]
    assert parts[2][-1] < parts[2][0]
    assert parts[0] == pytest.approx([0.4 * told + 0.6 * met for told, met in zip(*parts[1:], strict=True)], rel=1e-4)
    student = load(folder)
    assert student.licence == "CC0"
    assert [head.embedding_dim for head in load_projectors(folder)] == [2]
    assert "classifier" not in " ".join(load_file(folder / "model.safetensors"))


def test_without_watched_clips_there_is_no_figure(sound_folder, tmp_path):
    bank = make_bank(sound_folder, tmp_path / "b.lance", split="test")
    notes = load(run(bank, tmp_path / "r", supervised=1.0, epochs=1)).info["training"]
    assert "valid_map" not in notes
    assert notes["classes"] == 3


def test_clips_without_labels_are_refused(sound_folder, tmp_path):
    bank = make_bank(sound_folder, tmp_path / "b.lance", labels=["low", "", "high", "high", ""])
    with pytest.raises(SondoError, match=r"needs labels: 2 of 7 clips .*1\.wav at 0 s.*labels column"):
        run(bank, tmp_path / "r", supervised=0.5, teachers=[teach(bank, Loudness())])


def test_nobody_to_learn_from_is_refused(bank, tmp_path):
    with pytest.raises(SondoError, match="nobody teaches"):
        run(bank, tmp_path / "r", supervised=0.5)


@pytest.mark.slow
def test_the_whole_way_on_labels_alone_hands_no_licence_down(bank, sound_folder, tmp_path, monkeypatch, capsys):
    def written_quickly(student, path, **options):
        path.write_bytes(b"a network")
        report = {"judged_cosine": 1.0, "judged": "every clip", "precision": "float32"}
        path.with_name(f"{path.name}.json").write_text(json.dumps(report))

    monkeypatch.setattr("sondo.pipeline.to_onnx", written_quickly)
    options = [
        "--train.supervised",
        "1",
        "--train.sampling",
        "classes",
        "--train.epochs",
        "1",
        "--train.batch_size",
        "4",
    ]
    main(["distill", "--bank", str(bank.path), "--out", str(tmp_path / "r"), "--student.width_mult", "0.1", *options])
    assert json.loads((tmp_path / "r" / "summary.json").read_text())["alignment"] is None
    assert not bank.has_column("teacher.modulation")
    said = capsys.readouterr()
    assert "trained on labels alone" in " ".join(said.out.split())
    assert "modulation" not in said.out
    assert "teacher" not in said.out
    assert "licence" not in said.out + said.err


def test_labels_alone_ask_no_teacher(bank, tmp_path):
    config, student = TrainConfig(supervised=1.0), StudentConfig(width_mult=0.1)
    settings = {"teachers": ["teacher.loudness"], "student": student, "config": config, "out": tmp_path / "r"}
    with pytest.raises(SondoError, match=r"no column cluster\.loudness\.2 to draw.*--train.sampling classes"):
        train(bank, clusters="cluster.loudness.2", **settings)
    with pytest.raises(SondoError, match="no teacher is asked: leave out --teacher.online"):
        train(bank, clusters=None, online=[OnlineTeacher(Loudness())], **settings)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(SondoError, match=r"train\.supervised is .*from 0 to 1"):
        TrainConfig(supervised=share)
