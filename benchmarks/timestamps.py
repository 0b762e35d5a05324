"""What a linear probe learns of "what sounds when" from embeddings every 50 ms: windows of several lengths, and frames.

    python benchmarks/timestamps.py RUN --data esc10

Events of ESC-10, 0.4 to 2 s long and cut from where a clip is loudest, are laid at random over 10 s of faint noise, six
at a time. A logistic regression for each class is fitted on events of the folds 1 to 3 and measured on 4 and 5: the
mean over classes of the average precision over all steps of 50 ms. The student heard the clips, without labels.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler

import sondo
from sondo import hear
from sondo.audio.decode import load_audio

RATE, LENGTH_S, EVENTS = 32_000, 10, 6
TIMES_S = np.arange(0, LENGTH_S + 1e-9, hear.HOP_MS / 1000)
Floats = NDArray[np.float32]
Embed = Callable[[Floats], NDArray[np.floating]]


def scene(files: list[tuple[Path, int]], classes: int, generator: np.random.Generator) -> tuple[Floats, NDArray]:
    """A sound of 10 s, and which classes sound at each time."""
    sound = (0.003 * generator.standard_normal(LENGTH_S * RATE)).astype(np.float32)
    labels = np.zeros((len(TIMES_S), classes), dtype=bool)
    for path, label in (files[index] for index in generator.integers(len(files), size=EVENTS)):
        clip = np.asarray(load_audio(path, sample_rate=RATE)).reshape(-1)
        length = round(generator.uniform(0.4, 2.0) * RATE)
        power = np.cumsum(np.pad(np.square(clip, dtype=np.float64), RATE // 8))
        loudest = int(np.argmax(power[RATE // 4 :] - power[: -(RATE // 4)]))
        first = max(0, min(len(clip) - length, loudest - length // 2))
        event = clip[first : first + length]
        event = event / (np.abs(event).max() + 1e-6) * generator.uniform(0.2, 0.7)
        start = int(generator.integers(len(sound) - len(event)))
        sound[start : start + len(event)] += event
        labels[(start / RATE <= TIMES_S) & ((start + len(event)) / RATE > TIMES_S), label] = True
    return np.clip(sound, -1, 1), labels


def by_windows(model: sondo.runtime.Model, window_s: float) -> Embed:
    """The timestamp embeddings of `sondo.hear`, with windows of another length."""
    module = hear.HearModel(model, sample_rate=RATE)

    def embed(sound: Floats) -> Floats:
        hear.WINDOW_S = window_s
        return hear.get_timestamp_embeddings(torch.from_numpy(sound)[None], module)[0][0].numpy()

    return embed


def by_frames(model: sondo.runtime.Model) -> Embed:
    """The frames, straight lines between them."""

    def embed(sound: Floats) -> NDArray[np.floating]:
        vectors, times_s = model.frames(sound, sample_rate=RATE)
        return np.stack([np.interp(TIMES_S, times_s, column) for column in vectors.T], axis=1)

    return embed


def main() -> None:
    """Print one line for each kind of embedding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scenes", type=int, nargs=2, default=(40, 25), help="to fit and to measure")
    arguments = parser.parse_args()
    with (arguments.data / "esc10.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["category"] for row in rows})
    generator = np.random.default_rng(0)
    parts = []
    for folds, count in zip(("123", "45"), arguments.scenes, strict=True):
        files = [
            (arguments.data / "audio" / row["filename"], names.index(row["category"]))
            for row in rows
            if row["fold"] in folds
        ]
        parts.append([scene(files, len(names), generator) for _ in range(count)])
    model = sondo.load(arguments.model)
    kinds = {f"windows of {window_s:g} s": by_windows(model, window_s) for window_s in (0.3, 0.5, 0.75, 1.0)}
    for kind, embed in {"frames": by_frames(model), **kinds}.items():
        start_s = time.perf_counter()
        fitted, measured = (np.concatenate([embed(sound) for sound, _ in part]) for part in parts)
        cost = (time.perf_counter() - start_s) / (LENGTH_S * sum(arguments.scenes))
        known, wanted = (np.concatenate([labels for _, labels in part]) for part in parts)
        scaler = StandardScaler().fit(fitted)
        scores = []
        for label in range(len(names)):
            probe = LogisticRegression(C=0.01, max_iter=200).fit(scaler.transform(fitted), known[:, label])
            scores.append(
                average_precision_score(wanted[:, label], probe.decision_function(scaler.transform(measured)))
            )
        print(f"{kind}: mean average precision {100 * np.mean(scores):.1f} %, {cost:.4f} s for a second of sound")


if __name__ == "__main__":
    main()
