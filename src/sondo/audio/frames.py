"""When a student's frames are: the columns of its network's last map, one for every `stride` log-mel frames.

One definition for the students, the runtime and the exported files. The networks' kernels have a middle and their
edges are padded alike on both sides, so column k is centred where log-mel frame `k * stride` is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sondo.audio.logmel import LogMelConfig


def num_columns(num_frames: int, *, stride: int) -> int:
    """Columns of the last map of a window of `num_frames` log-mel frames, which each stride rounds up."""
    return -(-num_frames // stride)


def column_times_s(num_frames: int, *, stride: int, config: LogMelConfig) -> NDArray[np.float64]:
    """The centre of each column, in seconds from the start of its window; the last lies within the window.

    Args:
        num_frames: Log-mel frames of the window.
        stride: Log-mel frames from one column to the next.
        config: The front-end.

    Shape:
        -> (ceil(num_frames / stride),).

    Example:
        >>> column_times_s(624, stride=32, config=LogMelConfig())[:3].round(3).tolist()
        [0.016, 0.528, 1.04]
    """
    columns = np.arange(num_columns(num_frames, stride=stride))
    return np.asarray((columns * (stride * config.hop) + config.n_fft / 2) / config.sample_rate, dtype=np.float64)
