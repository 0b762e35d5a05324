"""A student as .onnx and for phones: size, cosine to torch and time for 10 s of sound, on one thread.

    python benchmarks/phones.py executorch --sounds FOLDER [--students STUDENT_FOLDER mobilenetv3 dymn eres2net]
    python benchmarks/phones.py litert --sounds FOLDER

Needs the extras `train` and `executorch`, or the environment of docs/litert.md, and real sound: every other clip
calibrates int8, and all cosines are over the others. A student is a folder, or a name, which means random weights, at
the published size by default: its cosines say little, since a random network hardly tells sounds apart. Times are
processor times of the one thread, which other work on the machine changes least; ratios are medians over pairs.
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
from sondo.runtime.files import open_file
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
    parser.add_argument("form", choices=["executorch", "litert"])
    parser.add_argument("--sounds", type=Path, required=True, help="folder of real sound")
    parser.add_argument("--students", nargs="+", default=["mobilenetv3", "dymn", "eres2net"])
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--width_mult", type=float, help="of students given by name")
    options = parser.parse_args()
    write, suffix = writer(options.form)
    torch.set_num_threads(1)
    files = list_audio_files(options.sounds)
    files = files[:: max(1, len(files) // options.clips)][: options.clips]
    clips = [next(iter(read_clips(file, [(0.0, float(SECONDS))], sample_rate=RATE))) for file in files]
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, SECONDS * RATE))).astype(np.float32)
    print("| Student | File | Bytes | Mean cosine | Smallest | Time | Time / .onnx |\n|---|---|---|---|---|---|---|")
    for name in options.students:
        torch.manual_seed(0)
        student = load(name) if Path(name).is_dir() else create(name, width_mult=options.width_mult).eval()
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / "student.onnx", *(Path(folder) / f"{kind}{suffix}" for kind in ("float32", "int8"))]
            paths[0].write_bytes(student_model(student).SerializeToString())
            write(student, paths[1], clips=clips[1::2], threshold=-1.0)
            write(student, paths[2], clips=clips[1::2], sound=clips[::2], precision="int8", threshold=-1.0)
            table(name, paths, audio)


def writer(form: str) -> tuple[Callable[..., Path], str]:
    """What writes the files, on one thread from now on, and what their names end in."""
    if form == "litert":
        from sondo.export.litert import to_litert

        return to_litert, ".tflite"
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool

    from sondo.export.executorch import to_executorch

    _unsafe_reset_threadpool(1)
    return to_executorch, ".pte"


def table(name: str, paths: list[Path], audio: np.ndarray) -> None:
    """The rows of a student."""
    session = open_session(paths[0], 1)
    works: list[Callable[[], object]] = [lambda: session.run(["embedding"], {"audio": audio})]
    for path in paths[1:]:
        model = open_file(path, threads=1 if path.suffix == ".tflite" else None)
        works.append(lambda model=model: model.embed(audio, sample_rate=RATE))
    for work in works:
        work()
    rounds = [[seconds_of(work) for work in works] for _ in range(ROUNDS)]
    for index, path in enumerate(paths):
        cosines = "| | "
        if path.suffix != ".onnx":
            cases = json.loads(path.with_name(path.name + ".json").read_text())["cases"]
            found = [case["mean_cosine"] for case in cases if case["name"].startswith("clip")]
            cosines = f"| {statistics.mean(found):.6f} | {min(found):.6f} "
        time_ms = 1000 * statistics.median(times[index] for times in rounds)
        ratio = statistics.median(times[index] / times[0] for times in rounds)
        size = f"{path.stat().st_size:,}"
        print(f"| {name} | {path.name} | {size} {cosines}| {time_ms:.1f} ms | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
