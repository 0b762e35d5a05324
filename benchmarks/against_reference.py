"""The published inference package beside ours: audio to embedding, 10 s of sound, batch 1, one thread.

    python benchmarks/against_reference.py --reference PATH_OF_A_CLONE_OF_SSONDO [--students mobilenetv3 dymn]
        [--sounds FOLDER]

With a folder of sound, the file in int8 is timed too; 32 clips of it calibrate, and no layer is left in float32: random
weights would ask for many, which the weights of a student do not.

What the clone needs, and how torchaudio is stood in for, is said in `conformance.py`. One random checkpoint of each
architecture at the published size is loaded by both sides: by the published `get_ssondo`, and by sondo, which exports
it to ONNX. The two are timed in turn, in processor time of the one thread, which other work on the machine changes
least; the table's ratios are medians over pairs. The last column is the smallest cosine between the two sides' vectors
over unlike sounds. The export's own comparison is passed over: a random DyMN amplifies rounding on clicks and noise
until float32 and float64 disagree.
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
import torch
from conformance import _STUDENTS, RATE, randomise, sound, stand_in_for_torchaudio, training_config

from sondo.export import int8, to_onnx
from sondo.export.precision import Precision
from sondo.exporting import sound_of_files
from sondo.runtime.onnx import open_session
from sondo.students.published import load_published

CHECKPOINTS = {"mobilenetv3": "mobilenetv3 x 1.0", "dymn": "dymn x 1.0", "eres2net": "eres2net 16"}
ROUNDS, CALLS = 15, 3


def seconds_of(work: Callable[[], object], calls: int) -> float:
    """Processor time of this thread, the mean over some calls in a row."""
    start = time.thread_time()
    for _ in range(calls):
        work()
    return (time.thread_time() - start) / calls


def compare(name: str, folder: Path, calibration: list[np.ndarray]) -> list[list[str]]:
    """The rows of a student."""
    published = importlib.import_module("ssondo.model")
    config = training_config(_STUDENTS[CHECKPOINTS[name]])
    state = {f"student_model.{key}": value for key, value in randomise(published._build_student_model(config)).items()}
    torch.save({"training_config": config, "state_dict": state}, folder / "random.ckpt")
    theirs = published.get_ssondo(str(folder / "random.ckpt"))
    student, _ = load_published(folder / "random.ckpt")
    precisions: list[Precision] = ["float32", "int8"] if calibration else ["float32"]
    rows = []
    for precision in precisions:
        file = folder / f"{name}.{precision}.onnx"
        to_onnx(student, file, threshold=-1.0, precision=precision, sound=calibration)
        session = open_session(file, 1)
        rows.append([f"{CHECKPOINTS[name]}, {precision}", *timed(theirs, session), f"{closest(theirs, session):.7f}"])
    return rows


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
    parser.add_argument("--sounds", type=Path, help="folder of sound to calibrate int8 with")
    settings = parser.parse_args()
    calibration = []
    if settings.sounds is not None:
        calibration = sound_of_files([settings.sounds], RATE).to_calibrate("int8")[:32]
    torch.set_num_threads(1)
    int8.WANTED_COSINE = 0.0
    stand_in_for_torchaudio()
    sys.path[:0] = [str(settings.reference / "inference_ssondo")]
    print("| student | published, ms | sondo, ms | sondo / published (median of pairs) | smallest cosine |")
    print("| --- | --- | --- | --- | --- |")
    for name in settings.students:
        with tempfile.TemporaryDirectory() as folder:
            for row in compare(name, Path(folder), calibration):
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
