"""One exported file: the student's own vectors, whatever the length and the batch, and never a file that is wrong."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import sondo
from sondo.errors import SondoError
from sondo.export import onnx_file, to_onnx, verify
from sondo.students import Student, create
from sondo.students.own import OwnBackbone
from sondo.students.readout import make_readout


@pytest.fixture(scope="module")
def made(exported):
    """A student with seeded weights and its file."""
    return exported.student, exported.path


@pytest.fixture(scope="module")
def run(made):
    session = onnxruntime.InferenceSession(str(made[1]), providers=["CPUExecutionProvider"])
    return lambda audio: session.run(["embedding"], {"audio": audio})[0]


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("samples", [3072, 3200, 50_001, 320_000, 323_071, 323_072, 700_000])
def test_it_gives_the_students_vectors(made, run, samples):
    audio = noise(2, samples, seed=samples)
    with torch.inference_mode():
        wanted = made[0](torch.from_numpy(audio)).numpy()
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(run(audio), wanted, rtol=1e-4, atol=1e-4)


def test_a_clip_gives_the_same_bits_alone_and_in_a_batch(run):
    audio = noise(5, 700_000)
    together = run(audio)
    for row in range(5):
        assert np.array_equal(run(audio[row : row + 1])[0], together[row])


def test_sound_that_is_too_short_gives_nan_and_an_empty_batch_nothing(run):
    assert np.isnan(run(noise(2, 3071))).all()
    assert run(noise(0, 32_000)).shape == (0, 96)


def test_the_file_says_what_it_is(made):
    student, path = made
    model = onnx.load(path)
    values = {item.key: item.value for item in model.metadata_props}
    assert values["sondo.space_id"] == student.space_id
    assert values["sondo.format"] == "1"
    assert values["sondo.licence"] == "NTT evaluation only"
    assert (values["sondo.sample_rate"], values["sondo.embedding_dim"]) == ("32000", "96")
    assert json.loads(values["sondo.front_end"]) == student.front_end.config.to_dict()
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 18)]
    assert str(path.parent).encode() not in path.read_bytes()


def test_it_holds_plain_operators_and_no_batch_norm(made):
    graph = onnx.load(made[1]).graph
    (loop,) = [node for node in graph.node if node.op_type == "Loop"]
    kinds = {node.op_type for node in (*graph.node, *loop.attribute[0].g.node)}
    assert "BatchNormalization" not in kinds
    assert not kinds & {"STFT", "DFT", "MelWeightMatrix"}


def test_the_report_lies_beside_the_file(made):
    report = json.loads(made[1].with_name("student.onnx.json").read_text())
    assert report["passed"]
    assert 0.99999 < report["smallest_cosine"] <= report["mean_cosine"] <= 1 + 1e-9
    assert report["alone_difference"] <= 1e-5
    assert report["path"] == str(made[1])
    lengths = {case["seconds"] for case in report["cases"]}
    assert lengths >= {0.1, 0.5, 1.0, 3.7, 10.0, 25.0, 61.0}
    assert {case["batch"] for case in report["cases"]} == {1, 5}


def test_sondo_load_embeds_with_it(made):
    model = sondo.load(made[1])
    audio = noise(400_000)
    with torch.inference_mode():
        wanted = made[0](torch.from_numpy(audio)[None])[0].numpy()
    np.testing.assert_allclose(model.embed(audio, sample_rate=32000), wanted, rtol=1e-4, atol=1e-4)
    assert model.space_id == made[0].space_id


def test_a_file_is_not_replaced_in_silence(made):
    with pytest.raises(SondoError, match="--overwrite .in Python overwrite=True"):
        to_onnx(made[0], made[1])


@pytest.mark.parametrize("name", ["student.pte", "student"])
def test_another_ending_is_refused(made, tmp_path, name):
    with pytest.raises(SondoError, match=r"named something\.onnx; --format"):
        to_onnx(made[0], tmp_path / name)


def test_a_file_in_the_place_of_a_folder_is_named(made):
    with pytest.raises(SondoError, match=r"cannot write .*deep/s\.onnx: .* is a file"):
        to_onnx(made[0], made[1] / "deep" / "s.onnx")


@pytest.mark.slow
def test_a_file_that_disagrees_with_torch_is_refused_and_removed(made, half_a_second, tmp_path, monkeypatch):
    def wrong_model(student, **options):
        model = onnx.load(made[1])
        (loop,) = [node for node in model.graph.node if node.op_type == "Loop"]
        for tensor in loop.attribute[0].g.initializer:
            if tensor.name == "front_end/cosine":
                tensor.raw_data = (-np.frombuffer(tensor.raw_data, dtype=np.float32)).tobytes()
        return model

    monkeypatch.setattr(onnx_file, "student_model", wrong_model)
    with half_a_second(), pytest.raises(SondoError, match=r"not written.*cosine"):
        to_onnx(made[0], tmp_path / "wrong.onnx")
    assert list(tmp_path.iterdir()) == []


def test_verify_compares_with_real_clips_and_writes_its_report(made):
    student, path = made
    report = verify(student, path, clips=[noise(5000), noise(40_000)], lengths_s=(0.5,))
    assert report.passed
    cases = {case["name"]: case for case in json.loads(report.json_path.read_text())["cases"]}
    assert (cases["clip 0"]["seconds"], cases["clip 1"]["seconds"]) == (pytest.approx(5000 / 32000, abs=0.01), 1.25)


def test_verify_names_a_file_of_another_student(made, tmp_path):
    with pytest.raises(SondoError, match="another student"):
        verify(create("mobilenetv3", width_mult=0.1), made[1])
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(SondoError, match="cannot open"):
        verify(made[0], tmp_path / "x.onnx")
    with pytest.raises(SondoError, match="no exported file"):
        verify(made[0], tmp_path / "absent.onnx")


class TinyNetwork(nn.Module):
    """Someone's own network: a batch norm that nothing folds, a pooling, a softmax over time, no map at its end."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(128)
        self.layer = nn.Conv1d(128, 24, 3, padding=1)

    def forward(self, log_mel):
        values, weights = self.layer(self.norm(log_mel.squeeze(1))).chunk(2, dim=1)
        return (values * weights.softmax(-1)).sum(-1)


@pytest.mark.slow
def test_an_own_network_is_exported_by_the_same_way_and_torch_says_nothing(half_a_second, tmp_path, capfd, recwarn):
    torch.manual_seed(0)
    backbone = OwnBackbone(TinyNetwork(), name="tiny", num_mels=128)
    readout = make_readout("last", backbone, num_mels=128, pool=nn.Identity())
    student = Student(backbone, name="tiny", options={}, readout=readout)
    with half_a_second():
        path = to_onnx(student.eval(), tmp_path / "tiny.onnx")
    assert json.loads(path.with_name("tiny.onnx.json").read_text())["smallest_cosine"] > 0.9999
    said = capfd.readouterr()
    assert said.out == ""
    assert {line.partition(":")[0] for line in said.err.splitlines()} == {"compare embedding with torch"}
    assert [str(warning.message) for warning in recwarn] == []
