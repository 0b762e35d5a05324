"""A student as .onnx, as .tflite and as .tflite in int8: size, cosine to torch and time for 10 s of sound, one thread.

    python benchmarks/mobile_litert.py --sounds FOLDER [--students STUDENT_FOLDER mobilenetv3 dymn eres2net]

Runs in the environment of docs/litert.md, and needs real sound: every other clip calibrates int8, and all cosines are
over the others. A student is a folder, or a name, which means random weights: its cosines say little, since a random
network tells sounds hardly apart. Times are processor times of the one thread, which other work on the machine changes
least; ratios are medians over pairs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sondo.audio.decode import list_audio_files, read_clips
from sondo.export.graph import student_model
from sondo.export.litert import to_litert
from sondo.runtime.litert import LiteRtModel
from sondo.runtime.onnx import open_session
from sondo.students import create, load

RATE, SECONDS, ROUNDS = 32000, 10, 15


def seconds_of(work: Callable[[], object]) -> float:
    """Processor time of this thread."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sounds", type=Path, required=True, help="folder of real sound")
    parser.add_argument("--students", nargs="+", default=["mobilenetv3", "dymn", "eres2net"])
    parser.add_argument("--width", type=float, default=1.0, help="of students given by name")
    parser.add_argument("--clips", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = list_audio_files(options.sounds)
    files = files[:: max(1, len(files) // options.clips)][: options.clips]
    clips = [next(iter(read_clips(file, [(0.0, float(SECONDS))], sample_rate=RATE))) for file in files]
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, SECONDS * RATE))).astype(np.float32)
    print("| Student | File | Bytes | Mean cosine | Smallest | Time | Time / .onnx |\n|---|---|---|---|---|---|---|")
    for name in options.students:
        torch.manual_seed(0)
        student = load(name) if Path(name).is_dir() else create(name, width_mult=options.width).eval()
        with tempfile.TemporaryDirectory() as folder:
            table(name, student, Path(folder), clips, audio)


def table(name: str, student: object, folder: Path, clips: list[np.ndarray], audio: np.ndarray) -> None:
    """The rows of a student."""
    (folder / "student.onnx").write_bytes(student_model(student).SerializeToString())
    paths = [
        folder / "student.onnx",
        to_litert(student, folder / "float.tflite", clips=clips[1::2], threshold=-1.0),
        to_litert(
            student, folder / "int8.tflite", clips=clips[1::2], sound=clips[::2], precision="int8", threshold=-1.0
        ),
    ]
    session = open_session(paths[0], 1)
    works: list[Callable[[], object]] = [lambda: session.run(["embedding"], {"audio": audio})]
    for path in paths[1:]:
        model = LiteRtModel(path, threads=1)
        works.append(lambda model=model: model.embed(audio, sample_rate=RATE))
    for work in works:
        work()
    rounds = [[seconds_of(work) for work in works] for _ in range(ROUNDS)]
    for index, path in enumerate(paths):
        cosines = "| | "
        if path.suffix == ".tflite":
            cases = json.loads(path.with_name(path.name + ".json").read_text())["cases"]
            found = [case["mean_cosine"] for case in cases if case["name"].startswith("clip")]
            cosines = f"| {statistics.mean(found):.6f} | {min(found):.6f} "
        time_ms = 1000 * statistics.median(times[index] for times in rounds)
        ratio = statistics.median(times[index] / times[0] for times in rounds)
        size = f"{path.stat().st_size:,}"
        print(f"| {name} | {path.name} | {size} {cosines}| {time_ms:.1f} ms | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
