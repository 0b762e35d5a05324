"""What an exported file is compared on: made sound of every kind, and real clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.screen import track

LENGTHS_S = (0.1, 0.5, 1.0, 3.7, 10.0, 25.0, 61.0)
REAL = "clip "
"""What the names of real clips begin with."""
_SIMPLE_LENGTHS_S = (0.1, 10.0)

Audio = NDArray[np.float32]


def sounds(
    sample_rate: int, lengths_s: Sequence[float], clips: Sequence[Audio], *, output: str = "embedding"
) -> Iterator[tuple[str, Audio]]:
    """Names and batches (clips, samples): five unlike sounds of each length, silence, a square wave, the real clips.

    How far the one who takes them has come is shown.

    Args:
        sample_rate: In Hz.
        lengths_s: In seconds.
        clips: The real ones, each (samples,).
        output: What is compared on them.

    Raises:
        SondoError: A clip that is not (samples,).
    """
    simple = [length for length in _SIMPLE_LENGTHS_S if length in lengths_s]
    total_s = 5 * sum(lengths_s) + 2 * sum(simple) + sum(len(clip) for clip in clips) / sample_rate
    with track(f"compare {output} with torch", total=round(total_s), unit="s of sound") as line:
        for name, batch in _sounds(sample_rate, lengths_s, clips):
            yield name, batch
            line.advance(batch.size / sample_rate)


def _sounds(sample_rate: int, lengths_s: Sequence[float], clips: Sequence[Audio]) -> Iterator[tuple[str, Audio]]:
    for seconds in lengths_s:
        yield f"made sound, {seconds:g} s", made_sound(round(seconds * sample_rate), sample_rate)
    for seconds in (length for length in _SIMPLE_LENGTHS_S if length in lengths_s):
        num_samples = round(seconds * sample_rate)
        square = np.where(np.arange(num_samples) % 100 < 50, 1.0, -1.0).astype(np.float32)
        yield f"silence, {seconds:g} s", np.zeros((1, num_samples), dtype=np.float32)
        yield f"full scale, {seconds:g} s", square[None]
    for number, clip in enumerate(clips):
        clip = np.asarray(clip, dtype=np.float32)
        if clip.ndim != 1:
            raise SondoError(f"clip {number} to verify with has shape {clip.shape}: expected (samples,)")
        yield f"{REAL}{number}", clip[None]


def made_sound(num_samples: int, sample_rate: int) -> Audio:
    """Five unlike sounds: noise, chirp, clicks, clipped noise, nearly silent noise.

    Shape:
        -> (5, samples).
    """
    random = np.random.default_rng(num_samples)
    time = np.arange(num_samples) / sample_rate
    noise = random.standard_normal((3, num_samples))
    chirp = 0.5 * np.sin(2 * np.pi * (100 * time + 0.5 * 7000 * time**2 / time[-1]))
    clicks = np.where(random.uniform(size=num_samples) < 20 / sample_rate, 0.9, 0.0)
    rows = [0.1 * noise[0], chirp, clicks, np.clip(2 * noise[1], -1, 1), 1e-4 * noise[2]]
    return np.stack(rows).astype(np.float32)
