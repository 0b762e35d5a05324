"""Static int8: 7-bit weights, layers that suffer left in float32, and a file that keeps the student's vectors."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import sondo
from sondo.errors import SondoError
from sondo.export import int8, to_onnx, verify
from sondo.export.int8 import int8_network
from sondo.runtime.self_check import self_check

RATE = 32_000


def network(*, outlier=1.0):
    """A convolution that changes nothing, two more and a mean; the second gives one channel `outlier` times as large as
    the other seven.
    """
    generator = np.random.default_rng(0)
    first = generator.standard_normal((8, 1, 3, 3)).astype(np.float32)
    first[0] *= outlier
    second = generator.standard_normal((40, 8, 3, 3)).astype(np.float32)
    second[:, 0] /= outlier
    constants = {"stem": np.ones((1, 1, 1, 1), np.float32), "first": first, "second": second, "axis": np.array([1])}
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axis"], ["map"]),
        helper.make_node("Conv", ["map", "stem"], ["stemmed"], name="conv_stem"),
        helper.make_node("Conv", ["stemmed", "first"], ["a"], name="conv_first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], name="conv_second"),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["y"]),
    ]
    for node in nodes:
        node.name = node.name or f"node_{node.output[0]}"
    return helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, "frames"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 40])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )


def log_mels(count, seed):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((1, 16, 20)).astype(np.float32) for _ in range(count)]


def result(graph, log_mel):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: log_mel})[0][0]


def int8_weights(graph):
    tensors = [numpy_helper.to_array(item) for item in graph.initializer]
    return [values for values in tensors if values.dtype == np.int8 and values.ndim == 4]


def cosine(first, second):
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_both_layers_behind_the_first_have_weights_of_7_bits_and_the_result_stays():
    quantised = int8_network(network(), log_mels(24, 0), log_mels(8, 1))
    weights = int8_weights(quantised)
    assert sorted(len(values) for values in weights) == [8, 40]
    # each output channel has its own scale, so each reaches the end of the range, which is 64
    assert all(np.abs(values.astype(int)).max(axis=(1, 2, 3)).tolist() == [64] * len(values) for values in weights)
    (fresh,) = log_mels(1, 2)
    assert 0.999 < cosine(result(network(), fresh), result(quantised, fresh)) < 1


def test_the_weights_of_a_gemm_have_a_zero_point_for_each_scale(monkeypatch):
    monkeypatch.setattr(int8, "WANTED_COSINE", 0.0)  # nothing is left in float32
    graph = network()
    graph.node.append(helper.make_node("Gemm", ["y", "last", "bias"], ["z"], name="gemm"))
    values = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    graph.initializer.extend([numpy_helper.from_array(values, "last"), numpy_helper.from_array(values[0], "bias")])
    graph.output[0].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 6]))
    quantised = int8_network(graph, log_mels(24, 0), log_mels(8, 1))
    constants = {item.name: numpy_helper.to_array(item) for item in quantised.initializer}
    made_by = {node.output[0]: node for node in quantised.node}
    (gemm,) = [node for node in quantised.node if node.op_type == "Gemm"]
    weights, scale, zero_point = (constants[name] for name in made_by[gemm.input[1]].input)
    assert weights.dtype == np.int8
    assert zero_point.shape == scale.shape == (6,)
    assert not zero_point.any()


def test_the_layer_that_suffers_is_left_in_float32(monkeypatch):
    (fresh,) = log_mels(1, 2)
    wanted = result(network(outlier=60.0), fresh)
    monkeypatch.setattr(int8, "WANTED_COSINE", 0.0)
    both = int8_network(network(outlier=60.0), log_mels(24, 0), log_mels(8, 1))
    monkeypatch.setattr(int8, "WANTED_COSINE", 0.9999)
    monkeypatch.setattr(int8, "CHEAP", 0.5)
    left = int8_network(network(outlier=60.0), log_mels(24, 0), log_mels(8, 1))
    assert len(int8_weights(left)) == 1 < len(int8_weights(both)) == 2
    assert cosine(wanted, result(left, fresh)) > cosine(wanted, result(both, fresh))


def test_of_several_outputs_the_one_that_suffers_most_counts(monkeypatch):
    # a mean over the map hides what the map itself shows: losses of 0.001 and 0.005
    monkeypatch.setattr(int8, "WANTED_COSINE", 0.998)
    monkeypatch.setattr(int8, "CHEAP", 0.5)
    graph = network(outlier=20.0)
    assert len(int8_weights(int8_network(graph, log_mels(24, 0), log_mels(8, 1)))) == 2
    graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, 40, "height", "width"]))
    assert len(int8_weights(int8_network(graph, log_mels(24, 0), log_mels(8, 1)))) == 1


def test_what_lies_between_stays_in_float32_where_it_costs_too_much(monkeypatch):
    def with_sum():
        graph = network()
        for node in graph.node:
            node.input[:] = ["sum" if name == "b" else name for name in node.input]
        graph.node.insert(4, helper.make_node("Add", ["b", "a"], ["sum"], name="add"))
        return graph

    def quantised_sums(graph):
        (add,) = [node for node in graph.node if node.op_type == "Add"]
        makes = {output: node.op_type for node in graph.node for output in node.output}
        return [makes[name] == "DequantizeLinear" for name in add.input]

    monkeypatch.setattr(int8, "WANTED_COSINE", 0.0)
    assert quantised_sums(int8_network(with_sum(), log_mels(24, 0), log_mels(8, 1))) == [True, True]
    monkeypatch.setattr(int8, "ENOUGH_COSINE", 1.0)
    found = int8_network(with_sum(), log_mels(24, 0), log_mels(8, 1))
    assert not all(quantised_sums(found))
    assert len(int8_weights(found)) == 2


def test_the_first_layer_and_what_lies_behind_the_last_take_and_give_float32():
    graph = network()
    graph.node.insert(5, helper.make_node("Add", ["c", "c"], ["twice"], name="add"))
    graph.node[6].input[:] = ["twice"]
    found = int8_network(graph, log_mels(24, 0), log_mels(8, 1))
    makes = {output: node.op_type for node in found.node for output in node.output}
    (add,) = [node for node in found.node if node.op_type == "Add"]
    constants = {item.name: numpy_helper.to_array(item) for item in found.initializer}
    (stem,) = [node for node in found.node if node.op_type == "Conv" and node.input[1] in constants]
    assert constants[stem.input[1]].shape == (1, 1, 1, 1)
    assert makes[stem.input[0]] == "Unsqueeze"
    # the second operand of a product that is quantised would be rounded too
    assert "QuantizeLinear" not in {node.op_type for node in found.node if node.input[0] == add.output[0]}


@pytest.mark.parametrize("num_layers", [0, 1])
def test_a_network_without_layers_behind_the_first_is_refused(num_layers):
    graph = network()
    del graph.node[1 + num_layers :]
    graph.node.append(helper.make_node("Identity", [graph.node[-1].output[0]], ["y"]))
    with pytest.raises(SondoError, match="there are none"):
        int8_network(graph, log_mels(2, 0), log_mels(2, 1))


def sounds(count, seed):
    """Tones and noise of two seconds."""
    generator = np.random.default_rng(seed)
    time = np.arange(2 * RATE) / RATE
    tones = [0.3 * np.sin(2 * np.pi * generator.uniform(200, 4000) * time) for _ in range(count)]
    return [(tone + generator.uniform(0, 0.2) * generator.standard_normal(len(time))).astype("f4") for tone in tones]


@pytest.fixture(scope="module", autouse=True)
def quickly(exported, networks_once, half_a_second):
    """Export the network once, and compare few lengths: both are tested elsewhere."""
    with networks_once(), half_a_second():
        yield


@pytest.fixture(scope="module")
def made(exported, tmp_path_factory):
    """A student, its file in int8, and real sound that calibration did not hear."""
    student = exported.student
    calibration, held_out = sounds(16, 0), sounds(6, 1)
    path = tmp_path_factory.mktemp("int8") / "s.int8.onnx"
    return student, to_onnx(student, path, precision="int8", sound=calibration, clips=held_out), held_out


@pytest.mark.slow
def test_the_file_keeps_the_students_vectors_of_real_sound(made):
    student, path, held_out = made
    report = json.loads(path.with_name("s.int8.onnx.json").read_text())
    assert (report["precision"], report["judged"], report["passed"]) == ("int8", "real clips", True)
    with torch.inference_mode():
        wanted = [student(torch.from_numpy(clip)[None])[0].numpy() for clip in held_out]
    model = sondo.load(path)
    cosines = [cosine(w, model.embed(clip, sample_rate=RATE)) for w, clip in zip(wanted, held_out, strict=True)]
    assert np.mean(cosines) > 0.99
    assert report["judged_cosine"] == pytest.approx(np.mean(cosines), abs=1e-6)


@pytest.mark.slow
def test_the_file_says_so_and_passes_its_own_checks(made):
    values = {item.key: item.value for item in onnx.load(made[1]).metadata_props}
    assert values["sondo.precision"] == "int8"
    assert values["sondo.space_id"] == made[0].space_id
    assert all(check.passed for check in self_check(made[1]))


@pytest.mark.slow
def test_verify_judges_by_what_the_file_says(made):
    report = verify(made[0], made[1], clips=made[2], lengths_s=(0.5,))
    assert (report.threshold, report.judged, report.passed) == (0.99, "real clips", True)
    strict = verify(made[0], made[1], clips=made[2], lengths_s=(0.5,), threshold=0.99999)
    assert not strict.passed


@pytest.mark.slow
def test_the_front_end_stays_in_float32(made):
    (loop,) = [node for node in onnx.load(made[1]).graph.node if node.op_type == "Loop"]
    body = loop.attribute[0].g
    (first,) = [node for node in body.node if node.op_type == "Log"]
    makes = {output: node for node in body.node for output in node.output}
    behind = [first]
    while behind:
        node = behind.pop()
        assert node.op_type not in ("QuantizeLinear", "DequantizeLinear")
        behind += [makes[name] for name in node.input if name in makes]


def test_too_little_sound_is_refused_and_nothing_is_left(exported, tmp_path):
    with pytest.raises(SondoError, match="8 clips or more, not 3"):
        to_onnx(exported.student, tmp_path / "s.onnx", precision="int8", sound=sounds(3, 0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("precision", "least", "most_bytes"), [("float16", 0.999999, 0.7), ("int8_weights", 0.999, 0.55)]
)
@pytest.mark.slow
def test_small_weights_keep_the_vectors(made, exported, tmp_path, precision, least, most_bytes):
    student, _, held_out = made
    small = to_onnx(student, tmp_path / "small.onnx", precision=precision, clips=held_out)
    assert small.stat().st_size < most_bytes * exported.path.stat().st_size
    of_whole, of_small = sondo.load(exported.path), sondo.load(small)
    for clip in held_out:
        assert cosine(of_whole.embed(clip, sample_rate=RATE), of_small.embed(clip, sample_rate=RATE)) > least
    assert all(check.passed for check in self_check(small))
