"""Where a sound is cut into clips: 10 s each, short sound whole, a small remainder dropped."""

from __future__ import annotations

import math

from sondo.errors import SondoError

WINDOW_S = 10.0
"""Length of a clip, and of the window that a student hears at once, in seconds."""
MIN_CLIP_S = 0.1
"""Shorter sound is refused, in seconds."""
MIN_REMAINDER_S = 1.0
"""The rest behind the last full window of a long sound is a clip of its own from this length on, in seconds."""

LOWEST_HZ, HIGHEST_HZ = 1_000, 10_000_000
"""Sample rates that sound can have: one outside of these is a damaged header, or was meant in kHz."""

ROUNDING_S = 1e-6
"""What sums of offsets and lengths may be off by, in seconds."""


def plan_clips(
    duration_s: float,
    *,
    window_s: float = WINDOW_S,
    min_clip_s: float = MIN_CLIP_S,
    min_remainder_s: float = MIN_REMAINDER_S,
) -> list[tuple[float, float]]:
    """Cut a sound into clips.

    Args:
        duration_s: Length of the sound in seconds, at least 0.
        window_s: Length of a clip in seconds, above 0.
        min_clip_s: Sound shorter than this gives no clip, in seconds.
        min_remainder_s: The shortest rest of a long sound that is kept, in seconds.

    Returns:
        (offset_s, duration_s) of each clip, in order. Sound up to a window long is one clip.

    Raises:
        SondoError: A length that is negative, not finite, or (for the window) zero.

    Example:
        >>> plan_clips(25.0)
        [(0.0, 10.0), (10.0, 10.0), (20.0, 5.0)]
        >>> plan_clips(20.4), plan_clips(3.7), plan_clips(0.05)
        ([(0.0, 10.0), (10.0, 10.0)], [(0.0, 3.7)], [])
    """
    if not (math.isfinite(duration_s) and duration_s >= 0):
        raise SondoError(f"a sound of {duration_s} s cannot be cut into clips: its length must be 0 or more seconds")
    if not (math.isfinite(window_s) and window_s > 0 and min_clip_s >= 0 and min_remainder_s >= 0):
        raise SondoError(
            f"clips of {window_s} s (at least {min_clip_s} s, remainder at least {min_remainder_s} s) make no sense: "
            "the window must be above 0 s, the two minima 0 s or more"
        )
    if duration_s < min_clip_s - ROUNDING_S or duration_s == 0:
        return []
    if duration_s <= window_s + ROUNDING_S:
        return [(0.0, duration_s)]
    num_full = int((duration_s + ROUNDING_S) // window_s)
    clips = [(index * window_s, window_s) for index in range(num_full)]
    rest_s = duration_s - num_full * window_s
    if rest_s > ROUNDING_S and rest_s >= max(min_remainder_s, min_clip_s) - ROUNDING_S:
        clips.append((num_full * window_s, rest_s))
    return clips
