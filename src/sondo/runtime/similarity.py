"""How alike sounds are: the cosine between embeddings, of one space only."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.runtime.read import Embeddings, read_embeddings
from sondo.runtime.space import SpaceMismatchError, check_same_space

Side = Embeddings | tuple[NDArray[np.floating], str] | str | PathLike[str]
"""Vectors with their space: a file of `sondo embed`, `read_embeddings`, or `(vectors, model.space_id)`."""


def similarity(a: Side, b: Side) -> Any:
    """The cosine of each vector of `a` with each of `b`, from -1 to 1.

    Args:
        a: A file that `sondo embed` wrote, what `read_embeddings` gives, or `(vectors, model.space_id)`. An array by
            itself does not say which model made it and is refused.
        b: The other side, in any of these forms.

    Shape:
        (n, embedding_dim) and (m, embedding_dim) -> (n, m); a single vector (embedding_dim,) has no axis in the
        result, so two of them give a number. float32.

    Raises:
        SpaceMismatchError: The two lie in two spaces, or one does not say in which.
        SondoError: A file that is none of embeddings; vectors that do not fit, are zero or not finite.

    Example:
        `sondo.similarity("query.npz", "library.npz")`, or with sounds
        `sondo.similarity((model.embed("dog.wav"), model.space_id), "library.npz")`.
    """
    one, other = _side(a, "a"), _side(b, "b")
    check_same_space(one.space_id, other.space_id, what="a and b")
    if one.vectors.shape[-1] != other.vectors.shape[-1]:
        raise SondoError(
            f"a and b say that they lie in one space, {one.space_id!r}, but have vectors of {one.vectors.shape[-1]} "
            f"and {other.vectors.shape[-1]} numbers"
        )
    cosines = np.asarray(_unit(one.vectors, "a") @ _unit(other.vectors, "b").T, dtype=np.float32)
    return cosines.clip(-1, 1) if cosines.ndim else float(cosines.clip(-1, 1))


def _side(side: Any, name: str) -> Embeddings:
    if isinstance(side, str | PathLike):
        return read_embeddings(Path(side))
    if not isinstance(side, tuple) or len(side) not in (2, 3) or not isinstance(side[1], str):
        raise SpaceMismatchError(
            f"{name} is {type(side).__name__}, which does not say in which space it lies: give (vectors, "
            "model.space_id), or a file that `sondo embed` wrote"
        )
    vectors = np.asarray(side[0])
    if vectors.dtype.kind != "f" or vectors.ndim not in (1, 2) or 0 in vectors.shape:
        raise SondoError(
            f"{name} has vectors of dtype {vectors.dtype} and shape {vectors.shape}, not (n, embedding_dim)"
        )
    return Embeddings(vectors, side[1])


def _unit(vectors: NDArray[np.floating], name: str) -> NDArray[np.float64]:
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise SondoError(f"{name} holds a vector that is zero or not finite, which has no direction to compare")
    return np.asarray(vectors / lengths)
