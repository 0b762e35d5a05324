"""Classes from words: cosines in the teacher's space, by hand, by torch, and in the file."""

import json
import shutil

import numpy as np
import pytest
import torch
from noise import RATE, write_sound

import sondo
from sondo.classifier import probe
from sondo.classifier.onnx_file import write_classifier
from sondo.classifier.words import WordHead, words_head
from sondo.cli import main
from sondo.errors import SondoError
from sondo.students import Projector
from sondo.students.storage import save

BY_HAND = WordHead(
    mapping=((np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.0, 1.0])),),
    words=np.array([[1.0, 0.6], [0.0, 0.8]]),
    scale=10.0,
    classes=("a", "b"),
)


def test_logits_are_cosines_in_the_teachers_space_times_its_scale():
    # (3, 1.5) is mapped to (3, 4), of length 5: the cosines are 0.6 and 0.6 * 0.6 + 0.8 * 0.8
    assert BY_HAND.logits(np.array([[3.0, 1.5]]))[0] == pytest.approx([6.0, 10.0])
    assert BY_HAND.logits(np.array([[6.0, 3.5]]))[0] == pytest.approx([6.0, 10.0])
    odds = np.exp([6.0, 10.0])
    assert BY_HAND.probabilities(np.array([[3.0, 1.5]]))[0] == pytest.approx(odds / odds.sum())
    assert np.isfinite(BY_HAND.logits(np.array([[0.0, -0.5]]))).all()


class Reader:
    """A teacher of six numbers who reads what it was told."""

    name, fingerprint, embedding_dim, sample_rate, licence, logit_scale = "m2d", "f", 6, RATE, "CC0-1.0", 20.0

    def __init__(self, vectors):
        self.vectors, self.read = vectors, []

    def embed_text(self, texts):
        self.read += texts
        return torch.stack([self.vectors[text] for text in texts])


@pytest.fixture(params=[None, 5], ids=["linear", "mlp"])
def taught(request, exported, tmp_path):
    """A student of that teacher, with its file, its mapping head, and two classes of sound that it tells apart."""
    torch.manual_seed(0)
    student = exported.student
    head = Projector(student.embedding_dim, hidden_dim=request.param, embedding_dim=6).eval()
    with torch.no_grad():
        head.mlp[0].weight.mul_(20)
    save(student, tmp_path / "run" / "student", projector=head)
    shutil.copy(exported.path, tmp_path / "run" / "student.onnx")
    for number in range(6):
        for name, level in (("dog_bark", 0.3), ("rain", 0.001)):
            write_sound(tmp_path / "data" / name / f"{number}.wav", level=level, seed=number)
    model = sondo.load(tmp_path / "run")
    with torch.inference_mode():
        dog, rain = (
            head(torch.from_numpy(model.embed(tmp_path / "data" / name / "0.wav"))) for name in ("dog_bark", "rain")
        )
    middle = (dog / dog.norm() + rain / rain.norm()) / 2
    reader = Reader({"I hear dog bark": dog / dog.norm() - middle, "I hear rain": 3 * (rain / rain.norm() - middle)})
    return reader, head, tmp_path


def test_the_head_is_torchs_cosine_to_the_words(taught):
    reader, head, folder = taught
    made = words_head(folder / "run", ["rain", "dog_bark"], teacher=reader, prompt="I hear {}")
    assert reader.read == ["I hear rain", "I hear dog bark"]
    vectors = torch.randn(5, head.student_dim)
    with torch.inference_mode():
        words = torch.stack([reader.vectors["I hear rain"], reader.vectors["I hear dog bark"]])
        wanted = 20 * torch.cosine_similarity(head(vectors)[:, None], words[None], dim=-1)
    np.testing.assert_allclose(made.logits(vectors.numpy()), wanted.numpy(), atol=1e-3)


def test_only_the_place_of_the_name_is_filled_in(taught):
    reader, _, folder = taught
    reader.vectors = {text: torch.ones(6) for text in ("{x} rain {0}", "{x} dog bark {0}")}
    words_head(folder / "run", ["rain", "dog_bark"], teacher=reader, prompt="{x} {} {0}")
    assert reader.read == ["{x} rain {0}", "{x} dog bark {0}"]


