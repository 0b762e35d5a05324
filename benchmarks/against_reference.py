"""The published inference package beside ours: audio to embedding, 10 s of sound, batch 1, one thread.

    python benchmarks/against_reference.py --reference PATH_OF_A_CLONE_OF_SSONDO [--students mobilenetv3 dymn]
        [--files runs/a/student.int8.onnx]

Files are those of students that were trained, at the published size: they are timed beside the package's network of
the same name. Which layers int8 leaves in float32 depends on the weights, and so does its time.

What the clone needs, and how torchaudio is stood in for, is said in `conformance.py`. One random checkpoint of each
architecture at the published size is loaded by both sides: by the published `get_ssondo`, and by sondo, which exports
it to ONNX. The two are timed in turn, in processor time of the one thread, which other work on the machine changes
least; the table's ratios are medians over pairs. The last column is the smallest cosine between the two sides' vectors
over unlike sounds. The export's own comparison is passed over: a random DyMN amplifies rounding on clicks and noise
until float32 and float64 disagree.

"Arithmetic alone" is what the student's multiply-accumulates in float32 would take at the rate of a large matrix
product in onnxruntime, over the published time: a file whose convolutions were perfect, with a log-mel for nothing.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from conformance import _STUDENTS, RATE, randomise, sound, stand_in_for_torchaudio, training_config
from onnx import TensorProto, helper, numpy_helper

import sondo
from sondo.bench.torch_student import count_macs
from sondo.export import to_onnx
from sondo.export.network import IR_VERSION, OPSET
from sondo.runtime.onnx import open_session
from sondo.students.published import load_published

CHECKPOINTS = {"mobilenetv3": "mobilenetv3 x 1.0", "dymn": "dymn x 1.0", "eres2net": "eres2net 16"}
ROUNDS, CALLS = 15, 3
_SIDE = 512


def seconds_of(work: Callable[[], object], calls: int) -> float:
    """Processor time of this thread, the mean over some calls in a row."""
    start = time.thread_time()
    for _ in range(calls):
        work()
    return (time.thread_time() - start) / calls


def compare(name: str, folder: Path, files: list[Path]) -> list[list[str]]:
    """The rows of a student: a random one in float32, then those of the files."""
    published = importlib.import_module("ssondo.model")
    config = training_config(_STUDENTS[CHECKPOINTS[name]])
    state = {f"student_model.{key}": value for key, value in randomise(published._build_student_model(config)).items()}
    torch.save({"training_config": config, "state_dict": state}, folder / "random.ckpt")
    theirs = published.get_ssondo(str(folder / "random.ckpt"))
    student, _ = load_published(folder / "random.ckpt")
    least_s = count_macs(student, np.zeros((1, 10 * RATE), dtype=np.float32)).network / peak_rate()
    to_onnx(student, folder / f"{name}.onnx", threshold=-1.0)
    session = open_session(folder / f"{name}.onnx", 1)
    old_ms, *ours = timed(theirs, session)
    floor = f"{1000 * least_s / float(old_ms):.3f}"
    rows = [[f"{CHECKPOINTS[name]}, float32", old_ms, *ours, floor, f"{closest(theirs, session):.7f}"]]
    for file in files:
        rows.append([f"{CHECKPOINTS[name]}, {file}", *timed(theirs, open_session(file, 1)), "", ""])
    return rows


def peak_rate() -> float:
    """Multiply-accumulates in a second of a product of large matrices in onnxruntime, on one thread."""
    factor = np.random.default_rng(0).standard_normal((_SIDE, _SIDE)).astype(np.float32)
    shape = [_SIDE, _SIDE]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(factor, "right")],
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    fastest = min(seconds_of(lambda: session.run(None, {"left": factor}), CALLS) for _ in range(ROUNDS))
    return float(_SIDE**3 / fastest)


def closest(theirs: Any, session: Any) -> float:
    """The smallest cosine between the two sides' vectors over unlike sounds."""
    cosines = []
    for clip in sound(10.0, RATE, batch=4):
        with torch.inference_mode():
            wanted = theirs.get_embeddings(clip[None]).numpy().ravel().astype(np.float64)
        found = session.run(["embedding"], {"audio": clip[None].numpy()})[0].ravel().astype(np.float64)
        cosines.append(wanted @ found / np.linalg.norm(wanted) / np.linalg.norm(found))
    return float(min(cosines))


def timed(theirs: Any, session: Any) -> list[str]:
    """Milliseconds of both, and the median of their ratios."""
    tensor = sound(10.0, RATE, batch=1)
    audio = tensor.numpy()

    def published_call() -> object:
        with torch.inference_mode():
            return theirs.get_embeddings(tensor)

    def our_call() -> object:
        return session.run(["embedding"], {"audio": audio})

    times: dict[Callable[[], object], list[float]] = {published_call: [], our_call: []}
    for work in times:
        seconds_of(work, CALLS)
    for _ in range(ROUNDS):
        for work, seconds in times.items():
            seconds.append(seconds_of(work, CALLS))
    ratio = statistics.median(new / old for old, new in zip(*times.values(), strict=True))
    return [*[f"{1000 * statistics.median(seconds):.1f}" for seconds in times.values()], f"{ratio:.3f}"]


def main() -> None:
    """Run both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="clone of the published code")
    parser.add_argument("--students", nargs="+", choices=list(CHECKPOINTS), default=list(CHECKPOINTS))
    parser.add_argument("--files", type=Path, nargs="+", default=[], help="files of trained students, of any precision")
    settings = parser.parse_args()
    models = {file: sondo.load(file) for file in settings.files}
    torch.set_num_threads(1)
    stand_in_for_torchaudio()
    sys.path[:0] = [str(settings.reference / "inference_ssondo")]
    print("| student | published, ms | sondo, ms | sondo / published (median of pairs) | arithmetic alone | cosine |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in settings.students:
        with tempfile.TemporaryDirectory() as folder:
            for row in compare(name, Path(folder), [file for file in models if models[file].name == name]):
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
