"""`sondo verify`: a file alone, a file beside its student, and one whose numbers are wrong."""

import errno
import json
import shutil
import sys

import numpy as np
import onnx
import pytest
import soundfile
import torch

import sondo
from sondo.cli import main
from sondo.errors import MissingExtraError, SondoError
from sondo.export.metadata import metadata
from sondo.export.verify import compare
from sondo.runtime.one_window import OneWindowModel
from sondo.students import create, load, save
from sondo.verification import verify_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run_folder(exported, tmp_path_factory):
    """The folder of a run: a student with seeded weights, and its file."""
    folder = tmp_path_factory.mktemp("run")
    save(exported.student, folder / "student")
    for path in exported.path.parent.iterdir():
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def few_lengths(monkeypatch):
    """Compare on a second of sound: what is tested here is not the lengths."""
    monkeypatch.setattr(compare, "__kwdefaults__", compare.__kwdefaults__ | {"lengths_s": (0.5, 1.0)})


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
    (cosine,) = [tensor for tensor in body.initializer if tensor.name == "front_end/cosine"]
    cosine.raw_data = (-np.frombuffer(cosine.raw_data, dtype=np.float32)).tobytes()
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


def test_a_check_counts_where_its_report_cannot_be_kept(run_folder, few_lengths, capsys, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("sondo.scratch.os.replace", read_only)
    assert code_of(run_folder / "student.onnx") == 0
    said = capsys.readouterr()
    assert "beside its student: torch" in said.out
    assert "the report is not kept" in said.err
    assert "Read-only file system" in said.err


def test_wrong_numbers_end_with_exit_code_1(run_folder, tmp_path, few_lengths, capsys):
    wrong = with_other_weights(run_folder / "student.onnx", tmp_path / "wrong.onnx")
    assert code_of(wrong) == 1
    assert "failed" in capsys.readouterr().out
    assert code_of(wrong, "--against", run_folder) == 1
    assert not json.loads(wrong.with_name("wrong.onnx.json").read_text())["passed"]


def test_a_threshold_that_is_out_of_reach_ends_with_exit_code_1(run_folder, few_lengths):
    assert code_of(run_folder / "student.onnx", "--threshold", "1.1") == 1


def test_what_cannot_be_compared_is_said(run_folder, tmp_path, monkeypatch):
    alone = tmp_path / "student.onnx"
    alone.write_bytes((run_folder / "student.onnx").read_bytes())
    with pytest.raises(SondoError, match="does not lie beside it"):
        verify_file(alone, threshold=0.9)
    with pytest.raises(SondoError, match="no such model file"):
        verify_file(tmp_path / "absent.onnx")
    with pytest.raises(SondoError, match=r"is a folder: name an exported file, such as .*student\.onnx"):
        verify_file(run_folder)
    with monkeypatch.context() as without_torch:
        without_torch.setitem(sys.modules, "torch", None)  # importing it fails as where it is not installed
        with pytest.raises(MissingExtraError, match=r"sondo\[train\]"):
            verify_file(run_folder / "student.onnx", threshold=0.9)
    save(create("mobilenetv3", width_mult=0.1), tmp_path / "other" / "student")
    with pytest.raises(SondoError, match="another student"):
        verify_file(alone, against=tmp_path / "other")


class Phone(OneWindowModel):
    """A file for a phone, run by torch: the student itself, its vectors times a factor."""

    def __init__(self, path, student, factor=1.0, **changes):
        super().__init__(path, metadata(student, frames=False, projector=None) | changes)
        self.student, self.factor = student, factor

    def versions(self):
        return {"phone": "1"}

    def _embed_window(self, audio):
        with torch.inference_mode():
            return self.student(torch.from_numpy(audio)).numpy() * np.float32(self.factor)


@pytest.fixture
def as_phone(run_folder, monkeypatch):
    """Open every file as one for a phone, with these changes."""
    student = load(run_folder / "student")

    def opened(**changes):
        monkeypatch.setattr("sondo.runtime.self_check.open_file", lambda path: Phone(path, student, **changes))
        monkeypatch.setattr("sondo.verification.open_file", lambda path: Phone(path, student, **changes))

    return opened


def test_a_file_for_a_phone_is_checked_and_compared_too(run_folder, as_phone, capsys):
    file = run_folder / "student.pte"
    file.write_bytes(b"a program")
    as_phone()
    assert code_of(file) == 0
    said = capsys.readouterr().out
    assert "golden vector of 400000 samples" in said
    assert "phone 1" in said
    assert json.loads((run_folder / "student.pte.json").read_text())["judged"] == "every clip"


def test_golden_vectors_of_a_file_for_a_phone_count(run_folder, as_phone):
    file = run_folder / "student.pte"
    file.write_bytes(b"a program")
    as_phone(factor=1.01)
    checks, report = verify_file(file)
    assert [check.name for check in checks if not check.passed] == [
        f"golden vector of {samples} samples" for samples in (3200, 320000, 400000)
    ]
    assert report.passed, "a factor changes no cosine, and lengths may differ by so much"
    as_phone(factor=1.05)
    _, report = verify_file(file)
    assert (report.judged_cosine > 0.9999, report.passed) == (True, False)
    assert report.length_difference == pytest.approx(0.05, abs=1e-4)


def test_the_precision_of_a_file_says_what_is_judged(run_folder, as_phone, tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.2 * np.sin(np.arange(16_000) / 10), 16_000)
    file = run_folder / "student.pte"
    file.write_bytes(b"a program")
    as_phone(**{"sondo.precision": "int8"})
    _, report = verify_file(file, sounds=[tmp_path / "a.wav"])
    assert (report.precision, report.threshold, report.judged) == ("int8", 0.99, "real clips")
    as_phone(**{"sondo.precision": "int3"})
    with pytest.raises(SondoError, match="int3.*update sondo"):
        verify_file(file)


def test_a_file_in_the_space_of_a_second_teacher_is_compared_through_its_head(
    make_student, networks_once, half_a_second, few_lengths, tmp_path, capsys
):
    student = make_student()
    each = [{"name": "first", "fingerprint": "f1"}, {"name": "second", "fingerprint": "f2"}]
    torch.manual_seed(0)
    heads = [student.make_projector(24).eval(), student.make_projector(24).eval()]
    save(student, tmp_path / "student", projector=heads, info={"teacher": {"name": "first+second"}, "teachers": each})
    with networks_once(), half_a_second():
        main(["export", str(tmp_path), "--frames", "--teacher_space", "--teacher", "second"])
    assert sondo.load(tmp_path / "student.onnx").mapped_to == {**each[1], "licence": "", "embedding_dim": 24}
    assert code_of(tmp_path / "student.onnx") == 0
    capsys.readouterr()
    with pytest.raises(SystemExit, match="1"):
        main(["export", str(tmp_path), "--overwrite", "--teacher_space", "--teacher", "third"])
    assert "third did not teach" in capsys.readouterr().err
