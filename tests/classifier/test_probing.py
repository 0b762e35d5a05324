"""`sondo probe` on made sound: a student of three numbers, its head, the file, the report and the picture."""

import json
import shutil
import sys
from unittest.mock import Mock

import numpy as np
import pytest
from noise import RATE, write_sound

import sondo
from sondo.classifier import Head, probe
from sondo.classifier.encoder import open_encoder
from sondo.classifier.onnx_file import write_classifier
from sondo.classifier.reported import keep_report, write_with_report
from sondo.errors import SondoError
from sondo.report.classifier import show_classifier
from sondo.runtime.one_window import OneWindowModel
from sondo.runtime.self_check import self_check

pytest.importorskip("sklearn", reason="needs the extra train")
onnx = pytest.importorskip("onnx", reason="needs the extra train")


@pytest.fixture(scope="module")
def classifier_path(tiny_student, class_folders, tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "c.onnx"
    probe(tiny_student, data=class_folders, out=path)
    return path


def test_new_sound_is_told_and_the_student_is_still_there(classifier_path, tiny_student, tmp_path):
    classifier = sondo.load(classifier_path)
    sounds = {
        "loud": write_sound(tmp_path / "l.wav", level=0.55, seed=90),
        "quiet": write_sound(tmp_path / "q.wav", level=0.011, seed=91),
        "clicks": write_sound(tmp_path / "c.wav", level=0.011, clicks=5, seed=92),
    }
    for label, sound in sounds.items():
        first, *others = classifier.classify(sound)
        assert (first.label, first.is_chosen) == (label, True)
        assert first.probability > 0.8
        assert not any(other.is_chosen for other in others)
        assert first.probability + sum(other.probability for other in others) == pytest.approx(1.0, abs=1e-5)
    student = sondo.load(tiny_student)
    assert classifier.space_id == student.space_id
    assert classifier.licence == student.licence
    assert (classifier.embed(sounds["loud"]) == student.embed(sounds["loud"])).all()


@pytest.mark.slow
def test_a_file_is_never_there_without_its_report(tiny_student, class_folders, tmp_path, monkeypatch):
    module = sys.modules["sondo.classifier.reported"]
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_json", Mock(side_effect=OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            probe(tiny_student, data=class_folders, out=tmp_path / "c.onnx")
    assert not list(tmp_path.glob("*.onnx"))
    probe(tiny_student, data=class_folders, out=tmp_path / "c.onnx")  # the same again, without overwrite
    assert (tmp_path / "c.onnx.json").is_file()


@pytest.mark.slow
def test_the_report_and_the_picture_lie_beside_the_file(tiny_student, class_folders, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra report")
    report = probe(tiny_student, data=class_folders, out=tmp_path / "c.onnx")
    assert json.loads((tmp_path / "c.onnx.json").read_text()) == json.loads(json.dumps(report))
    assert report["score"] == 1.0
    assert report["confusion"] == [[10, 0, 0], [0, 10, 0], [0, 0, 10]]
    assert report["compared"]["same_first_class"] == report["compared"]["clips"] == 8
    assert (tmp_path / "c.confusion.png").read_bytes().startswith(b"\x89PNG")
    note = json.loads({p.key: p.value for p in onnx.load(str(tmp_path / "c.onnx")).metadata_props}["sondo.head"])
    assert note == {"head": "linear", "data": "data", "clips": 30, "metric": "accuracy", "score": 1.0}


@pytest.mark.slow
def test_two_layers_as_well(tiny_student, class_folders, tmp_path):
    report = probe(tiny_student, data=class_folders, out=tmp_path / "c.onnx", head="mlp")
    assert (report["head"], report["score"]) == ("mlp", 1.0)
    kinds = [node.op_type for node in onnx.load(str(tmp_path / "c.onnx")).graph.node]
    assert (kinds.count("Gemm"), kinds.count("Relu"), kinds[-1]) == (2, 1, "Softmax")


@pytest.mark.slow
def test_a_bad_file_among_many_is_named_and_left_out(tiny_student, class_folders, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(class_folders, data)
    (data / "loud" / "bad.wav").write_text("this is no sound")
    report = probe(tiny_student, data=data, out=tmp_path / "c.onnx")
    assert f"left out: {data / 'loud' / 'bad.wav'}: " in capsys.readouterr().err
    assert [(row["label"], row["clips"]) for row in report["by_class"]] == [("clicks", 10), ("loud", 10), ("quiet", 10)]
    assert (report["clips"], report["score"]) == (30, 1.0)
    (data / "loud" / "worse.wav").touch()
    with pytest.raises(
        SondoError, match=r"^at least 2 of 32 files cannot be read, more than .* 0\.05: .*bad\.wav.*worse\.wav"
    ):
        probe(tiny_student, data=data, out=tmp_path / "d.onnx")


@pytest.mark.slow
def test_copies_in_other_folds_are_told_with_the_score(tiny_student, class_folders, tmp_path):
    data = shutil.copytree(class_folders, tmp_path / "data")
    assert "flatters" not in probe(tiny_student, data=data, out=tmp_path / "c.onnx")["note"]
    for number in range(10):
        shutil.copy(data / "loud" / f"{number}.wav", data / "loud" / f"copy of {number}.wav")
    note = probe(tiny_student, data=data, out=tmp_path / "d.onnx")["note"]
    assert "the score flatters: " in note
    assert "keep one of each" in note


def test_a_class_that_cannot_be_heard_at_all_stops_the_work(tiny_student, class_folders, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("this is no sound")
    rows = [f"{path},{path.parent.name},train" for path in sorted(class_folders.rglob("*.wav"))]
    rows[0] = rows[0].replace(",train", ",test")
    (tmp_path / "m.csv").write_text("\n".join(["path,label,split", *rows, f"{bad},rare,train"]))
    with pytest.raises(SondoError, match="no clip of rare can be read"):
        probe(tiny_student, data=tmp_path / "m.csv", out=tmp_path / "c.onnx")


def test_several_labels_with_folds_of_ones_own(tiny_student, several_labels, tmp_path, capsys):
    report = probe(tiny_student, data=several_labels, out=tmp_path / "c.onnx")
    assert (report["multi_label"], len(report["per_fold"]), "confusion" in report) == (True, 4, False)
    assert report["score"] > 0.9
    # an answer is there for each false alarm that the table counts, and none for what was right
    assert len(report["mistakes"]) == sum(row["false_alarms"] for row in report["by_class"])
    classifier = sondo.load(tmp_path / "c.onnx")
    assert classifier.thresholds == pytest.approx([row["threshold"] for row in report["by_class"]])
    both = classifier.classify(write_sound(tmp_path / "b.wav", level=0.3, clicks=40, seed=95))
    assert {item.label for item in both if item.is_chosen} == {"loud", "clicks"}
    assert sum(item.probability for item in both) > 1.2
    show_classifier(report)
    said = capsys.readouterr().out
    assert "mAP 100.0, mean over 4 folds (95 % interval" in said
    assert "the thresholds were chosen on these held-out clips, so that F1, found and false alarms flatter" in said
    assert [(row["label"], row["clips"]) for row in report["by_class"]] == [("clicks", 16), ("loud", 16)]
    neither = classifier.classify(write_sound(tmp_path / "n.wav", level=0.01, seed=96))
    assert not any(item.is_chosen for item in neither)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "is there already.*--overwrite .in Python"),
        ({"out": "c.bin"}, "called something.onnx"),
        ({"out": "d.onnx", "data": None}, "--data"),
        ({"out": "d.onnx", "head": "esc5"}, "leave out --data"),
        ({"out": "d.onnx", "classes": ["a"]}, "only a published head"),
        ({"out": "d.onnx", "model": "absent.onnx"}, "no model at absent.onnx"),
        ({"out": "d.onnx", "model": "c.onnx"}, "is a classifier already"),
        ({"out": "d.onnx", "head": "lineer"}, "no head is called 'lineer': take linear, mlp or words"),
        ({"out": "d.onnx", "num_folds": 11}, "too few clips for 11 folds"),
    ],
)
def test_mistakes(classifier_path, tiny_student, class_folders, monkeypatch, options, message):
    monkeypatch.chdir(classifier_path.parent)
    given = {"model": tiny_student, "data": class_folders, "out": "c.onnx"} | options
    with pytest.raises(SondoError, match=message):
        probe(given.pop("model"), **given)
    assert not classifier_path.with_name("d.onnx").exists()


def test_another_head_is_seen_by_the_file_itself(classifier_path, tmp_path):
    def failed(path):
        return {check.name for check in self_check(path) if not check.passed}

    model = onnx.load(classifier_path)
    (weight,) = [item for item in model.graph.initializer if item.name == "head/weight0"]
    weight.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weight), weight.name))
    onnx.save(model, tmp_path / "c.onnx")
    seen = failed(tmp_path / "c.onnx") - failed(classifier_path)
    assert seen == {f"golden probabilities of {samples} samples" for samples in (3_200, 320_000, 400_000)}


