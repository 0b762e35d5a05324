"""The exported file beside torch: seconds for 10 s of sound on one thread, and where they go.

    python benchmarks/export.py [--width 0.4]

Prints a Markdown table; variants are timed in turn and compared pair by pair.
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

from sondo.audio.logmel import log_mel
from sondo.export import to_onnx
from sondo.students import create

ROUNDS, CALLS = 9, 5


def seconds_a_call(work: Callable[[], object]) -> float:
    """Mean of some calls, after one that is not counted."""
    work()
    start = time.perf_counter()
    for _ in range(CALLS):
        work()
    return (time.perf_counter() - start) / CALLS


def main() -> None:
    """Export a student with random weights, time it against torch and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=float, default=0.4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    student = create("mobilenetv3", width_mult=options.width).eval()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = to_onnx(student, Path(folder) / "student.onnx")
        size = path.stat().st_size
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, 320_000))).astype(np.float32)
    tensor = torch.from_numpy(audio)

    def on_torch() -> object:
        with torch.inference_mode():
            return student(tensor)

    def on_torch_front_end() -> object:
        with torch.inference_mode():
            return student.front_end(tensor)

    work: dict[str, Callable[[], object]] = {
        "torch": on_torch,
        "the exported file on onnxruntime": lambda: session.run(None, {"audio": audio}),
        "log-mel alone, torch": on_torch_front_end,
        "log-mel alone, numpy": lambda: log_mel(audio),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, call in work.items():
            times[name].append(seconds_a_call(call))
    print(f"MobileNetV3 x {options.width}, 10 s of sound, 1 thread, file of {size:,} bytes\n")
    print("| what | ms (median) | against torch (median of pairs) |")
    print("| --- | --- | --- |")
    for name, seconds in times.items():
        ratio = statistics.median(new / old for old, new in zip(times["torch"], seconds, strict=True))
        print(f"| {name} | {1000 * statistics.median(seconds):.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
