"""The further inputs and outputs of an exported file: lengths of padded rows, frames, the teacher's space."""

import json
import sys
from unittest.mock import Mock

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import sondo
from sondo.audio.windows import average_windows, window_frames
from sondo.errors import SondoError
from sondo.export import to_onnx, verify
from sondo.export.compared import compared, judge
from sondo.runtime.golden import GOLDEN_SAMPLES, from_text, golden_sound
from sondo.runtime.self_check import self_check
from sondo.students import create


@pytest.fixture(scope="module")
def made(make_student, exported, networks_once, half_a_second, tmp_path_factory):
    """A student with seeded weights, its mapping head and its file."""
    student = make_student()
    each = [{"name": "first", "fingerprint": "f1", "licence": "MIT"}, {"name": "second", "fingerprint": "f2"}]
    student.info = {"teacher": {"name": "first+second", "licence": "several"}, "teachers": each, "training": {"x": 1}}
    torch.manual_seed(0)
    projector = student.make_projector(40).eval()
    with torch.no_grad():
        projector.mlp[0].weight.mul_(20)
    path = tmp_path_factory.mktemp("outputs") / "student.onnx"
    with networks_once(), half_a_second():
        return student, projector, to_onnx(student, path, frames=True, projector=projector)


@pytest.fixture(scope="module")
def run(made):
    session = onnxruntime.InferenceSession(str(made[2]), providers=["CPUExecutionProvider"])
    return lambda output, audio, **more: session.run([output], {"audio": audio, **more})[0]


def noise(*shape):
    return (0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


def test_padded_rows_give_the_bits_that_they_give_alone(run):
    audio = noise(4, 700_000)
    lengths = np.array([700_000, 3072, 320_000, 420_001])
    padded = run("embedding", audio, lengths=lengths)
    for row, length in enumerate(lengths):
        assert np.array_equal(padded[row], run("embedding", audio[row : row + 1, :length])[0])


def test_what_lies_behind_a_length_is_not_looked_at(run):
    audio = noise(2, 40_000)
    audio[0, 20_000:] = np.nan
    assert np.isfinite(run("embedding", audio, lengths=np.array([20_000, 40_000]))).all()


def test_one_length_counts_for_all_rows_and_too_much_is_all_there_is(run):
    audio = noise(3, 40_000)
    assert np.array_equal(run("embedding", audio, lengths=np.array([9_000])), run("embedding", audio[:, :9_000]))
    assert np.array_equal(run("embedding", audio, lengths=np.array([10**9] * 3)), run("embedding", audio))


def test_rows_that_are_too_short_are_nan_between_others(run):
    audio = noise(3, 400_000)
    vectors = run("embedding", audio, lengths=np.array([400_000, 100, 50_000]))
    assert np.isnan(vectors[1]).all()
    assert np.array_equal(vectors[2], run("embedding", audio[2:, :50_000])[0])
    assert np.isnan(run("embedding", audio, lengths=np.array([-5, 0, 3071]))).all()


@pytest.mark.parametrize("lengths", [[640_000], [700_000, 3072, 320_000], [50_001, 50_001]])
def test_frames_are_the_students(made, run, lengths):
    audio = noise(len(lengths), max(lengths))
    with torch.inference_mode():
        wanted, _ = made[0].frames(torch.from_numpy(audio), lengths)
    found = run("frames", audio, lengths=np.array(lengths))
    assert found.shape == tuple(wanted.shape)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-3, atol=1e-4)


def test_no_rows_and_no_windows_have_no_frames(run):
    assert run("frames", noise(0, 32_000)).shape == (0, 0, 96)
    assert run("frames", noise(2, 100)).shape == (2, 0, 96)


def test_the_runtime_reads_the_frames(made):
    model = sondo.load(made[2])
    assert model.frame_stride == made[0].frame_stride
    audio = noise(100_000)
    with torch.inference_mode():
        wanted, times_s = made[0].frames(torch.from_numpy(audio)[None])
    found, found_s = model.frames(audio, sample_rate=32000)
    np.testing.assert_allclose(found, wanted[0].numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found_s, times_s[0].numpy())


def test_each_window_is_mapped_into_the_teachers_space_and_then_averaged(made, run):
    student, projector, _ = made
    audio = noise(1, 500_000)
    audio[:, 320_000:] *= 1e-3  # windows that are unlike: only then does it matter what comes first
    windows = window_frames(500_000)
    with torch.inference_mode():
        mapped = [projector(student(torch.from_numpy(audio[:, start:stop])))[0].numpy() for start, stop, _ in windows]
        of_average = projector(student(torch.from_numpy(audio)))[0].numpy()
    wanted = average_windows(np.stack(mapped), [frames for _, _, frames in windows])
    found = run("teacher_space", audio)[0]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert np.abs(found - of_average).max() > 1e-2


