"""Fine-tuning on made sound: it learns, it goes on after a kill, and it refuses what it cannot do."""

import dataclasses
import re
import shutil
from itertools import pairwise

import pytest
from noise import write_sound

from sondo.claim import write_json
from sondo.classifier.config import FinetuneConfig
from sondo.errors import SondoError

pytest.importorskip("lightning", reason="needs the extra train")
pytest.importorskip("onnxscript", reason="needs the extra train")

import numpy as np
import torch

import sondo
from sondo.classifier import finetune
from sondo.classifier.module import Finetuning
from sondo.distill.augment import Mix
from sondo.distill.run_folder import alone_in
from sondo.evaluate import told_alike
from sondo.recipe import AugmentConfig

SHORT = FinetuneConfig(head_epochs=2, epochs=2, batch_size=8)


@pytest.fixture
def start(student, tmp_path):
    student.info = {"teacher": {"name": "m2d", "fingerprint": "f", "licence": "evaluation only"}}
    return sondo.students.save(student, tmp_path / "start")


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "student" / "model.safetensors")


@pytest.mark.slow
def test_a_run_that_was_killed_ends_as_one_that_was_not(start, class_folders, tmp_path, monkeypatch):
    whole = finetune(start, data=class_folders, out=tmp_path / "whole", config=SHORT)
    seen = []

    def dies(self):
        seen.append(self.current_epoch)
        if self.current_epoch == 3:
            raise RuntimeError("killed")
        before(self)

    before = Finetuning.on_train_epoch_start
    monkeypatch.setattr(Finetuning, "on_train_epoch_start", dies)
    with pytest.raises(RuntimeError, match="killed"):
        finetune(start, data=class_folders, out=tmp_path / "killed", config=SHORT)
    monkeypatch.setattr(
        Finetuning, "on_train_epoch_start", lambda self: seen.append(self.current_epoch) or before(self)
    )
    resumed = finetune(start, data=class_folders, out=tmp_path / "killed", config=SHORT)
    assert seen == [0, 1, 2, 3, 3]
    assert {**resumed, "classifier": {}} == {**whole, "classifier": {}}
    ours, theirs = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert finetune(start, data=class_folders, out=tmp_path / "killed", config=SHORT) == resumed

    classifier = sondo.load(tmp_path / "killed" / "classifier.onnx")
    trained = sondo.load(tmp_path / "killed")
    assert classifier.classes == ("clicks", "loud", "quiet")
    assert classifier.space_id == trained.space_id != sondo.load(start).space_id
    assert classifier.licence == "evaluation only"
    assert resumed["classifier"]["compared"]["same_first_class"] == 8
    counts = np.array(resumed["valid"]["confusion"])
    assert counts.sum() == resumed["clips"]["valid"]
    assert counts.trace() / counts.sum() == pytest.approx(resumed["valid"]["score"])
    assert [row["found"] for row in resumed["valid"]["by_class"]] == counts.diagonal().tolist()
    assert (tmp_path / "killed" / "classifier.confusion.png").stat().st_size > 1000
    with pytest.raises(SondoError, match="holds another run: finetune.epochs was 2, is now 3"):
        finetune(start, data=class_folders, out=tmp_path / "killed", config=dataclasses.replace(SHORT, epochs=3))


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_left_out(start, class_folders, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(class_folders, data)
    (data / "loud" / "5.wav").write_text("this is no sound")
    for number in range(10):
        shutil.copy(data / "quiet" / f"{number}.wav", data / "quiet" / f"copy of {number}.wav")
    config = FinetuneConfig(head_epochs=1, epochs=0, batch_size=8, valid_fold=1)
    summary = finetune(start, data=data, out=tmp_path / "run", config=config)
    assert sum(summary["clips"].values()) == 39
    assert "the score flatters" in summary["note"]
    assert "1 of 40 files set aside: " in capsys.readouterr().err
    for number in (6, 7):
        (data / "loud" / f"{number}.wav").write_text("this is no sound")
    with pytest.raises(SondoError, match=r"^at least 3 of 40 files cannot be read, more than the share of 0\.05"):
        finetune(start, data=data, out=tmp_path / "another", config=config)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "why"), [(0.1, r"no lower loss on the .* since epoch (\d+)\n"), (3.0, "is no number")]
)
def test_it_says_that_it_stopped_early(start, class_folders, tmp_path, capsys, rate, why):
    config = FinetuneConfig(head_epochs=2, epochs=20, patience=2, batch_size=8, learning_rate=rate)
    finetune(start, data=class_folders, out=tmp_path / "run", config=config)
    err = capsys.readouterr().err
    said = re.search(rf"train: stopped early, in epoch (\d+) of 22: .*{why}", err)
    assert said is not None, err
    if why == "is no number":
        assert "when the head was trained alone: the network is as it was before" in err
    if said.lastindex == 2:
        assert int(said[1]) - int(said[2]) == 2


