"""`sondo verify`: a file alone, a file beside its student, and one whose numbers are wrong."""

import json

import numpy as np
import onnx
import pytest
import soundfile
import torch

from sondo.cli import main
from sondo.errors import SondoError
from sondo.export import to_onnx, verify
from sondo.students import create, save
from sondo.verification import verify_file


@pytest.fixture(scope="module")
def run_folder(recipe, tmp_path_factory):
    """The folder of a run: a student with seeded weights, and its file."""
    student = create("mobilenetv3", width_mult=0.1)
    shapes = {key: tuple(value.shape) for key, value in student.backbone.state_dict().items()}
    student.backbone.load_state_dict({k: torch.from_numpy(v) for k, v in recipe.seeded_weights(shapes).items()})
    folder = tmp_path_factory.mktemp("run")
    save(student.eval(), folder / "student")
    to_onnx(student, folder / "student.onnx")
    return folder


@pytest.fixture
def few_lengths(monkeypatch):
    """Compare on a second of sound: what is tested here is not the lengths."""
    monkeypatch.setattr(verify, "__kwdefaults__", verify.__kwdefaults__ | {"lengths_s": (0.5, 1.0)})


def code_of(*arguments):
    try:
        main(["verify", *map(str, arguments)])
    except SystemExit as stop:
        return stop.code
    return 0


def with_other_weights(path, out):
    """The file with the window of its front-end turned upside down."""
    model = onnx.load(path)
    (loop,) = [node for node in model.graph.node if node.op_type == "Loop"]
    (body,) = [attribute.g for attribute in loop.attribute if attribute.name == "body"]
    (window,) = [tensor for tensor in body.initializer if tensor.name == "front_end/minus_half"]
    window.raw_data = np.float32(0.5).tobytes()
    onnx.save(model, out)
    return out


def test_a_file_alone_is_checked_by_itself(run_folder, tmp_path, capsys):
    alone = tmp_path / "student.onnx"
    alone.write_bytes((run_folder / "student.onnx").read_bytes())
    assert code_of(alone) == 0
    said = capsys.readouterr().out
    assert "golden vector of 400000 samples" in said
    assert "beside its student" not in said
    assert not alone.with_name("student.onnx.json").exists()


def test_a_file_in_its_run_is_compared_with_torch(run_folder, tmp_path, few_lengths, capsys):
    wave = (0.2 * np.sin(np.arange(16_000) / 10)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16_000)
    report_file = run_folder / "student.onnx.json"
    report_file.unlink()
    assert code_of(run_folder / "student.onnx", tmp_path / "a.wav") == 0
    assert "beside its student: torch" in capsys.readouterr().out
    report = json.loads(report_file.read_text())
    assert report["passed"]
    (clip,) = [case for case in report["cases"] if case["name"] == "clip 0"]
    assert clip["seconds"] == 1.0


def test_wrong_numbers_end_with_exit_code_1(run_folder, tmp_path, few_lengths, capsys):
    wrong = with_other_weights(run_folder / "student.onnx", tmp_path / "wrong.onnx")
    assert code_of(wrong) == 1
    assert "failed" in capsys.readouterr().out
    assert code_of(wrong, "--against", run_folder) == 1
    assert not json.loads(wrong.with_name("wrong.onnx.json").read_text())["passed"]


def test_a_threshold_that_is_out_of_reach_ends_with_exit_code_1(run_folder, few_lengths):
    assert code_of(run_folder / "student.onnx", "--threshold", "1.1") == 1


def test_what_cannot_be_compared_is_said(run_folder, tmp_path):
    alone = tmp_path / "student.onnx"
    alone.write_bytes((run_folder / "student.onnx").read_bytes())
    with pytest.raises(SondoError, match="does not lie beside it"):
        verify_file(alone, threshold=0.9)
    with pytest.raises(SondoError, match="no such model file"):
        verify_file(tmp_path / "absent.onnx")
    save(create("mobilenetv3", width_mult=0.1), tmp_path / "other" / "student")
    with pytest.raises(SondoError, match="another student"):
        verify_file(alone, against=tmp_path / "other")
