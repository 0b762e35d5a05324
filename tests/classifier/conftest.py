"""A student of three numbers, mean, peak and power of the samples, as a file; folders of sound that it can tell."""

import csv
import json

import pytest
from noise import RATE, write_sound

from sondo.audio.logmel import LogMelConfig


@pytest.fixture(scope="session")
def tiny_student(tmp_path_factory):
    """Path of the exported file."""
    onnx = pytest.importorskip("onnx", reason="needs the extra train")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Abs", ["audio"], ["size"]),
        helper.make_node("ReduceMean", ["size", "axes"], ["mean"], keepdims=1),
        helper.make_node("ReduceMax", ["size", "axes"], ["peak"], keepdims=1),
        helper.make_node("Mul", ["audio", "audio"], ["square"]),
        helper.make_node("ReduceMean", ["square", "axes"], ["power"], keepdims=1),
        helper.make_node("Concat", ["mean", "peak", "power"], ["embedding"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("audio", kind, ["batch", "samples"])],
        [helper.make_tensor_value_info("embedding", kind, ["batch", 3])],
        [helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    metadata = {
        "sondo.format": "1",
        "sondo.name": "tiny",
        "sondo.space_id": "tiny-abc",
        "sondo.sample_rate": str(RATE),
        "sondo.embedding_dim": "3",
        "sondo.licence": "CC0-1.0",
        "sondo.front_end": json.dumps(LogMelConfig().to_dict()),
    }
    helper.set_model_props(model, metadata)
    path = tmp_path_factory.mktemp("tiny") / "tiny.onnx"
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="session")
def class_folders(tmp_path_factory):
    """Ten sounds each of three classes that level and clicks tell apart."""
    data = tmp_path_factory.mktemp("classes") / "data"
    for number in range(10):
        wobble = 1 + 0.02 * number
        for name, level, clicks in (("loud", 0.5, 0), ("quiet", 0.01, 0), ("clicks", 0.01, 5)):
            write_sound(data / name / f"{number}.wav", level=level * wobble, clicks=clicks, seed=number)
    return data


@pytest.fixture(scope="session")
def several_labels(tmp_path_factory):
    """A CSV of sounds that are loud, have clicks, both, or neither (no label), in four folds."""
    folder = tmp_path_factory.mktemp("several")
    rows = []
    for number in range(32):
        loud, clicks = bool(number & 1), bool(number & 2)
        level = (0.3 if loud else 0.01) * (1 + 0.01 * number)
        path = write_sound(folder / f"{number}.wav", level=level, clicks=40 * clicks, seed=number)
        labels = [name for name, holds in (("loud", loud), ("clicks", clicks)) if holds]
        rows.append({"path": path.name, "labels": ";".join(labels), "fold": number // 4 % 4})
    table = folder / "labels.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "labels", "fold"])
        writer.writeheader()
        writer.writerows(rows)
    return table
