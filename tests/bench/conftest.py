"""A small network in a file, with the metadata of an exported student, whose work can be counted by hand."""

import json

import numpy as np
import pytest

from sondo.audio.logmel import LogMelConfig


def weights(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.fixture
def network(tmp_path):
    """Of sounds of 0.1 s: a product called front-end, three convolutions, a product, a Gemm with a turned weight."""
    onnx = pytest.importorskip("onnx", reason="needs the extra train")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    constants = {
        "shape": np.array([-1, 32]),
        "front_end/matrix": weights(32, 16),
        "as_map": np.array([-1, 1, 100, 16]),
        "first": weights(4, 1, 3, 3),
        "grouped": weights(4, 1, 3, 3),
        "pointwise": weights(6, 4, 1, 1),
        "as_row": np.array([-1, 6]),
        "product": weights(6, 5),
        "last": weights(7, 5),
        "bias": weights(7),
        "zeros": np.zeros(9, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["audio", "shape"], ["rows"], name="rows"),
        helper.make_node("MatMul", ["rows", "front_end/matrix"], ["bands"], name="front_end/bands"),
        helper.make_node("Reshape", ["bands", "as_map"], ["map"], name="map"),
        helper.make_node("Conv", ["map", "first"], ["a"], name="a", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Conv", ["a", "grouped"], ["b"], name="b", pads=[1, 1, 1, 1], group=4),
        helper.make_node("Conv", ["b", "pointwise"], ["c"], name="c"),
        helper.make_node("GlobalAveragePool", ["c"], ["mean"], name="mean"),
        helper.make_node("Reshape", ["mean", "as_row"], ["row"], name="row"),
        helper.make_node("MatMul", ["row", "product"], ["d"], name="d"),
        helper.make_node("Gemm", ["d", "last", "bias"], ["embedding"], name="e", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("audio", kind, ["batch", "samples"])],
        [helper.make_tensor_value_info("embedding", kind, ["batch", 7])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    about = {"format": "1", "name": "small", "space_id": "small-abc", "sample_rate": "32000", "embedding_dim": "7"}
    about |= {"licence": "CC0-1.0", "front_end": json.dumps(LogMelConfig().to_dict())}
    helper.set_model_props(model, {f"sondo.{key}": value for key, value in about.items()})
    path = tmp_path / "small.onnx"
    onnx.save(model, str(path))
    return path
