"""How an exported network keeps its numbers, and how close to torch each way must come."""

from __future__ import annotations

from typing import Final, Literal, get_args

Precision = Literal["float32", "float16", "int8_weights", "int8"]
"""`float32`; weights in `float16` or `int8_weights`, which a runtime turns into float32 when it opens the file; `int8`,
which computes in whole numbers. The front-end is in float32 in all of them."""

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

LEAST_COSINE: Final[dict[Precision, float]] = {
    "float32": 0.9999,
    "float16": 0.9999,
    "int8_weights": 0.999,
    "int8": 0.99,
}
"""The cosine to torch in float32 that is asked for: of every sound, and of real sound on average where weights are in
int8, which are made for sound such as the student knows and may be farther off on clicks and silence."""

ON_AVERAGE: Final[frozenset[Precision]] = frozenset({"int8_weights", "int8"})
