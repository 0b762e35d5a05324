"""Many short files through one exported file: one after the other, and several at a time as `model.embed` takes a list.

    python benchmarks/many_files.py runs/first/student.onnx clips/ [--threads 2] [--rounds 7]

Both sides have the same threads and are timed in turn, on a machine that does nothing else; the ratio is the median
over pairs. The vectors must be equal to the bit. The memory is the most that the whole process took.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import sondo
from sondo.audio.folders import sounds_of


def seconds_of(work: Callable[[], object]) -> float:
    """By the clock on the wall: that several cores are at work is the point."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="an exported file")
    parser.add_argument("clips", type=Path, help="a folder of sound")
    parser.add_argument("--threads", type=int, help="all cores when left out")
    parser.add_argument("--rounds", type=int, default=7)
    settings = parser.parse_args()
    model, sounds = sondo.load(settings.model, threads=settings.threads), sounds_of([settings.clips])
    alone = np.stack([model.embed(sound) for sound in sounds])
    assert np.array_equal(model.embed(sounds), alone), "a file's vector depends on what is embedded beside it"
    times = [
        (seconds_of(lambda: [model.embed(sound) for sound in sounds]), seconds_of(lambda: model.embed(sounds)))
        for _ in range(settings.rounds)
    ]
    one, several = (len(sounds) / statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(new / old for old, new in times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print("| files | at a time | files/s one after the other | files/s together | ratio of times | memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(f"| {len(sounds)} | {model.at_once} | {one:.0f} | {several:.0f} | {ratio:.2f} | {peak / 1e6:.0f} |")


if __name__ == "__main__":
    main()
