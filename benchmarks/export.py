"""The exported file beside torch: milliseconds for 10 s of sound on one thread, and where they go.

    python benchmarks/export.py [--student mobilenetv3] [--width 1.0]

Prints a Markdown table. What is compared is called in turn, its time is that of the thread's processor, which other
work on the machine changes least, and the ratios are medians over the turns.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper

from sondo.audio.logmel import LogMelConfig
from sondo.export.front_end import front_end_graph
from sondo.export.graph import student_model
from sondo.export.steps import tensors
from sondo.students import create

ROUNDS, CALLS = 15, 3
TEACHER_DIM = 3840


def seconds_a_call(work: Callable[[], object]) -> float:
    """Mean of some calls."""
    start = time.thread_time()
    for _ in range(CALLS):
        work()
    return (time.thread_time() - start) / CALLS


def front_end_model() -> bytes:
    """The log-mel alone, as it stands in the file."""
    config = LogMelConfig()
    nodes, constants = front_end_graph(config, audio="audio", log_mel="log_mel")
    graph = helper.make_graph(
        nodes,
        "front_end",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [1, "samples"])],
        [helper.make_tensor_value_info("log_mel", TensorProto.FLOAT, [1, config.num_mels, "frames"])],
        tensors(constants),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def main() -> None:
    """Export a student with random weights, time it against torch and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--student", choices=["mobilenetv3", "dymn", "eres2net"], default="mobilenetv3")
    parser.add_argument("--width", type=float, default=1.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    student = create(options.student, width_mult=options.width).eval()
    projector = student.make_projector(TEACHER_DIM).eval()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 3
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, 320_000))).astype(np.float32)
    tensor = torch.from_numpy(audio)

    def on_onnxruntime(content: bytes) -> Callable[[], object]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(content)
            session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"audio": audio})

    def on_torch(module: torch.nn.Module) -> Callable[[], object]:
        def work() -> object:
            with torch.inference_mode():
                return module(tensor)

        return work

    content = student_model(student).SerializeToString()
    work = {
        "torch": on_torch(student),
        "the file": on_onnxruntime(content),
        "the file, with `frames`": on_onnxruntime(student_model(student, frames=True).SerializeToString()),
        f"the file, with `teacher_space` of {TEACHER_DIM} values": on_onnxruntime(
            student_model(student, projector=projector).SerializeToString()
        ),
        "log-mel alone, in the file": on_onnxruntime(front_end_model()),
        "log-mel alone, torch": on_torch(student.front_end),
    }
    for call in work.values():
        seconds_a_call(call)
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, call in work.items():
            times[name].append(seconds_a_call(call))
    print(f"{options.student} x {options.width}, 10 s of sound, 1 thread, a file of {len(content):,} bytes\n")
    print("| what | ms (median) | against torch (median of pairs) |")
    print("| --- | --- | --- |")
    for name, seconds in times.items():
        ratio = statistics.median(new / old for old, new in zip(times["torch"], seconds, strict=True))
        print(f"| {name} | {1000 * statistics.median(seconds):.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
