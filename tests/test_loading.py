"""Which of a run's forms hears where vectors are all that is asked for."""

import json
import sys

import numpy as np
import pytest

from sondo.classifier.encoder import open_encoder
from sondo.errors import SondoError
from sondo.export.network import IR_VERSION
from sondo.loading import exported_of, load, load_to_embed
from sondo.runtime import OnnxModel
from sondo.students import TorchModel, create, save

onnx = pytest.importorskip("onnx", reason="needs the extra train")


@pytest.fixture
def run(tmp_path):
    """A run whose student is a real one, and whose file is a graph that says to be the same."""
    torch_student = create("mobilenetv3", width_mult=0.1)
    save(torch_student, tmp_path / "student")
    space = json.loads((tmp_path / "student" / "config.json").read_text())["space_id"]
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["audio", "axes"], ["embedding"], keepdims=1)],
        "tiny",
        [helper.make_tensor_value_info("audio", floats, ["batch", "samples"])],
        [helper.make_tensor_value_info("embedding", floats, ["batch", 1])],
        [helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])],
    )

    def write(**metadata):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=IR_VERSION)
        about = {
            "sondo.format": "1",
            "sondo.name": "tiny",
            "sondo.space_id": space,
            "sondo.sample_rate": "32000",
            "sondo.embedding_dim": "1",
            "sondo.licence": "CC0-1.0",
            "sondo.front_end": json.dumps(torch_student.front_end.config.to_dict()),
        }
        helper.set_model_props(model, about | metadata)
        onnx.save(model, str(tmp_path / "student.onnx"))

    write()
    return tmp_path, write


def test_a_runs_own_file_hears(run):
    folder, _ = run
    model = load_to_embed(folder, threads=2)
    assert isinstance(model, OnnxModel)
    assert model.at_once == 2
    assert model.embed(np.full(32000, 0.25, dtype=np.float32), sample_rate=32000) == pytest.approx([0.25])


def test_the_file_in_the_clone_of_a_repository_hears(run):
    folder, _ = run
    for file in (folder / "student").iterdir():
        file.rename(folder / file.name)
    (folder / "student").rmdir()
    assert isinstance(load_to_embed(folder), OnnxModel)


def test_a_number_of_threads_that_is_none_is_refused(run):
    with pytest.raises(SondoError, match="0 threads"):
        load_to_embed(run[0], threads=0)


def test_a_classifier_is_made_of_the_runs_own_file_in_float32_alone(run, monkeypatch):
    folder, write = run
    with open_encoder(folder) as encoder:
        assert encoder.path == folder / "student.onnx"

    def exporting(*_):
        raise SondoError("it is exported anew")

    monkeypatch.setattr("sondo.classifier.encoder._export", exporting)
    write(**{"sondo.precision": "int8"})
    with pytest.raises(SondoError, match="exported anew"), open_encoder(folder):
        pass


@pytest.mark.parametrize("change", [{"sondo.space_id": "another student"}, {"sondo.precision": "int8"}])
def test_the_file_of_another_student_or_precision_does_not(run, change):
    folder, write = run
    write(**change)
    assert exported_of(folder) is None
    assert isinstance(load_to_embed(folder), TorchModel)


def test_without_a_file_that_opens_the_student_hears(run):
    folder, _ = run
    (folder / "student.onnx").write_bytes(b"damaged")
    assert isinstance(load_to_embed(folder), TorchModel)
    (folder / "student.onnx").unlink()
    assert isinstance(load_to_embed(folder), TorchModel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            None,
            r"student\.onnx: onnxruntime cannot open it, copy or export it again: .*instead needs torch",
        ),
        (
            {"sondo.space_id": "another"},
            r"student\.onnx is of another student .*: export it again\. .*instead needs",
        ),
        (
            {"sondo.precision": "int8"},
            r"student\.onnx is in int8: name the file to hear with it\. .*instead needs",
        ),
        ({}, r"needs torch \(.*student\.onnx does not\), which is not installed"),
    ],
)
def test_without_torch_the_exported_file_is_named_and_what_is_wrong_with_it(run, monkeypatch, change, message):
    folder, write = run
    if change is None:
        (folder / "student.onnx").write_bytes(b"damaged")
    else:
        write(**change)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SondoError, match=message):
        load(folder) if change == {} else load_to_embed(folder)
