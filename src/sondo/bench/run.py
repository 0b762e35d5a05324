"""The whole measurement: what each model is, and how fast it is beside the others."""

from __future__ import annotations

import functools
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.clips import MIN_CLIP_S
from sondo.bench import fresh
from sondo.bench.machine import machine
from sondo.bench.subject import Subject, open_model, set_threads
from sondo.bench.timing import take_turns
from sondo.errors import SondoError
from sondo.runtime.files import FILES
from sondo.screen import track

COLD_STARTS = 3

DEFINITIONS = {
    "params": "learned parameters; of an .onnx file the numbers in its weights, batch norms folded, front-end left out",
    "macs": "multiply-accumulates of convolutions and matrix products for one sound, network and log-mel apart; "
    "an FFT, which torch's log-mel is made with, is none of these",
    "bytes": "size of the .onnx file or of model.safetensors",
    "peak_bytes": "resident memory of a new process at most, Python and libraries included, batch 1",
    "cold_start_s": f"import, load and first embedding in a new process, median of {COLD_STARTS}",
    "front_end_share": "the log-mel's part of the time on one thread: of all operators by onnxruntime's profile, or "
    "in torch of the whole call",
    "latency": "one call of embed with samples in memory; models take turns",
    "real_time_factor": "median latency over the seconds of sound in the batch: below 1 is faster than real time",
    "ratio": "median over rounds of this model's time over that of the reference in the same round",
}


def bench(
    models: Sequence[str | Path],
    *,
    against: str | Path | None = None,
    threads: Sequence[int] = (1,),
    batch: Sequence[int] = (1,),
    seconds: float = 10.0,
    allow_code: bool = False,
) -> dict[str, Any]:
    """Measure models on this machine.

    Args:
        models: What `sondo.load` takes, each.
        against: A model that the others are compared with, call by call.
        threads: Numbers of threads.
        batch: Numbers of sounds in a call.
        seconds: Length of each sound.
        allow_code: As for `sondo.load`.

    Returns:
        `machine`, `settings`, `definitions`, and `models`: of each its `name`, `licence`, `params`, `macs`, `bytes`,
        `peak_bytes`, `cold_start`, `front_end_share` and `latency`, a list over threads and batches.

    Raises:
        SondoError: No such model, the same one twice, one for ExecuTorch or LiteRT, or a setting that cannot be.

    Example:
        `bench(["student.onnx"])["models"][0]["latency"][0]["median_s"]`
    """
    names = [str(model) for model in [*models, *([] if against is None else [against])]]
    _check(names, threads, batch, seconds)
    subjects = [
        Subject(name=name, model=open_model(name, threads=1, allow_code=allow_code), allow_code=allow_code)
        for name in names
    ]
    steps = len(subjects) + len(threads) * len(batch)
    with track("bench", total=steps, unit="steps") as line:
        found = []
        for subject in subjects:
            line.note(subject.name)
            found.append(_about(subject, seconds))
            line.advance()
        for num_threads in threads:
            ready = [subject.with_threads(num_threads) for subject in subjects]
            for size in batch:
                line.note(f"{num_threads} threads, batch {size}")
                for about, row in zip(found, _latencies(ready, num_threads, size, seconds, against), strict=True):
                    about["latency"].append(row)
                line.advance()
    return {
        "machine": machine(),
        "settings": {"seconds": seconds, "against": None if against is None else str(against)},
        "definitions": DEFINITIONS,
        "models": found,
    }


def _about(subject: Subject, seconds: float) -> dict[str, Any]:
    """What does not depend on threads and batch."""
    audio = _noise(subject, 1, seconds)
    starts = [
        fresh.measure(subject.name, threads=1, seconds=seconds, allow_code=subject.allow_code)
        for _ in range(COLD_STARTS)
    ]
    peaks = [start["peak_bytes"] for start in starts if start["peak_bytes"] is not None]
    parts = ("import_s", "load_s", "first_s", "cold_start_s")
    return {
        "name": subject.name,
        "runs_on": "onnxruntime" if subject.is_file else "torch",
        "licence": subject.model.licence,
        "params": subject.num_params(),
        "macs": subject.macs(audio)._asdict(),
        "bytes": subject.num_bytes,
        "peak_bytes": max(peaks, default=None),
        "cold_start": {part: statistics.median(start[part] or 0.0 for start in starts) for part in parts},
        "front_end_share": subject.front_end_share(audio),
        "latency": [],
    }


def _latencies(
    subjects: Sequence[Subject], threads: int, size: int, seconds: float, against: str | Path | None
) -> list[dict[str, Any]]:
    calls = [functools.partial(_call, subject, _noise(subject, size, seconds), threads) for subject in subjects]
    return [
        {
            "threads": threads,
            "batch": size,
            **found._asdict(),
            "real_time_factor": found.median_s / (size * seconds),
        }
        for found in take_turns(calls, has_reference=against is not None)
    ]


def _call(subject: Subject, audio: NDArray[np.float32], threads: int) -> None:
    set_threads(threads)
    subject.model.embed(audio, sample_rate=subject.model.sample_rate)


def _noise(subject: Subject, size: int, seconds: float) -> NDArray[np.float32]:
    """Noise (size, samples): as loud as sound is, for silence could be quicker to compute."""
    shape = (size, round(seconds * subject.model.sample_rate))
    return 0.1 * np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _check(names: Sequence[str], threads: Sequence[int], batch: Sequence[int], seconds: float) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise SondoError(f"{', '.join(twice)}: named twice; the model of --against is measured like the others")
    for name in names:
        if Path(name).suffix.lower() in {*FILES} - {".onnx"}:
            raise SondoError(f"{name}: what is measured are .onnx files and students in torch, no .pte and no .tflite")
    if min(threads, default=0) < 1 or min(batch, default=0) < 1:
        raise SondoError(f"threads {list(threads)} and batch {list(batch)}: give one number or more, each 1 or above")
    if not seconds >= MIN_CLIP_S:
        raise SondoError(f"{seconds} s of sound cannot be embedded: at least {MIN_CLIP_S:g} s is needed")
