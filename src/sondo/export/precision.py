"""How close to torch each way in which a network keeps its numbers must come, and what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sondo.errors import SondoError
from sondo.runtime.metadata import Precision

LEAST_COSINE: Final[dict[Precision, float]] = {
    "float32": 0.9999,
    "float16": 0.9999,
    "int8_weights": 0.999,
    "int8": 0.99,
}
"""The cosine to torch in float32 that is asked for: of every sound, and of real sound on average where weights are in
int8, which are made for sound such as the student knows and may be farther off on clicks and silence."""

ON_AVERAGE: Final[frozenset[Precision]] = frozenset({"int8_weights", "int8"})

ENOUGH_COSINE: Final = 0.995
"""The mean cosine to float32 that a network in int8 should have; below it, more of its layers stay in float32."""

LEAST_SOUNDS: Final = 8
"""Clips that int8 needs at least to be calibrated with."""


def check_sounds(sound: Sequence[object], precision: Precision) -> None:
    """Refuse too little sound before the work begins.

    Raises:
        SondoError: `int8` with fewer than `LEAST_SOUNDS` clips.
    """
    if precision == "int8" and len(sound) < LEAST_SOUNDS:
        raise SondoError(
            f"int8 needs real sound to calibrate with: {LEAST_SOUNDS} clips or more, not {len(sound)}: "
            "name files or a folder of it (sondo export RUN SOUNDS --int8)"
        )


def check_phone_precision(precision: Precision) -> None:
    """Refuse what files for phones have not.

    Raises:
        SondoError: A precision other than `float32` and `int8`.
    """
    if precision not in ("float32", "int8"):
        raise SondoError(f"files for ExecuTorch and LiteRT are in float32 or int8, not in {precision}")
