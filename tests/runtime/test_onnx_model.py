"""A tiny ONNX graph as a model: embedding = (mean, peak) of the samples."""

import copy
import json
import pickle

import numpy as np
import pytest

from sondo.audio.logmel import LogMelConfig
from sondo.errors import SondoError
from sondo.runtime import OnnxModel, open_onnx

onnx = pytest.importorskip("onnx", reason="needs the extra train")

METADATA = {
    "sondo.format": "1",
    "sondo.name": "tiny",
    "sondo.space_id": "tiny-abc",
    "sondo.sample_rate": "32000",
    "sondo.embedding_dim": "2",
    "sondo.licence": "CC0-1.0",
    "sondo.front_end": json.dumps(LogMelConfig().to_dict()),
}


def write(path, metadata, *, output="embedding"):
    helper, tensor_type = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", ["audio", "axes"], ["mean"], keepdims=1),
        helper.make_node("ReduceMax", ["audio", "axes"], ["peak"], keepdims=1),
        helper.make_node("Concat", ["mean", "peak"], [output], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("audio", tensor_type, ["batch", "samples"])],
        [helper.make_tensor_value_info(output, tensor_type, ["batch", 2])],
        [helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("threads", [None, 1])
def test_it_runs_and_knows_itself(tmp_path, threads):
    model = OnnxModel(write(tmp_path / "tiny.onnx", METADATA), threads=threads)
    assert (model.name, model.embedding_dim, model.sample_rate) == ("tiny", 2, 32000)
    assert (model.space_id, model.licence) == ("tiny-abc", "CC0-1.0")
    assert model.front_end == LogMelConfig()
    sound = np.random.default_rng(0).uniform(-1, 1, 380000).astype(np.float32)
    windows = [sound[:320000], sound[320000:]]
    want = np.array([[part.mean(), part.max()] for part in windows])
    np.testing.assert_allclose(model.embed_segments(sound, sample_rate=32000), want, atol=1e-5)
    frames = [624, 1 + (60000 - 1024) // 512]
    np.testing.assert_allclose(model.embed(sound, sample_rate=32000), np.average(want, 0, frames), atol=1e-5)
    assert model.embed(np.stack([sound, sound, -sound]), sample_rate=32000).shape == (3, 2)


def test_of_several_sounds_each_gets_the_vector_that_it_gets_alone_whatever_the_threads(tmp_path):
    path = write(tmp_path / "tiny.onnx", METADATA)
    sounds = [np.random.default_rng(seed).uniform(-1, 1, 32000 + 500 * seed).astype(np.float32) for seed in range(20)]
    for threads in (1, 3):
        model = OnnxModel(path, threads=threads)
        assert model.at_once == threads
        together = model.embed(iter(sounds), sample_rate=32000)
        np.testing.assert_array_equal(together, [model.embed(sound, sample_rate=32000) for sound in sounds])
        with pytest.raises(SondoError, match="item 2 .counted from 0.: .*shape"):
            model.embed([*sounds[:2], np.zeros((2, 2, 2)), "no such file"], sample_rate=32000)
    assert 1 <= OnnxModel(path).at_once <= 8
    assert OnnxModel(path, threads=64).at_once == 8  # each holds memory


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_and_what_another_process_is_sent_open_the_file_again(tmp_path, again):
    sound = np.random.default_rng(0).uniform(-1, 1, 32000).astype(np.float32)
    path = write(tmp_path / "tiny.onnx", METADATA)
    for model in (OnnxModel(path, threads=1), open_onnx(path, threads=1)):
        other = again(model)
        np.testing.assert_array_equal(other.embed(sound, sample_rate=32000), model.embed(sound, sample_rate=32000))
        assert other._session is not model._session
        assert other._session.get_session_options().intra_op_num_threads == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sondo.format": None}, "not one that `sondo export` wrote"),
        ({"sondo.format": "2"}, "format 2 and this sondo reads format 1"),
        ({"sondo.space_id": None, "sondo.licence": None}, "lacks sondo.space_id, sondo.licence"),
        ({"sondo.embedding_dim": "many"}, "metadata cannot be read"),
        ({"sondo.embedding_dim": "3"}, "contradicts itself"),
        ({"sondo.sample_rate": "16000"}, "contradicts itself"),
        ({"sondo.front_end": "{"}, "metadata cannot be read"),
        ({"sondo.front_end": "[1]"}, "metadata cannot be read"),
        ({"sondo.front_end": '{"n_mels": 128}'}, "metadata cannot be read.*n_mels"),
        ({"sondo.precision": "banana"}, "keeps its numbers as 'banana': this sondo knows float32, .*export again"),
    ],
)
def test_metadata_that_does_not_fit(tmp_path, change, message):
    metadata = {key: value for key, value in {**METADATA, **change}.items() if value is not None}
    with pytest.raises(SondoError, match=f"tiny.onnx.*{message}"):
        OnnxModel(write(tmp_path / "tiny.onnx", metadata))


def test_a_teacher_that_cannot_be_read_is_named(tmp_path):
    path = write(tmp_path / "tiny.onnx", {**METADATA, "sondo.teacher": "{"})
    graph = onnx.load(path)
    graph.graph.node.append(onnx.helper.make_node("Identity", ["embedding"], ["teacher_space"]))
    graph.graph.output.append(onnx.helper.make_tensor_value_info("teacher_space", onnx.TensorProto.FLOAT, ["batch", 2]))
    onnx.save(graph, path)
    with pytest.raises(SondoError, match="tiny.onnx: its metadata cannot be read"):
        assert OnnxModel(path).mapped_to


def test_files_that_are_no_model(tmp_path):
    with pytest.raises(SondoError, match="no such model file"):
        OnnxModel(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(SondoError, match="onnxruntime cannot open it, copy or export it again: "):
        OnnxModel(tmp_path / "text.onnx")
    with pytest.raises(SondoError, match="lacks output embedding"):
        OnnxModel(write(tmp_path / "other.onnx", METADATA, output="logits"))


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True, 10**6])
def test_what_is_no_number_of_threads_is_refused(tmp_path, threads):
    path = write(tmp_path / "tiny.onnx", METADATA)
    with pytest.raises(SondoError, match=f"cannot run on {threads!r} threads.*from 1 to 1024"):
        OnnxModel(path, threads=threads)
    assert OnnxModel(path, threads=np.int64(2)).name == "tiny"