@pytest.mark.slow
def test_it_learns_several_labels(start, several_labels, tmp_path):
    config = FinetuneConfig(head_epochs=15, epochs=0, batch_size=8, valid_fold=0, test_fold=1)
    summary = finetune(start, data=several_labels, out=tmp_path / "run", config=config)
    assert summary["clips"] == {"train": 16, "valid": 8, "test": 8}
    assert summary["test"]["score"] > 0.8
    assert "by_class" not in summary["valid"]  # it chose the epoch
    assert sum(row["clips"] for row in summary["test"]["by_class"]) == 8  # each label holds for half of the eight
    classifier = sondo.load(tmp_path / "run" / "classifier.onnx")
    assert classifier.multi_label
    both = classifier.classify(write_sound(tmp_path / "b.wav", level=0.3, clicks=40, seed=95))
    assert {item.label for item in both if item.is_chosen} == {"loud", "clicks"}
    assert classifier.classes == ("clicks", "loud")


def module(student, *, multi_label=False, **config):
    model = student.with_head(["a", "b"])
    settings = {"config": FinetuneConfig(**config), "augmentation": AugmentConfig(), "multi_label": multi_label}
    return Finetuning(model, steps_per_epoch=10, **settings)


def test_the_loss_is_cross_entropy_also_of_mixed_labels(student):
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    labels = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 1.0])).blend(torch.eye(2))
    log_p = logits.numpy() - np.log(np.exp(logits.numpy()).sum(1, keepdims=True))
    expected = -(0.75 * log_p[0, 0] + 0.25 * log_p[0, 1] + log_p[1, 1]) / 2
    assert float(module(student).loss(logits, labels)) == pytest.approx(expected)
    sigmoid = 1 / (1 + np.exp(-logits.numpy()))
    each = -(labels.numpy() * np.log(sigmoid) + (1 - labels.numpy()) * np.log(1 - sigmoid))
    assert float(module(student, multi_label=True).loss(logits, labels)) == pytest.approx(each.mean(), rel=1e-5)


def test_the_rate_is_the_heads_first_and_then_lower_and_falling(student):
    made = module(student, head_epochs=2, epochs=4, head_learning_rate=0.1, learning_rate=0.02)
    settings = made.configure_optimizers()
    rates = []
    for _ in range(60):
        rates.append(settings["optimizer"].param_groups[0]["lr"])
        settings["optimizer"].step()
        settings["lr_scheduler"]["scheduler"].step()
    assert rates[:20] == pytest.approx([0.1] * 20)
    assert (rates[20], rates[40]) == (pytest.approx(0.02), pytest.approx(0.01))
    assert all(later < earlier for earlier, later in pairwise(rates[20:]))


@pytest.mark.parametrize(("seconds", "told"), [(65.0, True), (5.0, False)])
def test_a_file_that_outweighs_the_others_is_told(start, tmp_path, monkeypatch, capsys, seconds, told):
    for name, level in (("loud", 0.5), ("quiet", 0.01)):
        for number in range(3):
            long = (name, number) == ("quiet", 0)
            write_sound(tmp_path / "data" / name / f"{number}.wav", level=level, seconds=seconds if long else 0.3)

    def stops(*_, **__):
        raise RuntimeError("so far")

    monkeypatch.setattr("sondo.classifier.finetuning.Finetuning", stops)
    rows = [f"{path},{path.parent.name},{path.stem}" for path in sorted(tmp_path.glob("data/*/*.wav"))]
    (tmp_path / "m.csv").write_text("\n".join(["path,label,fold", *rows]))
    with pytest.raises(RuntimeError, match="so far"):
        finetune(start, data=tmp_path / "m.csv", out=tmp_path / "run", config=SHORT)
    # 65 s are seven windows of 10 s; one window each of the three others that fold 2 leaves
    said = f"7 of 10 windows that are trained on are of one file, {tmp_path / 'data' / 'quiet' / '0.wav'}"
    assert (said in capsys.readouterr().err) is told


