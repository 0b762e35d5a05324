"""A classifier's file made by hand: embedding = (mean, peak) of the samples, logits = 10 times that."""

import pickle

import numpy as np
import pytest
import soundfile
from test_onnx_model import METADATA, write

from sondo.classify import classify_files
from sondo.cli import main
from sondo.errors import SondoError
from sondo.loading import load
from sondo.runtime import OnnxClassifier, OnnxModel, open_onnx

onnx = pytest.importorskip("onnx", reason="needs the extra train")

ONE = {"sondo.classes": '["low", "high"]', "sondo.multi_label": "false"}
SEVERAL = {"sondo.classes": '["low", "high"]', "sondo.multi_label": "true", "sondo.thresholds": "[0.6, 0.9]"}
RATE = 32000


def classifier(path, metadata, *, final="Softmax"):
    """A student's file with a head behind it."""
    model = onnx.load(str(write(path, METADATA)))
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    model.graph.node.extend(
        [
            helper.make_node("Concat", ["embedding", "vectors"], ["rows"], axis=0),
            helper.make_node("Mul", ["rows", "ten"], ["logits"]),
            helper.make_node(final, ["logits"], ["probabilities"]),
        ]
    )
    model.graph.initializer.extend(
        [helper.make_tensor("ten", kind, [1], [10.0]), helper.make_tensor("vectors", kind, [0, 2], [])]
    )
    model.graph.input.append(helper.make_tensor_value_info("vectors", kind, ["given", 2]))
    model.graph.output.append(helper.make_tensor_value_info("probabilities", kind, ["batch", 2]))
    helper.set_model_props(model, METADATA | metadata)
    onnx.save(model, str(path))
    return path


