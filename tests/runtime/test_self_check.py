"""A file checked by itself: a tiny graph that keeps every promise, and ones that break one each."""

import json

import numpy as np
import pytest

from sondo.audio.logmel import LogMelConfig
from sondo.errors import SondoError
from sondo.runtime.golden import GoldenVector, golden_sound, to_text
from sondo.runtime.self_check import self_check

onnx = pytest.importorskip("onnx", reason="needs the extra train")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

SHORTEST = 3072


def steps(kind):
    """embedding = (mean of the samples that count, 1), NaN where they are too few."""
    count = [("Min", ["lengths", "samples"], "count", {}), ("Range", ["zero", "length", "one"], "place", {})]
    if kind == "deaf to lengths":
        count[0] = ("Min", ["samples", "samples"], "count", {})
    last = [("Concat", ["mean", "ones"], "embedding", {"axis": 1})]
    if kind == "of the batch":
        last = [
            ("ReduceMean", ["mean", "rows"], "of_all", {}),
            ("Add", ["mean", "of_all"], "mixed", {}),
            ("Concat", ["mixed", "ones"], "embedding", {"axis": 1}),
        ]
    if kind == "without end":
        last = [("Div", ["ones", "nothing"], "endless", {}), ("Concat", ["mean", "endless"], "embedding", {"axis": 1})]
    return [
        ("Shape", ["audio"], "samples", {"start": 1, "end": 2}),
        ("Shape", ["audio"], "batch", {"start": 0, "end": 1}),
        ("Squeeze", ["samples"], "length", {}),
        *count,
        ("Unsqueeze", ["count", "columns"], "counts", {}),
        ("Less", ["place", "counts"], "counted", {}),
        ("Where", ["counted", "audio", "nothing"], "heard", {}),
        ("ReduceSum", ["heard", "columns"], "sum", {}),
        ("Cast", ["counts"], "weight", {"to": onnx.TensorProto.FLOAT}),
        ("Less", ["counts", "shortest"], "too_few", {}),
        ("Where", ["too_few", "nothing" if kind == "of any length" else "nan", "weight"], "weight_or_nan", {}),
        ("Add", ["weight_or_nan", "little"], "divisor", {}),
        ("Div", ["sum", "divisor"], "mean_of_any", {}),
        ("Concat", ["batch", "one_column"], "column", {"axis": 0}),
        ("Expand", ["mean_of_any", "column"], "mean", {}),
        ("Sub", ["mean", "mean"], "zeros", {}),
        ("Add", ["zeros", "unit"], "ones", {}),
        *last,
    ]


def write(path, kind="good", golden=None):
    constants = {
        "zero": np.array(0),
        "one": np.array(1),
        "rows": np.array([0]),
        "columns": np.array([1]),
        "one_column": np.array([1]),
        "shortest": np.array(SHORTEST),
        "nothing": np.array(0, np.float32),
        "little": np.array(1e-6, np.float32),
        "nan": np.array(np.nan, np.float32),
        "unit": np.array(1, np.float32),
        "lengths": np.array([2**62]),
    }
    graph = helper.make_graph(
        [helper.make_node(op, ins, [out], **more) for op, ins, out, more in steps(kind)],
        "tiny",
        [
            helper.make_tensor_value_info("audio", onnx.TensorProto.FLOAT, ["batch", "samples"]),
            helper.make_tensor_value_info("lengths", onnx.TensorProto.INT64, ["given"]),
        ],
        [helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    metadata = {
        "sondo.format": "1",
        "sondo.name": "tiny",
        "sondo.space_id": "tiny-abc",
        "sondo.sample_rate": "32000",
        "sondo.embedding_dim": "2",
        "sondo.licence": "CC0-1.0",
        "sondo.front_end": json.dumps(LogMelConfig().to_dict()),
    }
    helper.set_model_props(model, metadata if golden is None else {**metadata, "sondo.golden": golden})
    onnx.save(model, str(path))
    return path


def golden(factor=1.0):
    sound = golden_sound(5000)
    return to_text([GoldenVector.of(np.array([factor * sound.mean(), factor], np.float32), samples=5000)])


def failed(path):
    return [check.name for check in self_check(path) if not check.passed]


def test_a_good_file_passes(tmp_path):
    checks = self_check(write(tmp_path / "tiny.onnx", golden=golden()))
    assert all(check.passed for check in checks)
    assert all(check.found is not None for check in checks)


def test_another_golden_vector_is_seen(tmp_path):
    assert failed(write(tmp_path / "tiny.onnx", golden=golden(1.01))) == ["golden vector of 5000 samples"]


def test_a_file_without_golden_vectors_says_so(tmp_path):
    checks = self_check(write(tmp_path / "tiny.onnx"))
    assert "the file has none" in checks[0].name
    assert checks[0].found is None


def test_golden_vectors_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(SondoError, match=r"tiny\.onnx: its golden vectors cannot be read"):
        self_check(write(tmp_path / "tiny.onnx", golden="[]"))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("of the batch", "alone and in a batch"),
        ("deaf to lengths", "alone and padded"),
        ("of any length", "shorter than 0.1 s: share of numbers"),
        ("without end", "silence and full scale: share of values that are not finite"),
    ],
)
def test_a_broken_promise_is_seen(tmp_path, kind, name):
    assert name in failed(write(tmp_path / "tiny.onnx", kind))


def test_classes_that_the_file_cannot_tell_are_refused(tmp_path):
    path = write(tmp_path / "tiny.onnx", golden=golden())
    model = onnx.load(str(path))
    model.metadata_props.add(key="sondo.classes", value='["a"]')
    onnx.save(model, str(path))
    with pytest.raises(SondoError, match=r"tiny\.onnx: 1 classes .* do not fit its output probabilities"):
        self_check(path)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(SondoError, match="no such model file"):
        self_check(tmp_path / "absent.onnx")