@pytest.mark.parametrize("fold", [1, 2])
def test_copies_that_are_trained_on_and_asked_about_are_told(start, tmp_path, monkeypatch, capsys, fold):
    rows = []
    for name, level in (("loud", 0.5), ("quiet", 0.01)):
        for number in range(3):
            write_sound(path := tmp_path / name / f"{number}.wav", level=level * (1 + number / 10), seconds=0.3)
            rows.append(f"{path},{name},{number}")
    copy = shutil.copy(tmp_path / "loud" / "2.wav", tmp_path / "loud" / "again.wav")
    (tmp_path / "m.csv").write_text("\n".join(["path,label,fold", *rows, f"{copy},loud,{fold}"]))

    def looked_through(task, keys, sides):
        raise RuntimeError(told_alike(task, keys, sides).note)

    monkeypatch.setattr("sondo.classifier.finetuning.told_alike", looked_through)
    with pytest.raises(RuntimeError, match=None if fold == 2 else "flatters: .* copies, 1 of them") as stopped:
        finetune(start, data=tmp_path / "m.csv", out=tmp_path / "run", config=FinetuneConfig(valid_fold=2))
    assert ("flatters" in str(stopped.value)) is (fold != 2)
    assert (f"such as {tmp_path / 'loud' / '2.wav'} and {copy}" in capsys.readouterr().err) is (fold != 2)


def test_a_label_that_was_put_right_is_another_run(start, tmp_path, monkeypatch):
    def stops(*_, **__):
        raise RuntimeError("so far")

    monkeypatch.setattr("sondo.classifier.finetuning.Finetuning", stops)
    for number in range(6):
        write_sound(tmp_path / "data" / "ab"[number % 2] / f"{number}.wav", level=0.1)

    def run():
        finetune(start, data=tmp_path / "data", out=tmp_path / "run", config=SHORT, num_folds=2)

    for _ in range(2):  # the same goes on
        with pytest.raises(RuntimeError, match="so far"):
            run()
    (tmp_path / "data" / "a" / "4.wav").rename(tmp_path / "data" / "b" / "4.wav")
    with pytest.raises(SondoError, match="holds another run: files_and_labels was .*Name another --out"):
        run()


def test_an_exported_file_cannot_be_trained(tiny_student, class_folders, tmp_path):
    with pytest.raises(SondoError, match="an exported file, which cannot be trained"):
        finetune(tiny_student, data=class_folders, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_distill_made_is_left_alone(start, class_folders, tmp_path):
    out = tmp_path / "run"
    write_json(out / "train.json", {"student": {}, "bank": {}})
    write_json(out / "recipe.json", {"student": {}, "out": str(out)})
    with pytest.raises(SondoError, match="holds a run of `sondo distill`, not of finetune: name another --out$"):
        finetune(start, data=class_folders, out=out)
    assert sorted(file.name for file in out.glob("[!.]*")) == ["recipe.json", "train.json"]


def test_a_run_that_was_copied_elsewhere_is_the_same_run(start, class_folders, tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr("sondo.classifier.finetuning._Run.run", lambda *_: ran.append(1) or {"score": 1})
    finetune(start, data=class_folders, out=tmp_path / "run", config=SHORT)
    shutil.copytree(tmp_path / "run", tmp_path / "deep" / "copy")
    shutil.rmtree(tmp_path / "run")
    assert finetune(start, data=class_folders, out=tmp_path / "deep" / "copy", config=SHORT) == {"score": 1}
    assert len(ran) == 1


def test_one_process_trains_in_a_folder_and_another_leaves_it_alone(start, class_folders, tmp_path):
    other = dataclasses.replace(SHORT, epochs=3)
    with (
        alone_in(tmp_path / "run"),
        pytest.raises(SondoError, match="another process trains in .*run: wait for it, or name another --out"),
    ):
        finetune(start, data=class_folders, out=tmp_path / "run", config=other)
    assert not (tmp_path / "run" / "train.json").exists()