def softmax(logits):
    odds = np.exp(np.asarray(logits) - np.max(logits, axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def constant(level, seconds=0.5):
    return np.full(round(seconds * RATE), level, dtype=np.float32)


def test_a_file_is_opened_as_what_it_is(tmp_path):
    model = load(classifier(tmp_path / "c.onnx", ONE), threads=1)
    assert isinstance(model, OnnxClassifier)
    assert (model.classes, model.multi_label, model.thresholds) == (("low", "high"), False, ())
    assert (model.embedding_dim, model.space_id, model.licence) == (2, "tiny-abc", "CC0-1.0")
    sent = pickle.loads(pickle.dumps(model))
    assert sent.classify(constant(0.3), sample_rate=RATE) == model.classify(constant(0.3), sample_rate=RATE)
    assert type(open_onnx(write(tmp_path / "s.onnx", METADATA))) is OnnxModel
    with pytest.raises(SondoError, match="a student without a head"):
        OnnxClassifier(tmp_path / "s.onnx")


def test_one_sound_a_batch_and_a_list(tmp_path):
    model = open_onnx(classifier(tmp_path / "c.onnx", ONE))
    pulse = constant(0.0)
    pulse[100] = 0.5
    mean = 0.5 / len(pulse)
    expected = softmax([10 * mean, 5.0])
    assert model.probabilities(pulse, sample_rate=RATE) == pytest.approx(expected, abs=1e-5)
    both = model.probabilities(np.stack([pulse, constant(0.2)]), sample_rate=RATE)
    assert both == pytest.approx(np.stack([expected, [0.5, 0.5]]), abs=1e-5)
    assert model.probabilities([constant(0.2), pulse], sample_rate=RATE) == pytest.approx(both[::-1], abs=1e-5)
    first, second = model.classify(pulse, sample_rate=RATE)
    assert (first.label, first.is_chosen, second.label, second.is_chosen) == ("high", True, "low", False)
    assert first.probability == pytest.approx(expected[1], abs=1e-5)
    with pytest.raises(SondoError, match="classify takes one sound"):
        model.classify([pulse], sample_rate=RATE)


def test_a_long_sound_is_one_question_about_its_average(tmp_path):
    model = open_onnx(classifier(tmp_path / "c.onnx", ONE))
    sound = np.concatenate([constant(0.0, 10), constant(0.0, 5)])
    sound[400000] = 0.9  # in the second window alone
    frames = np.array([624, 1 + (160000 - 1024) // 512])
    means, peaks = np.array([0.0, 0.9 / 160000]), np.array([0.0, 0.9])
    average = [np.average(means, weights=frames), np.average(peaks, weights=frames)]
    assert model.probabilities(sound, sample_rate=RATE) == pytest.approx(softmax(10 * np.array(average)), abs=1e-5)
    first, second = model.classify_segments(sound, sample_rate=RATE)
    assert (first.start_s, first.end_s, second.start_s, second.end_s) == (0.0, 10.0, 10.0, 15.0)
    assert first.predictions[0].probability == pytest.approx(0.5, abs=1e-5)
    assert second.predictions[0] == ("high", pytest.approx(softmax([0, 9.0])[1], abs=1e-4), True)


@pytest.mark.parametrize("rate", [None, 16_000])
def test_segments_of_a_file_end_where_the_file_does(tmp_path, rate):
    model = open_onnx(classifier(tmp_path / "c.onnx", ONE))
    soundfile.write(tmp_path / "a.wav", constant(0.1, 12.0), RATE)
    for path in (tmp_path / "a.wav", str(tmp_path / "a.wav")):
        parts = model.classify_segments(path, sample_rate=rate)
        assert [(part.start_s, part.end_s) for part in parts] == [(0.0, 10.0), (10.0, 12.0)]


def test_kept_embeddings_need_no_sound(tmp_path):
    model = open_onnx(classifier(tmp_path / "c.onnx", ONE))
    vectors = np.array([[0.1, 0.2], [0.0, 0.0], [0.3, 0.1]])
    assert model.probabilities_of(vectors) == pytest.approx(softmax(10 * vectors), abs=1e-5)
    with pytest.raises(SondoError, match=r"takes vectors \(n, 2\)"):
        model.probabilities_of(np.zeros((1, 3)))


def test_several_labels_each_have_a_threshold(tmp_path):
    model = open_onnx(classifier(tmp_path / "c.onnx", SEVERAL, final="Sigmoid"))
    sound = constant(0.1)
    # both logits are 1, both probabilities 0.731: above 0.6, below 0.9
    chosen = {item.label: item.is_chosen for item in model.classify(sound, sample_rate=RATE)}
    assert chosen == {"low": True, "high": False}
    assert model.probabilities(sound, sample_rate=RATE) == pytest.approx([0.7310586] * 2, abs=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"sondo.classes": '["a", "b", "c"]'},
        {"sondo.multi_label": "true"},
        {"sondo.multi_label": "true", "sondo.thresholds": "[0.5]"},
        {"sondo.classes": "low, high"},
        {"sondo.classes": "3"},
        {"sondo.classes": '["low", "low"]'},
        {"sondo.classes": '["low", ""]'},
        {"sondo.classes": '"ab"'},
        {"sondo.multi_label": "true", "sondo.thresholds": "[0.5, 7]"},
        {"sondo.multi_label": "true", "sondo.thresholds": "[NaN, 0.5]"},
    ],
)
def test_metadata_that_does_not_fit(tmp_path, change):
    with pytest.raises(SondoError, match=r"c.onnx: .*make it again"):
        open_onnx(classifier(tmp_path / "c.onnx", ONE | change))


@pytest.fixture
def sounds(tmp_path):
    """Silence with a pulse of 0.5 in each window: the logits are nearly 0 and 5. And a file that is none."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name, seconds in (("a.wav", 12.5), ("b.wav", 1.0)):
        sound = constant(0.0, seconds)
        sound[:: 8 * RATE] = sound[11 * RATE : 11 * RATE + 1] = 0.5
        soundfile.write(folder / name, sound, RATE)
    (folder / "broken.wav").write_bytes(b"RIFF")
    return folder


def test_a_line_for_each_sound_and_bad_ones_are_left_out(tmp_path, sounds, capsys):
    path = classifier(tmp_path / "c.onnx", ONE)
    assert classify_files(path, [sounds], top=1) == 2
    said = capsys.readouterr()
    assert said.out.splitlines() == [f"{sounds}/a.wav: high 0.993", f"{sounds}/b.wav: high 0.993"]
    assert "left out" in said.err
    assert "broken.wav" in said.err


def test_of_a_fine_tuned_run_its_classifier_is_asked(tmp_path, sounds, capsys):
    (tmp_path / "run" / "student").mkdir(parents=True)
    classifier(tmp_path / "run" / "classifier.onnx", ONE)
    classify_files(tmp_path / "run", [sounds / "a.wav"], top=1)
    assert capsys.readouterr().out == f"{sounds}/a.wav: high 0.993\n"


def test_a_line_for_each_window(tmp_path, sounds, capsys):
    classify_files(classifier(tmp_path / "c.onnx", ONE), [sounds / "a.wav"], segments=True)
    assert capsys.readouterr().out.splitlines() == [
        f"{sounds}/a.wav 0.0 to 10.0 s: high 0.993, low 0.007",
        f"{sounds}/a.wav 10.0 to 12.5 s: high 0.993, low 0.007",
    ]


def test_windows_before_the_damage_are_told(tmp_path, capsys):
    path, sound = classifier(tmp_path / "c.onnx", ONE), tmp_path / "cut.flac"
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 25 * RATE)
    soundfile.write(sound, noise, RATE)
    sound.write_bytes(sound.read_bytes()[: sound.stat().st_size * 3 // 4])
    segments = load(path).each_segment(sound)
    assert next(segments).end_s == 10.0
    with pytest.raises(SondoError, match="damaged or truncated"):
        list(segments)
    with pytest.raises(SondoError, match="none of 1 files could be classified to its end"):
        classify_files(path, [sound], segments=True)
    said = capsys.readouterr()
    assert said.out.startswith(f"{sound} 0.0 to 10.0 s: ")
    assert "left out from 10.0 s on: " in said.err


def test_a_name_with_a_line_end_stays_on_its_line(tmp_path, sounds, capsys):
    path, named = classifier(tmp_path / "c.onnx", ONE), (sounds / "b.wav").rename(sounds / "b\nc.wav")
    for segments in (True, False):
        classify_files(path, [named], segments=segments)
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(rf"{sounds}/b\nc.wav")


@pytest.mark.parametrize(
    ("thresholds", "line"),
    [
        ("[0.6, 0.9]", "high 0.993"),
        ("[0.4, 0.9]", "high 0.993, low 0.500"),
        ("[0.999, 0.999]", "no class reaches its threshold (highest: high 0.993)"),
    ],
)
def test_several_labels_show_what_reaches_its_threshold(tmp_path, sounds, capsys, thresholds, line):
    path = classifier(tmp_path / "c.onnx", SEVERAL | {"sondo.thresholds": thresholds}, final="Sigmoid")
    classify_files(path, [sounds / "b.wav"])
    assert capsys.readouterr().out == f"{sounds}/b.wav: {line}\n"


def test_several_labels_show_as_many_as_asked_for(tmp_path, sounds, capsys):
    path = classifier(tmp_path / "c.onnx", SEVERAL | {"sondo.thresholds": "[0.6, 0.9]"}, final="Sigmoid")
    main(["classify", str(path), str(sounds / "b.wav"), "--top", "2"])
    main(["classify", str(path), str(sounds / "b.wav"), "--top", "1"])
    main(["classify", str(path), str(sounds / "b.wav")])
    lines = [line.partition("b.wav: ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["high 0.993*, low 0.500", "high 0.993*", "high 0.993"]


def test_what_cannot_be_classified(tmp_path, sounds):
    path = classifier(tmp_path / "c.onnx", ONE)
    with pytest.raises(SondoError, match="a student without a head.*sondo probe"):
        classify_files(write(tmp_path / "s.onnx", METADATA), [sounds])
    with pytest.raises(SondoError, match="none of 1 files could be classified"):
        classify_files(path, [sounds / "broken.wav"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SondoError, match="no audio in"):
        classify_files(path, [tmp_path / "empty"])
