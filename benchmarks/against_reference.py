"""The published inference package beside ours: audio to embedding, 10 s of sound, batch 1, one thread.

    python benchmarks/against_reference.py --reference PATH_OF_A_CLONE_OF_SSONDO [--students mobilenetv3 dymn]

What the clone needs, and how torchaudio is stood in for, is said in `conformance.py`. One random checkpoint of each
architecture at the published size is loaded by both sides: by the published `get_ssondo`, and by sondo, which exports
it to ONNX. The two are timed in turn; the table's ratios are medians over pairs. The last column is the smallest cosine
between the two sides' vectors over unlike sounds.
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

import numpy as np
import torch
from conformance import _STUDENTS, RATE, randomise, sound, stand_in_for_torchaudio, training_config

from sondo.export import to_onnx
from sondo.runtime import OnnxModel
from sondo.students.published import load_published

CHECKPOINTS = {"mobilenetv3": "mobilenetv3 x 1.0", "dymn": "dymn x 1.0", "eres2net": "eres2net 16"}
ROUNDS = 15


def seconds_of(work: Callable[[], object], calls: int) -> float:
    """Mean over some calls in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


def compare(name: str, folder: Path) -> list[str]:
    """A row of the table."""
    published = importlib.import_module("ssondo.model")
    config = training_config(_STUDENTS[CHECKPOINTS[name]])
    state = {f"student_model.{key}": value for key, value in randomise(published._build_student_model(config)).items()}
    torch.save({"training_config": config, "state_dict": state}, folder / "random.ckpt")
    theirs = published.get_ssondo(str(folder / "random.ckpt"))
    student, _ = load_published(folder / "random.ckpt")
    ours = OnnxModel(to_onnx(student, folder / f"{name}.onnx"), threads=1)
    cosines = []
    for clip in sound(10.0, RATE, batch=4):
        with torch.inference_mode():
            wanted = theirs.get_embeddings(clip[None]).numpy().ravel().astype(np.float64)
        found = ours.embed(clip.numpy(), sample_rate=RATE).astype(np.float64)
        cosines.append(wanted @ found / np.linalg.norm(wanted) / np.linalg.norm(found))
    tensor = sound(10.0, RATE, batch=1)
    audio = tensor.numpy()

    def published_call() -> object:
        with torch.inference_mode():
            return theirs.get_embeddings(tensor)

    def our_call() -> object:
        return ours.embed(audio, sample_rate=RATE)

    times: dict[Callable[[], object], list[float]] = {published_call: [], our_call: []}
    for work in times:
        seconds_of(work, 3)
    for _ in range(ROUNDS):
        for work, seconds in times.items():
            seconds.append(seconds_of(work, 5))
    ratio = statistics.median(new / old for old, new in zip(*times.values(), strict=True))
    milliseconds = [f"{1000 * statistics.median(seconds):.1f}" for seconds in times.values()]
    return [CHECKPOINTS[name], *milliseconds, f"{ratio:.3f}", f"{min(cosines):.7f}"]


def main() -> None:
    """Run both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="clone of the published code")
    parser.add_argument("--students", nargs="+", choices=list(CHECKPOINTS), default=list(CHECKPOINTS))
    settings = parser.parse_args()
    torch.set_num_threads(1)
    stand_in_for_torchaudio()
    sys.path[:0] = [str(settings.reference / "inference_ssondo")]
    print("| student | published, ms | sondo, ms | sondo / published (median of pairs) | smallest cosine |")
    print("| --- | --- | --- | --- | --- |")
    for name in settings.students:
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {' | '.join(compare(name, Path(folder)))} |", flush=True)


if __name__ == "__main__":
    main()
