"""A file of three hours through the runtime: times faster than real time, and the most memory that it took.

    python benchmarks/long_file.py [--hours 3] [--width 0.4] [--formats flac mp3] [--threads 2]

A student with random weights is exported (needs the extra train); each file (44.1 kHz, two channels, 16 bit where the
format has bits) is made once and then embedded by a process of its own with the base install's libraries alone, whose
memory is counted from its first import on. CPU seconds are there to tell a busy machine from slow code.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

RATE = 44100


def write_sound(path: Path, hours: float) -> None:
    """A minute of noise and a wandering tone in two channels, over and over, each time at another level."""
    clock = np.arange(60 * RATE) / RATE
    noise = 0.02 * np.random.default_rng(0).standard_normal((len(clock), 2), dtype=np.float32)
    tone = 0.2 * np.sin(2 * np.pi * (400 + 50 * np.sin(clock)) * clock)
    minute = noise + tone[:, None].astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE, 2) as file:
        for number in range(round(hours * 60)):
            file.write(minute * np.float32(1 - 0.5 * (number % 7) / 7))


def export_student(path: Path, width: float) -> None:
    """In a process of its own, so that torch is not in this one."""
    code = (
        f"import sondo.students, sondo.export; student = sondo.students.create('mobilenetv3', width_mult={width}); "
        f"sondo.export.to_onnx(student.eval(), {str(path)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def embed(model: str, sound: str, threads: int) -> None:
    """What is measured: one call. Prints JSON."""
    import sondo

    loaded = sondo.load(model, threads=threads)
    start = time.perf_counter()
    vector = loaded.embed(sound)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cpu = used.ru_utime + used.ru_stime
    assert np.isfinite(vector).all()
    assert "torch" not in sys.modules
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak}))


def main() -> None:
    """Make the files, embed each and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--width", type=float, default=0.4)
    parser.add_argument("--formats", nargs="+", default=["flac", "mp3"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the files here, and use those that are there")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "SOUND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        embed(*options.one, options.threads)
        return
    print(f"MobileNetV3 x {options.width}, {options.hours:g} h of 44.1 kHz stereo, {options.threads} threads, ", end="")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| file | MB | s | times real time | CPU s | times real time on two free cores | peak MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        model = folder / f"student-{options.width}.onnx"
        if not model.exists():
            export_student(model, options.width)
        for extension in options.formats:
            sound = folder / f"{options.hours:g}h.{extension}"
            if not sound.exists():
                write_sound(sound, options.hours)
            command = [sys.executable, __file__, "--threads", str(options.threads), "--one", str(model), str(sound)]
            got = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            length_s = 3600 * options.hours
            print(
                f"| {extension} | {sound.stat().st_size / 1e6:.0f} | {got['seconds']:.1f} "
                f"| {length_s / got['seconds']:.0f} | {got['cpu']:.1f} | up to {2 * length_s / got['cpu']:.0f} "
                f"| {got['peak'] / 1e6:.0f} |"
            )


if __name__ == "__main__":
    main()
