"""An exported file checked against itself, where there is no torch: golden vectors and the promises that it keeps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.logmel import LogMelConfig
from sondo.audio.windows import WINDOW_SAMPLES
from sondo.runtime.classifier import open_onnx
from sondo.runtime.files import open_file
from sondo.runtime.golden import INT8_TOLERANCE, TOLERANCE, from_text, golden_key, golden_sound
from sondo.runtime.metadata import PRECISION
from sondo.runtime.one_window import OneWindowModel
from sondo.runtime.onnx import open_session

_SAME = 1e-5
_LENGTHS = (WINDOW_SAMPLES // 10, WINDOW_SAMPLES // 3, WINDOW_SAMPLES + WINDOW_SAMPLES // 5)

_Audio = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was checked.

    Args:
        name: What.
        found: The largest difference, as the check says; none where the file cannot be checked so.
        limit: The largest that passes.
    """

    name: str
    found: float | None
    limit: float

    @property
    def passed(self) -> bool:
        """Whether it is within the limit; what cannot be checked passes."""
        return self.found is None or self.found <= self.limit


def self_check(path: str | Path) -> list[Check]:
    """Check an exported file by itself.

    - its golden vectors, as a share of the embedding's root mean square, and those of its further outputs
    - the same sound gives the same vector: again, in a batch, and padded in one with its length told
    - silence and full scale give finite values, and sound shorter than 0.1 s gives none

    A file for a phone takes one window in a call, so a batch and padding are no questions there.

    Args:
        path: The file.

    Raises:
        SondoError: No such file, or none that sondo exported.
    """
    path = Path(path)
    if path.suffix.lower() in (".pte", ".tflite"):
        model = open_file(path)
        assert isinstance(model, OneWindowModel), "what these files are"
        return list(_of_windows(model))
    session = open_session(path, None)
    whole = open_onnx(path, session=session)
    about = session.get_modelmeta().custom_metadata_map
    outputs = [output.name for output in session.get_outputs()]
    golden = list(_golden(path, about, functools.partial(_run, session)))
    for output in [name for name in outputs if name != "embedding" and golden_key(name) in about]:
        golden += _golden(path, about, functools.partial(_run, session, output=output), output)
    return [*golden, *_promises(session, whole.front_end)]


def _of_windows(model: OneWindowModel) -> Iterator[Check]:
    rate = model.sample_rate

    def embed(audio: _Audio) -> _Audio:
        return model.embed(audio, sample_rate=rate)

    yield from _golden(model.path, model.metadata, lambda sounds: embed(sounds[0]))
    sounds = [0.1 * np.random.default_rng(0).standard_normal(length).astype(np.float32) for length in _LENGTHS]
    once = [embed(sound) for sound in sounds]
    again = [embed(sound) for sound in reversed(sounds)][::-1]
    yield Check(name="the same sound again", found=max(map(_difference, again, once)), limit=_SAME)
    full_scale = np.where(np.arange(rate) % 100 < 50, 1.0, -1.0).astype(np.float32)
    yield _finite(np.stack([embed(np.zeros(rate, dtype=np.float32)), embed(full_scale)]))


def _golden(
    path: Path, about: Mapping[str, str], give: Callable[[_Audio], _Audio], output: str = "embedding"
) -> Iterator[Check]:
    text, limit = about.get(golden_key(output)), INT8_TOLERANCE if about.get(PRECISION) == "int8" else TOLERANCE
    if text is None:
        yield Check(name="golden vectors (the file has none)", found=None, limit=limit)
        return
    for vector in from_text(path, text):
        found = vector.difference(give(golden_sound(vector.samples)[None]).ravel())
        what = "vector" if output == "embedding" else output
        yield Check(name=f"golden {what} of {vector.samples} samples", found=found, limit=limit)


def _promises(session: Any, front_end: LogMelConfig) -> Iterator[Check]:
    lengths = np.array(_LENGTHS, dtype=np.int64)
    sounds = 0.1 * np.random.default_rng(0).standard_normal((len(lengths), lengths.max()))
    batch = sounds.astype(np.float32)
    together = _run(session, batch)
    yield Check(name="the same sound again", found=_difference(_run(session, batch), together), limit=_SAME)
    alone = np.concatenate([_run(session, row[None]) for row in batch])
    yield Check(name="alone and in a batch", found=_difference(alone, together), limit=_SAME)
    padded = None
    if "lengths" in {item.name for item in session.get_overridable_initializers()}:
        alone = np.concatenate([_run(session, row[None, :n]) for row, n in zip(batch, lengths, strict=True)])
        padded = _difference(_run(session, batch, lengths), alone)
    yield Check(name="alone and padded", found=padded, limit=_SAME)
    extremes = np.zeros((2, front_end.sample_rate), dtype=np.float32)
    extremes[1] = np.where(np.arange(front_end.sample_rate) % 100 < 50, 1.0, -1.0)
    yield _finite(_run(session, extremes))
    short = np.zeros((1, front_end.n_fft), dtype=np.float32)
    numbers = float(np.isfinite(_run(session, short)).mean())
    yield Check(name="shorter than 0.1 s: share of numbers", found=numbers, limit=0.0)


def _finite(vectors: _Audio) -> Check:
    share = float((~np.isfinite(vectors)).mean())
    return Check(name="silence and full scale: share of values that are not finite", found=share, limit=0.0)


def _run(session: Any, audio: _Audio, lengths: NDArray[np.int64] | None = None, *, output: str = "embedding") -> _Audio:
    feeds = {"audio": audio} if lengths is None else {"audio": audio, "lengths": lengths}
    (vectors,) = session.run([output], feeds)
    return np.asarray(vectors, dtype=np.float32)


def _difference(found: _Audio, wanted: _Audio) -> float:
    """The largest, absolute; infinite where a value is not finite."""
    difference = float(np.abs(found - wanted).max())
    return difference if np.isfinite(difference) else float("inf")
