"""What the microphone hears, live, on a Raspberry Pi or any other small computer.

    pip install .                                         # in a clone of sondo; the base install: no torch
    python raspberry_pi.py student.onnx                   # the microphone, through ALSA's arecord
    python raspberry_pi.py classifier.onnx garden.wav     # a file, as fast as it goes

Every half second it embeds the last seconds of sound. A classifier (`sondo probe`) prints its most probable classes,
with several labels a * at those that reach their thresholds; a student how much the sound has changed since the line
before: the cosine between the two embeddings, 1 for none.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np

import sondo
from sondo.audio import probe
from sondo.audio.decode import read_windows
from sondo.runtime import Model, OnnxClassifier, Stream

MICROPHONE_HZ = 16000
PIECE_S = 0.1


def microphone() -> Iterator[np.ndarray]:
    """Pieces of int16 samples (samples,) from arecord, for ever; PulseAudio and PipeWire offer themselves to it too."""
    if shutil.which("arecord") is None:
        raise SystemExit("there is no arecord (Debian's package alsa-utils): install it, or give a sound file")
    command = ["arecord", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", str(MICROPHONE_HZ)]
    size = 2 * round(PIECE_S * MICROPHONE_HZ)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        try:
            while piece := recorder.stdout.read(size):
                yield np.frombuffer(piece[: len(piece) // 2 * 2], dtype="<i2")
            if recorder.wait():
                raise SystemExit(f"arecord ended with status {recorder.returncode}: `arecord -l` lists the microphones")
        finally:
            recorder.terminate()


def embedded(stream: Stream, pieces: Iterable[np.ndarray]) -> Iterator[tuple[float, np.ndarray]]:
    """(time_s, vector) of every hop, and of the rest where the sound ends within one."""
    for piece in pieces:
        yield from stream.feed(piece)
    yield from stream.flush()


def describe(model: Model, vector: np.ndarray, before: np.ndarray | None) -> str:
    """A line about one window."""
    if isinstance(model, OnnxClassifier):
        probabilities = model.probabilities_of(vector[None])[0]
        best = np.argsort(-probabilities)[:3]
        thresholds = model.thresholds or np.full(len(probabilities), np.inf)  # a file of one label has none
        marks = np.where(probabilities >= thresholds, "*", "")
        return ", ".join(f"{model.classes[index]} {probabilities[index]:.2f}{marks[index]}" for index in best)
    if before is None:
        return "listening"
    return f"{sondo.similarity((vector, model.space_id), (before, model.space_id)):.3f} like the line before"


def main() -> None:
    """Listen until the sound ends or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="an .onnx file of `sondo distill`, `sondo export` or `sondo probe`")
    parser.add_argument("sound", nargs="?", help="a sound file; the microphone when left out")
    parser.add_argument("--hop_s", type=float, default=0.5, help="seconds from one line to the next")
    parser.add_argument("--window_s", type=float, default=2.0, help="seconds of sound that a line is about")
    parser.add_argument("--threads", type=int, default=1, help="cores that the model may use")
    options = parser.parse_args()
    model = sondo.load(options.model, threads=options.threads)
    rate = probe(options.sound).sample_rate if options.sound else MICROPHONE_HZ
    stream = model.stream(sample_rate=rate, hop_s=options.hop_s, window_s=options.window_s)
    pieces = read_windows(options.sound, sample_rate=rate, window_s=PIECE_S) if options.sound else microphone()
    before = None
    for time_s, vector in embedded(stream, pieces):
        sys.stdout.write(f"{time_s:8.1f} s  {describe(model, vector, before)}\n")
        sys.stdout.flush()
        before = vector


if __name__ == "__main__":
    try:
        with suppress(KeyboardInterrupt):
            main()
    except sondo.SondoError as error:
        raise SystemExit(str(error)) from None
    except BrokenPipeError:  # who reads the lines has enough, as `head` has: Python must not flush any more of them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
