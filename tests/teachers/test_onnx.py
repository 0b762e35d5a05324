"""Tiny ONNX files as teachers: absolute values of sound, reshaped and averaged."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from sondo.errors import SondoError  # noqa: E402
from sondo.teachers import Teacher, create  # noqa: E402

AUDIO = torch.linspace(-1, 1, 3 * 800).reshape(3, 800)
WANT = AUDIO.abs().reshape(3, -1, 4).mean(1)  # 4 interleaved means


def _file(path, shape, frames, *, pool, kind=TensorProto.FLOAT, metadata=None):
    """|x| as (frames), averaged over time where `pool`."""
    nodes = [helper.make_node("Abs", ["audio"], ["a"]), helper.make_node("Reshape", ["a", "shape"], ["r"])]
    if pool:
        nodes.append(helper.make_node("ReduceMean", ["r"], ["v"], axes=[-2], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "teacher",
        [helper.make_tensor_value_info("audio", kind, shape)],
        [helper.make_tensor_value_info("v" if pool else "r", kind, None)],
        [numpy_helper.from_array(np.array(frames, dtype=np.int64), "shape")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"sondo.sample_rate": "8000"} if metadata is None else metadata)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("shape", "frames", "pool"),
    [
        (["batch", "samples"], (0, -1, 4), True),
        (["batch", "samples"], (0, -1, 4), False),
        (["batch", 1, "samples"], (0, -1, 4), True),
        ([1, "samples"], (1, -1, 4), True),
        (["samples"], (-1, 4), True),
        (["samples"], (1, -1, 4), True),
        (["samples"], (-1, 4), False),
        (["batch", 800], (0, -1, 4), True),
    ],
)
def test_the_shapes_that_are_taken(tmp_path, shape, frames, pool):
    teacher = create("onnx", checkpoint=_file(tmp_path / "t.onnx", shape, frames, pool=pool))
    assert isinstance(teacher, Teacher)
    assert (teacher.name, teacher.sample_rate, teacher.embedding_dim) == ("onnx", 8000, 4)
    torch.testing.assert_close(teacher.embed(AUDIO), WANT)
    torch.testing.assert_close(teacher.embed(AUDIO[1:2]), WANT[1:2])


def _dynamic(path, **options):
    return _file(path, ["batch", "samples"], (0, -1, 4), pool=True, **options)


def test_the_sample_rate_must_be_known_and_agree(tmp_path):
    silent = _dynamic(tmp_path / "a.onnx", metadata={})
    with pytest.raises(SondoError, match=r"does not say what sample rate it takes .*option sample_rate"):
        create("onnx", checkpoint=silent)
    assert create("onnx", checkpoint=silent, sample_rate=16000).sample_rate == 16000
    with pytest.raises(SondoError, match=r"takes 8000 Hz, and the option sample_rate says 16000"):
        create("onnx", checkpoint=_dynamic(tmp_path / "b.onnx"), sample_rate=16000)
    with pytest.raises(SondoError, match=r"sondo.sample_rate = 'fast'"):
        create("onnx", checkpoint=_dynamic(tmp_path / "c.onnx", metadata={"sondo.sample_rate": "fast"}))


def test_licence_and_fingerprint_come_from_the_file(tmp_path):
    props = {"sondo.sample_rate": "8000", "sondo.licence": "CC BY 4.0"}
    first = create("onnx", checkpoint=_dynamic(tmp_path / "a.onnx", metadata=props))
    again = create("onnx", checkpoint=_dynamic(tmp_path / "b.onnx", metadata=props))
    other = create("onnx", checkpoint=_dynamic(tmp_path / "c.onnx"))
    assert first.licence == "CC BY 4.0"
    assert other.licence == "unknown"
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert len(first.fingerprint) == 64


@pytest.mark.parametrize("place", ["t.onnx.data", "t.onnx_data", "weights"])
def test_weights_beside_the_file_are_in_its_fingerprint(tmp_path, place):
    def fingerprint(value):
        weights = numpy_helper.from_array(np.full((1, 4), value, np.float32), "w")
        nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[1]), helper.make_node("MatMul", ["m", "w"], ["y"])]
        taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "n"])
        given = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 4])
        graph = helper.make_graph(nodes, "g", [taken], [given], [weights])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        (tmp_path / place).unlink(missing_ok=True)
        onnx.save(model, tmp_path / "t.onnx", save_as_external_data=True, location=place, size_threshold=0)
        return create("onnx", checkpoint=tmp_path / "t.onnx", sample_rate=8000).fingerprint

    assert fingerprint(1.0) == fingerprint(1.0) != fingerprint(2.0)


def test_files_that_cannot_teach(tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(SondoError, match=r"cannot be opened as an ONNX file"):
        create("onnx", checkpoint=tmp_path / "text.onnx")
    with pytest.raises(SondoError, match=r"does not take audio: .* found audio tensor"):
        create("onnx", checkpoint=_dynamic(tmp_path / "d.onnx", kind=TensorProto.DOUBLE))
    four = _file(tmp_path / "4.onnx", ["b", 1, "s", "t"], (0, -1, 4), pool=True)
    with pytest.raises(SondoError, match=r"does not take audio"):
        create("onnx", checkpoint=four)
    stereo = _file(tmp_path / "2.onnx", ["b", 2, "s"], (0, -1, 4), pool=True)
    with pytest.raises(SondoError, match=r"one mono sound at a time"):
        create("onnx", checkpoint=stereo)
    flat = _file(tmp_path / "f.onnx", ["b", "s"], (-1,), pool=False)
    with pytest.raises(SondoError, match=r"the first output .* has shape \(8000,\)"):
        create("onnx", checkpoint=flat)


def test_a_fixed_length_is_said(tmp_path):
    teacher = create("onnx", checkpoint=_file(tmp_path / "t.onnx", ["batch", 800], (0, -1, 4), pool=True))
    with pytest.raises(SondoError, match=r"takes sound of 800 samples alone, not of 400"):
        teacher.embed(AUDIO[:, :400])


def test_a_failure_inside_is_named(tmp_path):
    teacher = create("onnx", checkpoint=_dynamic(tmp_path / "t.onnx"))
    with pytest.raises(SondoError, match=r"fails on sound of shape \(3, 799\)"):
        teacher.embed(AUDIO[:, :799])
