"""Golden vectors: what a file gives for sounds that a formula makes, so that it can be checked wherever it runs.

Sample i of a golden sound is ``((i * i) mod 1021 - 510) / 2048``: whole numbers until the division, which is exact in
float32, so every language makes the same sound. The squares of a prime's remainders have a flat spectrum, up to a
quarter of full scale.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError

GOLDEN = "sondo.golden"
"""Metadata: JSON, a list of `GoldenVector`, of the embedding; those of another output under `golden_key`."""

GOLDEN_SAMPLES = (3_200, 320_000, 400_000)
"""Lengths of the sounds: one short window, a full one, and one and a quarter."""

TOLERANCE = 1e-3
"""Largest difference of a value, as a share of the vector's root mean square."""

INT8_TOLERANCE = 0.1
"""The same where a network computes in int8: there a log-mel's last bit can move an activation by a whole step."""

_FIRST, _PRIME, _SCALE = 8, 1021, 2048


@dataclass(frozen=True, kw_only=True)
class GoldenVector:
    """A sound and what the file gives for it.

    Args:
        samples: Length of the sound.
        first: The first eight values of the embedding.
        norm: Euclidean length of the embedding.
        dim: Values of the embedding.
    """

    samples: int
    first: tuple[float, ...]
    norm: float
    dim: int

    @classmethod
    def of(cls, vector: NDArray[np.float32], *, samples: int) -> GoldenVector:
        """What is kept of an embedding (embedding_dim,)."""
        first = tuple(float(value) for value in vector[:_FIRST])
        norm = float(np.linalg.norm(vector.astype(np.float64)))
        return cls(samples=samples, first=first, norm=norm, dim=len(vector))

    def difference(self, vector: NDArray[np.float32]) -> float:
        """How far an embedding is from this one: the largest difference of what is kept, as for `TOLERANCE`."""
        found = GoldenVector.of(vector, samples=self.samples)
        if found.dim != self.dim or not np.isfinite(found.norm):
            return float("inf")
        values = np.abs(np.subtract(found.first, self.first)).max() * np.sqrt(self.dim)
        return float(max(values, abs(found.norm - self.norm)) / max(self.norm, np.finfo(np.float32).tiny))


def golden_sound(samples: int) -> NDArray[np.float32]:
    """The sound of a golden vector.

    Shape:
        -> (samples,), float32.

    Example:
        >>> (golden_sound(4) * 2048).tolist()
        [-510.0, -509.0, -506.0, -501.0]
    """
    place = np.arange(samples, dtype=np.int64)
    return np.asarray((place * place % _PRIME - _PRIME // 2) / _SCALE, dtype=np.float32)


def golden_key(output: str) -> str:
    """The metadata that hold an output's golden vectors."""
    return GOLDEN if output == "embedding" else f"{GOLDEN}.{output}"


def golden_vectors(session: Any, output: str) -> list[GoldenVector]:
    """What an opened ONNX file gives for the golden sounds; of an output with more axes all values in a row."""
    found = [session.run([output], {"audio": golden_sound(samples)[None]})[0] for samples in GOLDEN_SAMPLES]
    return [GoldenVector.of(values.ravel(), samples=n) for n, values in zip(GOLDEN_SAMPLES, found, strict=True)]


def to_text(vectors: Sequence[GoldenVector]) -> str:
    """Golden vectors as metadata."""
    return json.dumps([asdict(vector) for vector in vectors])


def from_text(path: Path, text: str) -> list[GoldenVector]:
    """The opposite of `to_text`.

    Args:
        path: The file that they are of, for messages.
        text: Its metadata.

    Raises:
        SondoError: Text that holds no golden vectors.
    """
    try:
        found = [_vector(item) for item in json.loads(text)]
        if not found:
            raise ValueError("the list is empty")
    except (ValueError, TypeError, KeyError) as error:
        raise SondoError(f"{path}: its golden vectors cannot be read ({error}); export it again") from error
    return found


def _vector(item: Mapping[str, Any]) -> GoldenVector:
    samples, dim = operator.index(item["samples"]), operator.index(item["dim"])
    first = tuple(float(value) for value in item["first"])
    if samples < 1 or not len(first) == min(_FIRST, dim) > 0:
        raise ValueError(f"{len(first)} first values of {dim}, for {samples} samples")
    return GoldenVector(samples=samples, first=first, norm=float(item["norm"]), dim=dim)
