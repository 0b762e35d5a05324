"""Exported files of every precision: size, cosine to torch and time beside float32; and int8 on another processor.

    python benchmarks/precisions.py RUN [SOUND ...] [--emulate Haswell]

RUN is the folder of a run or of a student; SOUND are files or folders where it has no bank. Times are processor time
of one thread for 10 s of sound, called in turn; ratios are medians over rounds. With --emulate (needs qemu-x86_64, in
Debian's qemu-user) the file in int8 is also run as on that processor, once with the 7-bit weights that sondo writes and
once with 8-bit ones, and its vectors are compared with those of float32 and with its own on this processor.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from sondo.runtime.onnx import open_session

ROUNDS, SECONDS = 15, 10.0
CLIPS_UNDER_EMULATION = 4


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each pair of rows."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    return np.asarray((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))


def embed(path: Path, clips: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The vectors of a file in onnxruntime."""
    session = open_session(path, 1)
    return np.concatenate([session.run(["embedding"], {"audio": clip[None]})[0] for clip in clips])


def embed_emulated(path: Path, clips: Path, processor: str) -> NDArray[np.float32]:
    """The same by a second interpreter on an emulated processor."""
    command = ["qemu-x86_64", "-cpu", processor, sys.executable, __file__, "--run", str(path), str(clips)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return np.load(path.with_suffix(".npy"))


def table(student: Any, sound: Any, folder: Path) -> dict[str, Path]:
    """Print size, cosine and time of every precision."""
    from sondo.export import to_onnx
    from sondo.export.precision import PRECISIONS
    from sondo.students import TorchModel

    clips, calibration = sound.to_compare("int8"), sound.to_calibrate("int8")
    reference = TorchModel(student)
    wanted = np.stack([reference.embed(clip, sample_rate=student.sample_rate) for clip in clips])
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, round(SECONDS * student.sample_rate)))).astype(
        np.float32
    )
    paths = {
        name: to_onnx(student, folder / f"{name}.onnx", precision=name, sound=calibration, clips=clips, threshold=-1.0)
        for name in PRECISIONS
    }
    sessions = {name: open_session(path, 1) for name, path in paths.items()}
    seconds: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            start = time.thread_time()
            session.run(["embedding"], {"audio": audio})
            seconds[name].append(time.thread_time() - start)
    whole = paths["float32"].stat().st_size
    print("| | bytes | share | mean cosine | smallest | time / float32 |\n| --- | --- | --- | --- | --- | --- |")
    for name, path in paths.items():
        found = cosines(embed(path, clips), wanted)
        ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds["float32"], strict=True))
        size = path.stat().st_size
        print(f"| {name} | {size:,} | {size / whole:.3f} | {found.mean():.6f} | {found.min():.6f} | {ratio:.2f} |")
    return paths


def emulate(student: Any, sound: Any, folder: Path, float32: Path, processor: str) -> None:
    """Print how far 7-bit and 8-bit weights are from float32 on both processors, and from each other."""
    from sondo.export import int8, to_onnx

    clips = sound.to_compare("int8")[:CLIPS_UNDER_EMULATION]
    samples = min(len(clip) for clip in clips)
    np.save(folder / "clips.npy", np.stack([clip[:samples] for clip in clips]))
    clips = [clip[:samples] for clip in clips]
    wanted, true = embed(float32, clips), int8.quantize_static
    print(f"\n| weights | here to float32 | {processor} to float32 | {processor} to here |\n| --- | --- | --- | --- |")
    for bits in (7, 8):
        path = folder / f"bits{bits}.onnx"

        def with_bits(*arguments: Any, bits: int = bits, **options: Any) -> None:
            true(*arguments, **{**options, "reduce_range": bits == 7})

        with patch.object(int8, "quantize_static", with_bits):
            to_onnx(student, path, precision="int8", sound=sound.to_calibrate("int8"), clips=clips, threshold=-1.0)
        here, there = embed(path, clips), embed_emulated(path, folder / "clips.npy", processor)
        pairs = ((here, wanted), (there, wanted), (there, here))
        print(f"| {bits} bits | " + " | ".join(f"{cosines(*pair).min():.6f}" for pair in pairs) + " |")


def main() -> None:
    """Print the tables."""
    if sys.argv[1:2] == ["--run"]:
        path, clips = Path(sys.argv[2]), np.load(sys.argv[3])
        np.save(path.with_suffix(".npy"), embed(path, list(clips)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("sound", type=Path, nargs="*")
    parser.add_argument("--emulate", metavar="PROCESSOR", help="a name that `qemu-x86_64 -cpu help` lists")
    settings = parser.parse_args()
    if settings.emulate and shutil.which("qemu-x86_64") is None:
        raise SystemExit("--emulate needs qemu-x86_64: apt-get install qemu-user")
    from sondo.exporting import read_source, sound_of_files

    source = read_source(settings.run)
    sound = sound_of_files(settings.sound, source.student.sample_rate) if settings.sound else source.sound
    with tempfile.TemporaryDirectory() as folder:
        paths = table(source.student, sound, Path(folder))
        if settings.emulate:
            emulate(source.student, sound, Path(folder), paths["float32"], settings.emulate)


if __name__ == "__main__":
    main()