def test_the_file_names_its_first_teacher_and_where_it_comes_from(made):
    values = {item.key: item.value for item in onnx.load(made[2]).metadata_props}
    teacher = json.loads(values["sondo.teacher"])
    assert teacher == {"name": "first", "fingerprint": "f1", "licence": "MIT", "embedding_dim": 40}
    lineage = json.loads(values["sondo.lineage"])
    assert [each["name"] for each in lineage["teachers"]] == ["first", "second"]
    assert "training" not in lineage
    assert values["sondo.frame_stride"] == "32"


def test_its_golden_vectors_are_those_of_torch(made, run):
    values = {item.key: item.value for item in onnx.load(made[2]).metadata_props}
    vectors = from_text(made[2], values["sondo.golden"])
    assert [vector.samples for vector in vectors] == list(GOLDEN_SAMPLES)
    for vector in vectors:
        sound = golden_sound(vector.samples)[None]
        with torch.inference_mode():
            np.testing.assert_allclose(vector.first, made[0](torch.from_numpy(sound))[0, :8].numpy(), rtol=1e-5)
        assert vector.difference(run("embedding", sound)[0]) < 1e-4
        assert vector.difference(1.01 * run("embedding", sound)[0]) > 1e-3


@pytest.mark.slow
def test_further_outputs_have_golden_vectors_too(made, tmp_path):
    checks = self_check(made[2])
    assert all(check.passed for check in checks)
    assert {"golden frames of 400000 samples", "golden teacher_space of 3200 samples"} <= {c.name for c in checks}
    model = onnx.load(made[2])
    (loop,) = [node for node in model.graph.node if node.op_type == "Loop"]
    (body,) = [attribute.g for attribute in loop.attribute if attribute.name == "body"]
    (weight,) = [item for item in body.initializer if item.name.endswith("teacher/weight0")]
    weight.CopyFrom(onnx.numpy_helper.from_array(1.01 * onnx.numpy_helper.to_array(weight), weight.name))
    onnx.save(model, tmp_path / "other.onnx")
    failed = [check.name for check in self_check(tmp_path / "other.onnx") if not check.passed]
    assert failed
    assert all(name.startswith("golden teacher_space") for name in failed)


def test_the_report_has_the_further_outputs_and_the_padding(made):
    report = json.loads(made[2].with_name("student.onnx.json").read_text())
    assert report["padded_difference"] <= 1e-5
    names = {case["name"] for case in report["cases"]}
    assert {"frames, made sound, 12.5 s", "teacher_space, made sound, 12.5 s"} <= names


def test_padded_rows_without_numbers_do_not_pass(exported, tmp_path, monkeypatch):
    module = sys.modules["sondo.export.verify"]
    session = onnxruntime.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])

    def run(outputs, feeds):
        return [(np.nan if "lengths" in feeds else 1) * values for values in session.run(outputs, feeds)]

    damaged = Mock(wraps=session, run=run)
    monkeypatch.setattr(module, "open_session", lambda *_: damaged)
    monkeypatch.setattr(module, "_PADDED_S", (0.3, 0.5))
    monkeypatch.setattr(module, "_OTHERS_S", (0.5,))
    report = module.compare(exported.student, exported.path, lengths_s=(0.5,))
    assert report.judged_cosine > 0.9999
    assert not report.passed


@pytest.mark.slow
def test_each_output_has_to_agree_on_real_sound_by_itself(made):
    student, projector, path = made
    frames = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    other = np.array([[1.0, 0.0], [0.2, 1.0]], dtype=np.float32)  # cosines 1 and 0.98
    found = [
        compared(name, frames, frames, values, student, precision="int8", of=None, output=output)
        for name, output, values in (
            ("clip 0", "embedding", frames),
            ("clip 0", "frames", other),
            ("made sound, 1 s", "teacher_space", -frames),
        )
    ]
    judged, cosine = judge(found, "int8")
    assert judged == "frames, real clips"
    assert cosine == pytest.approx((1 + 1 / np.sqrt(1.04)) / 2)
    report = verify(student, path, clips=[noise(20_000)], lengths_s=(0.5,), projector=projector)
    assert {"clip 0", "frames, clip 0", "teacher_space, clip 0"} <= {case.name for case in report.cases}


def test_the_published_behaviour_is_not_exported(tmp_path):
    student = create("mobilenetv3", width_mult=0.1)
    student.compat = "ssondo"
    with pytest.raises(SondoError, match="compat"):
        to_onnx(student, tmp_path / "x.onnx")
