"""How hard the demo's sound is: accuracy of the probe on a log-mel mean, and on the built-in teacher.

python benchmarks/demo_difficulty.py FOLDER        # e.g. runs/demo/sound, which `sondo demo` made
"""

import argparse
from pathlib import Path

import numpy as np

from sondo.audio.decode import load_audio
from sondo.audio.logmel import log_mel
from sondo.evaluate import embed_task, evaluate_vectors, load_task, teacher_embedder
from sondo.teachers import create


def log_mel_mean(path: Path) -> np.ndarray:
    """The mean of each of the 128 bands."""
    return log_mel(load_audio(path, sample_rate=32000)).mean(axis=1)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    task = load_task("folder", parser.parse_args().folder)
    print("| vector | accuracy (95 % interval) |\n| --- | --- |")
    for name, embed in (("log-mel mean", log_mel_mean), ("modulation", teacher_embedder(create("modulation")))):
        result = evaluate_vectors(task, embed_task(task, embed, description=name))
        low, high = result.ci95
        print(f"| {name} | {100 * result.score:.1f} % ({100 * low:.1f} to {100 * high:.1f}) |")


if __name__ == "__main__":
    main()
