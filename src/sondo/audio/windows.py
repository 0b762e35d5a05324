"""How a whole sound becomes one embedding: windows of 10 s, averaged by the number of log-mel frames in each.

One definition for the students, the runtime and the exported files. A window is a whole number of hops long, so
cutting samples and cutting the log-mel of the whole sound are the same thing: with 625 hops to a window, window k is
the frames [625 k, 625 k + 624).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sondo.audio.clips import MIN_CLIP_S, WINDOW_S
from sondo.audio.errors import AudioError
from sondo.audio.logmel import LogMelConfig

Compat = Literal["ssondo"] | None
"""Whose way of embedding long and short sound: ours, or that of the published S-SONDO code."""

WINDOW_SAMPLES = round(WINDOW_S * LogMelConfig().sample_rate)
"""Samples of a window at 32 kHz: 320,000."""


def min_window_frames(config: LogMelConfig) -> int:
    """The fewest log-mel frames that a last, shorter window may have: those of 0.1 s (5 at 32 kHz)."""
    return config.num_frames(round(MIN_CLIP_S * config.sample_rate))


def window_frames(
    num_samples: int, *, config: LogMelConfig | None = None, window_samples: int = WINDOW_SAMPLES, whole: bool = False
) -> list[tuple[int, int, int]]:
    """Cut a sound into the windows of its embedding.

    Args:
        num_samples: Length of the sound at the rate of the front-end.
        config: The front-end; the default one when left out.
        window_samples: Length of a window.
        whole: Count full windows alone, as the published code does; a shorter last one is dropped.

    Returns:
        (start_sample, stop_sample, num_frames) of each window. A last, shorter one counts when it has at least the
        log-mel frames of 0.1 s.

    Raises:
        AudioError: The sound is shorter than 0.1 s, or than a window where only whole ones count.
    """
    config = config or LogMelConfig()
    fewest = config.num_frames(window_samples) if whole else min_window_frames(config)
    windows = []
    for start in range(0, num_samples, window_samples):
        stop = min(start + window_samples, num_samples)
        frames = config.num_frames(stop - start)
        if frames >= fewest:
            windows.append((start, stop, frames))
    if not windows and whole:
        raise AudioError(
            f"{num_samples} samples at {config.sample_rate} Hz fill no window of {window_samples} samples, which the "
            "published behaviour (compat) drops: leave compat out to embed shorter sound"
        )
    if not windows:
        raise AudioError(
            f"{num_samples} samples at {config.sample_rate} Hz are too short to embed: at least {MIN_CLIP_S} s needed"
        )
    return windows


def average_windows(vectors: NDArray[np.float32], frames: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
    """Average window embeddings, each weighted by its number of log-mel frames.

    Shape:
        vectors (windows, ..., embedding_dim), frames (windows,) -> (..., embedding_dim).
    """
    weights = np.asarray(frames, dtype=np.float64)
    mean = np.tensordot(weights / weights.sum(), vectors.astype(np.float64), axes=1)
    return np.asarray(mean, dtype=np.float32)
