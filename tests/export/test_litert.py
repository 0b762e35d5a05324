"""A student as a .tflite file: the student's own vectors at any length, in float32; close ones in int8."""

import json

import numpy as np
import pytest
import torch
from phone_sounds import noise, own, tones
from torch import nn

import sondo
from sondo.errors import SondoError
from sondo.students import TorchModel, create

pytest.importorskip("litert_torch", reason="litert-torch is not installed (docs/litert.md)")
litert = pytest.importorskip("sondo.export.litert")


class Small(nn.Module):
    """Someone's own network, exported in seconds."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 64, 3, stride=4), nn.ReLU()
        )

    def forward(self, log_mel):
        return self.layers(log_mel).mean((2, 3))


class Sized(Small):
    """One whose vectors hold the length of the sound as a number of the graph."""

    def forward(self, log_mel):
        return self.layers(log_mel).sum((2, 3)) / log_mel.shape[3]


class Residual(nn.Module):
    """One with a sum and a hard swish."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, stride=4, padding=1)
        self.one, self.other = (nn.Conv2d(16, 16, 3, padding=1) for _ in range(2))
        self.last = nn.Conv2d(16, 64, 1)

    def forward(self, log_mel):
        features = self.one(self.first(log_mel).relu()).relu()
        return nn.functional.hardswish(self.last(features + self.other(features))).mean((2, 3))


@pytest.fixture(scope="module")
def small():
    return own(Small())


@pytest.fixture(scope="module")
def made(small, tmp_path_factory):
    return litert.to_litert(small, tmp_path_factory.mktemp("tflite") / "small.tflite", clips=[noise(40_000)])


def operators(path):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path))._get_ops_details()


def test_it_gives_the_students_vectors_whatever_the_length(small, made):
    model, wanted = sondo.load(made), TorchModel(small)
    for samples in (3200, 50_001, 320_000, 3600, 500_000):
        audio = noise(2, samples, seed=samples)
        np.testing.assert_allclose(
            model.embed(audio, sample_rate=32000), wanted.embed(audio, sample_rate=32000), rtol=1e-4, atol=1e-5
        )


def test_it_takes_a_window_of_10_s_where_nobody_resizes_it(small, made):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(made))
    interpreter.allocate_tensors()
    (audio,), (embedding,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (audio["shape"].tolist(), audio["shape_signature"].tolist()) == ([1, 320_000], [1, -1])
    sound = noise(1, 320_000)
    interpreter.set_tensor(audio["index"], sound)
    interpreter.invoke()
    wanted = TorchModel(small).embed(sound, sample_rate=32000)
    np.testing.assert_allclose(interpreter.get_tensor(embedding["index"]), wanted, rtol=1e-4, atol=1e-5)


def test_it_says_what_it_is_and_how_well_it_agrees(small, made):
    model = sondo.load(made, threads=1)
    assert (model.space_id, model.licence, model.embedding_dim) == (small.space_id, small.licence, 64)
    report = json.loads(made.with_name("small.tflite.json").read_text())
    assert report["passed"]
    assert {case["seconds"] for case in report["cases"]} == {0.1, 0.3, 1.0, 1.25, 3.7, 10.0, 12.5}


def test_int8_is_smaller_close_and_takes_any_length_too(small, made, tmp_path):
    path = litert.to_litert(
        small, tmp_path / "int8.tflite", precision="int8", sound=tones(8), clips=tones(8, seconds=1.5)[::2]
    )
    assert path.stat().st_size < made.stat().st_size
    report = json.loads(path.with_name("int8.tflite.json").read_text())
    assert (report["precision"], report["judged"]) == ("int8", "real clips")
    assert 0.99 <= report["judged_cosine"] < 1 - 1e-7
    audio = tones(1, seconds=3.3)[0]
    vector, wanted = sondo.load(path).embed(audio, sample_rate=32000), TorchModel(small).embed(audio, sample_rate=32000)
    assert vector @ wanted / np.linalg.norm(vector) / np.linalg.norm(wanted) > 0.99


def test_int8_has_its_front_end_in_float32(small, tmp_path):
    path = litert.to_litert(
        small, tmp_path / "int8.tflite", precision="int8", sound=tones(8), clips=tones(8, seconds=1.5)[::2]
    )
    names = [step["op_name"] for step in operators(path)]
    convolutions = [index for index, name in enumerate(names) if name in ("CONV_2D", "DEPTHWISE_CONV_2D")]
    assert names.index("LOG") < convolutions[0] < names.index("QUANTIZE") < convolutions[1]


def test_int8_reaches_from_the_second_convolution_to_the_last_over_sums(tmp_path):
    student = own(Residual())
    path = litert.to_litert(
        student, tmp_path / "int8.tflite", precision="int8", sound=tones(8), clips=tones(8, seconds=1.5)[::2]
    )
    names = [step["op_name"] for step in operators(path) if step["op_name"] != "DELEGATE"]
    network = names[names.index("LOG") :]
    first, last = network.index("QUANTIZE"), network.index("DEQUANTIZE")
    assert network[first + 1 : last] == ["CONV_2D", "CONV_2D", "ADD", "CONV_2D"]
    assert network[last + 1] == "HARD_SWISH"


def test_int8_needs_sound(small, tmp_path):
    with pytest.raises(SondoError, match="8 clips or more"):
        litert.to_litert(small, tmp_path / "int8.tflite", precision="int8", sound=tones(7))


def test_a_student_whose_graph_holds_a_length_is_refused(tmp_path):
    with pytest.raises(SondoError, match="depends on the length"):
        litert.to_litert(own(Sized()), tmp_path / "sized.tflite")
    assert not list(tmp_path.iterdir())


def test_a_file_that_does_not_agree_is_not_left(small, made, tmp_path, monkeypatch):
    monkeypatch.setattr(litert, "_converted", lambda student, int8: made.read_bytes())
    with pytest.raises(SondoError, match="does not agree with torch"):
        litert.to_litert(small, tmp_path / "small.tflite", threshold=1.1)
    assert not list(tmp_path.iterdir())


def test_it_replaces_nothing_unasked(small, made):
    before = made.read_bytes()
    with pytest.raises(SondoError, match="is there already"):
        litert.to_litert(small, made)
    with pytest.raises(SondoError, match=r"something\.tflite"):
        litert.to_litert(small, made.with_suffix(".onnx"))
    assert made.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "width"), [("mobilenetv3", 0.1), ("dymn", 0.1), ("eres2net", 0.25)])
def test_every_student_can_be_exported(kind, width, recipe, tmp_path):
    student = create(kind, width_mult=width, readout="multilevel_stats").eval()
    shapes = {key: tuple(value.shape) for key, value in student.backbone.state_dict().items()}
    student.backbone.load_state_dict({k: torch.from_numpy(v) for k, v in recipe.seeded_weights(shapes).items()})
    path = litert.to_litert(student, tmp_path / "student.tflite")
    assert "MINIMUM" not in {step["op_name"] for step in operators(path)}  # clips are fused into layers
    assert json.loads(path.with_name("student.tflite.json").read_text())["smallest_cosine"] > 0.9999