def test_a_file_for_a_phone_gets_no_head_and_is_named(class_folders, monkeypatch, tmp_path):
    phone = Mock(spec=OneWindowModel)
    phone.name = "mobilenetv3"
    monkeypatch.setattr("sondo.classifier.encoder.load", lambda *_, **__: phone)
    with pytest.raises(SondoError, match=r"run\.pte cannot get a head: name the run"):
        probe("run.pte", data=class_folders, out=tmp_path / "c.onnx")


def test_the_student_is_not_replaced_by_its_classifier(tiny_student, class_folders, tmp_path):
    run = tmp_path / "run"
    (run / "student").mkdir(parents=True)
    file = shutil.copy(tiny_student, run / "student.onnx")
    (tmp_path / "link.onnx").symlink_to(file)
    for model, out in ((file, file), (run, file), (file, tmp_path / "link.onnx")):
        with pytest.raises(SondoError, match="is the student that the classifier is made of: name another file"):
            probe(model, data=class_folders, out=out, overwrite=True)
    assert file.read_bytes() == tiny_student.read_bytes()


def test_a_classifier_without_a_picture_leaves_none_of_the_one_before(tiny_student, tmp_path):
    head = Head(mean=np.zeros(3), scale=np.ones(3), layers=((np.eye(3)[:, :2], np.zeros(2)),), classes=("mean", "peak"))
    (tmp_path / "c.confusion.png").write_bytes(b"of another classifier")
    sound = [0.1 * np.ones(RATE, dtype=np.float32)]
    with open_encoder(tiny_student) as encoder:
        write_with_report(encoder, head, tmp_path / "c.onnx", note={}, clips=sound, report={}, keep=keep_report)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.onnx", "c.onnx.json"]


@pytest.mark.parametrize("scale", [1.0, 1e-60])  # the second is 0 in float32, and probabilities are no numbers
def test_a_file_that_does_not_agree_with_its_parts_is_not_left(tiny_student, tmp_path, scale):
    layers = ((np.eye(3)[:, :2], np.zeros(2)),)
    head = Head(mean=np.zeros(3), scale=np.full(3, scale), layers=layers, classes=("mean", "peak"))
    sound = 0.1 * np.ones(RATE, dtype=np.float32)
    with pytest.raises(SondoError, match="a probability differs"):
        write_classifier(
            tiny_student,
            head,
            tmp_path / "c.onnx",
            note={},
            embed=lambda audio: np.array([0.1, 0.9, 0.01]),  # the peak of `sound` is 0.1
            clips=[sound],
        )
    assert list(tmp_path.glob("*c.onnx*")) == []