def test_words_are_classes_of_a_file_that_is_measured_on_labelled_sound(taught):
    reader, _, folder = taught
    words = {"head": "words", "teacher": reader, "prompt": "I hear {}"}
    report = probe(folder / "run", data=folder / "data", out=folder / "words.onnx", num_folds=3, **words)
    assert report["score"] == 1.0
    assert report["per_fold"] == [1.0] * 3
    assert report["compared"]["with"] == "the student in torch"
    assert json.loads((folder / "words.onnx.json").read_text())["prompt"] == "I hear {}"
    classifier = sondo.load(folder / "words.onnx")
    assert classifier.classes == ("dog_bark", "rain")
    said = {label.label: label.probability for label in classifier.classify(folder / "data" / "rain" / "4.wav")}
    head = words_head(folder / "run", classifier.classes, teacher=reader, prompt="I hear {}")
    wanted = head.probabilities(sondo.load(folder / "run").embed(folder / "data" / "rain" / "4.wav")[None])[0]
    assert [said[name] for name in classifier.classes] == pytest.approx(wanted, abs=1e-4)


def test_a_file_has_the_heads_cosines(tiny_student, tmp_path):
    head = WordHead(
        mapping=((np.diag([1.0, 2.0, 3.0]), np.zeros(3)), (np.ones((3, 2)) * [[1.0, -2.0]], np.array([0.5, 0.1]))),
        words=np.array([[0.0, 0.6], [1.0, 0.8]]),
        scale=5.0,
        classes=("a", "b"),
    )
    student = sondo.load(tiny_student)
    clips = [np.float32(level) * np.ones(RATE, dtype=np.float32) for level in (0.1, 0.9)]
    embed = lambda audio: student.embed(audio, sample_rate=RATE)  # noqa: E731
    compared = write_classifier(tiny_student, head, tmp_path / "c.onnx", note={}, embed=embed, clips=clips)
    assert compared["largest_difference"] < 1e-5
    wrong = lambda audio: -embed(audio)  # noqa: E731
    with pytest.raises(SondoError, match="a probability differs"):
        write_classifier(tiny_student, head, tmp_path / "d.onnx", note={}, embed=wrong, clips=clips)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"teacher": None}, "who reads the words"),
        ({"classes": None}, "which words"),
        ({"classes": ["rain"]}, "give two or more, not 1"),
        ({"classes": ["rain", "rain"]}, "'rain' is there more than once"),
        ({"classes": ["dog bark", "dog_bark"]}, "'dog bark' is there more than once"),
        ({"prompt": "a sound"}, "has no place for a name"),
        ({"teacher": "modulation"}, "modulation only hears"),
        ({"model": "tiny"}, "holds no mapping head that words could use"),
        ({"data": "data", "classes": ["rain", "dog bark"]}, "no word is 'dog_bark', no label is 'dog bark'"),
        ({"head": "linear", "data": "data", "classes": None}, "leave --teacher out"),
    ],
)
def test_what_cannot_be_words_is_refused(taught, tiny_student, change, message):
    reader, _, folder = taught
    given = {"model": folder / "run", "head": "words", "classes": ["rain", "dog_bark"], "teacher": reader} | change
    given["model"] = tiny_student if given["model"] == "tiny" else given["model"]
    if "data" in given:
        given["data"] = folder / "data"
    reader.vectors = dict.fromkeys(("This is a sound of rain.", "This is a sound of dog bark."), torch.ones(6))
    with pytest.raises(SondoError, match=message):
        probe(given.pop("model"), out=folder / "words.onnx", **given)
    assert not (folder / "words.onnx").exists()


def test_words_of_another_teacher_lead_nowhere(taught):
    reader, _, folder = taught
    reader.fingerprint = "e" * 16
    with pytest.raises(SondoError, match=r"m2d \(eeeeeeeeeeee\) did not teach .*: its teachers are m2d"):
        words_head(folder / "run", ["rain", "dog_bark"], teacher=reader)


def test_words_come_from_a_file_on_the_command_line(taught, monkeypatch, capsys):
    reader, _, folder = taught
    monkeypatch.setattr("sondo.teachers.create", lambda name: reader if name == "hf:clap" else None)
    (folder / "words.txt").write_text("rain\n\ndog_bark\n", encoding="utf-8")
    arguments = ["probe", str(folder / "run"), "--head", "words", "--teacher", "hf:clap", "--prompt", "I hear {}"]
    main([*arguments, "--classes", str(folder / "words.txt"), "--out", str(folder / "w.onnx")])
    assert "2 classes, raw sound in, probabilities out" in capsys.readouterr().out
    assert sondo.load(folder / "w.onnx").classes == ("rain", "dog_bark")
