"""Frames through the runtime: a tiny exported file whose frames are the means of the front-end's own windows."""

import json

import numpy as np
import pytest

from sondo.audio.logmel import LogMelConfig
from sondo.errors import SondoError
from sondo.runtime import OnnxModel

onnx = pytest.importorskip("onnx", reason="needs the extra train")


def write(path, *, frames=True, stride="1"):
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", ["audio", "last"], ["embedding"], keepdims=1),
        helper.make_node("Unsqueeze", ["audio", "one"], ["channel"]),
        helper.make_node("AveragePool", ["channel"], ["means"], kernel_shape=[1024], strides=[512]),
        helper.make_node("Transpose", ["means"], ["frames"], perm=[0, 2, 1]),
    ]
    outputs = [helper.make_tensor_value_info("embedding", kind, ["batch", 1])]
    outputs += [helper.make_tensor_value_info("frames", kind, ["batch", "times", 1])] if frames else []
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("audio", kind, ["batch", "samples"])],
        outputs,
        [helper.make_tensor(name, onnx.TensorProto.INT64, [1], [value]) for name, value in (("last", -1), ("one", 1))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    metadata = {
        "sondo.format": "1",
        "sondo.name": "tiny",
        "sondo.space_id": "tiny-abc",
        "sondo.sample_rate": "32000",
        "sondo.embedding_dim": "1",
        "sondo.licence": "CC0-1.0",
        "sondo.front_end": json.dumps(LogMelConfig().to_dict()),
    }
    helper.set_model_props(model, {**metadata, **({"sondo.frame_stride": stride} if stride else {})})
    onnx.save(model, str(path))
    return path


@pytest.fixture
def sound():
    return np.random.default_rng(0).uniform(-1, 1, 2 * 320_000 + 40_000).astype(np.float32)


def test_an_exported_file_gives_frames_and_times(tmp_path, sound):
    model = OnnxModel(write(tmp_path / "tiny.onnx"))
    assert model.frame_hop_s == pytest.approx(512 / 32_000)
    vectors, times_s = model.frames(sound, sample_rate=32_000)
    starts = [w * 320_000 + k * 512 for w in range(2) for k in range(624)]
    starts += [640_000 + k * 512 for k in range(1 + (40_000 - 1024) // 512)]
    assert vectors.shape == (len(starts), 1)
    assert times_s.dtype == np.float64
    np.testing.assert_allclose(times_s, (np.array(starts) + 512) / 32_000, atol=1e-9)
    np.testing.assert_allclose(vectors[:, 0], [sound[start : start + 1024].mean() for start in starts], atol=1e-5)


@pytest.mark.parametrize(("frames", "stride"), [(False, None), (False, "32"), (True, None)])
def test_a_file_without_frames_says_what_to_do(tmp_path, sound, frames, stride):
    model = OnnxModel(write(tmp_path / "tiny.onnx", frames=frames, stride=stride))
    assert model.embed(sound, sample_rate=32_000).shape == (1,)
    with pytest.raises(SondoError, match=r"tiny\.onnx has no output `frames`: export the student again"):
        model.frames(sound, sample_rate=32_000)


def test_frames_that_do_not_fit_their_times_are_named(tmp_path, sound):
    model = OnnxModel(write(tmp_path / "tiny.onnx", stride="32"))
    with pytest.raises(SondoError, match=r"frames of shape \(1, 624, 1\) for a window of 624 log-mel frames"):
        model.frames(sound, sample_rate=32_000)


@pytest.mark.parametrize("stride", ["many", "-1"])
def test_metadata_that_cannot_be_read(tmp_path, stride):
    with pytest.raises(SondoError, match="metadata cannot be read"):
        OnnxModel(write(tmp_path / "tiny.onnx", stride=stride))


@pytest.mark.parametrize("several", [["a.wav"], np.zeros((2, 32_000), np.float32)])
def test_frames_are_those_of_one_sound(tmp_path, several):
    with pytest.raises(SondoError, match="frames takes one sound"):
        OnnxModel(write(tmp_path / "tiny.onnx")).frames(several, sample_rate=32_000)
