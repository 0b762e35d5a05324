"""What is no .tflite file of ours is refused, and why; the rest of it is in tests/export/test_litert.py."""

import json
import pickle

import numpy as np
import pytest

import sondo
from sondo.audio.logmel import LogMelConfig
from sondo.errors import SondoError

schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="the extra litert is not installed")
flatbuffers = pytest.importorskip("flatbuffers")


def foreign(path, metadata=None):
    """A file that doubles one number; with an entry of metadata as ours where there is some."""
    model, graph, step, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    graph.tensors = []
    for name in ("in", "out"):
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = [1], schema.TensorType.FLOAT32, name
        graph.tensors.append(tensor)
    step.inputs, step.outputs = [0, 0], [1]
    step.builtinOptionsType, step.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    graph.operators, graph.inputs, graph.outputs = [step], [0], [1]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    if metadata is not None:
        entry, buffer = schema.MetadataT(), schema.BufferT()
        entry.name, entry.buffer, buffer.data = "sondo_metadata", 1, list(metadata)
        model.metadata, model.buffers = [entry], [*model.buffers, buffer]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def test_a_file_of_others_is_named(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    path = foreign(tmp_path / "foreign.tflite")
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.array([2.0], dtype=np.float32))
    interpreter.invoke()
    assert interpreter.get_tensor(1) == [4.0], "a sound file, only not ours"
    with pytest.raises(SondoError, match="not one that `sondo export` wrote"):
        sondo.load(path)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x1c\x00\x00\x00TFL3" + b"\x00" * 64])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "damaged.tflite"
    path.write_bytes(content)
    with pytest.raises(SondoError, match="LiteRT cannot open it"):
        sondo.load(path)


@pytest.mark.parametrize("metadata", [b"", b"{", b"[]", b"\xff"])
def test_damaged_metadata_is_named(tmp_path, metadata):
    with pytest.raises(SondoError, match=r"damaged\.tflite: its metadata cannot be read"):
        sondo.load(foreign(tmp_path / "damaged.tflite", metadata))


@pytest.mark.parametrize("threads", [0, "2", 10**6])
def test_what_is_no_number_of_threads_is_refused(tmp_path, threads):
    with pytest.raises(SondoError, match=f"cannot run on {threads!r} threads"):
        sondo.load(foreign(tmp_path / "foreign.tflite"), threads=threads)


def test_what_another_process_is_sent_opens_the_file_again(tmp_path):
    samples = 7 * 512  # so many numbers does the file give for them: the samples, doubled
    about = {"format": "1", "name": "twice", "space_id": "twice", "sample_rate": "32000", "embedding_dim": str(samples)}
    about |= {"licence": "MIT", "front_end": json.dumps(LogMelConfig().to_dict())}
    content = json.dumps({f"sondo.{key}": value for key, value in about.items()}).encode()
    model = sondo.load(foreign(tmp_path / "twice.tflite", content), threads=1)
    sound = np.linspace(-1, 1, samples, dtype=np.float32)
    sent = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(sent.embed(sound, sample_rate=32000), 2 * sound)
    assert sent._threads == 1
