"""The teacher's space as training sees it: its mean taken away, its axes turned and scaled, and the way back.

Vectors of one teacher often share a large mean, which the cosine then rewards before anything else is learned, and have
axes of very unlike spread, which `mse` and the optimiser feel. Every geometry here is affine and can be undone, so a
mapping head that was trained behind it still ends in the teacher's own space.

Legend: N = vectors, D = values of a vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh, hadamard
from torch import Tensor, nn

from sondo.errors import SondoError

Kind = Literal["none", "centre", "standardise", "phi_s"]
Vectors = Tensor | NDArray[Any]

_ROWS_AT_ONCE = 8192
_SMALLEST_SPREAD = 1e-6


class TargetGeometry(nn.Module):
    """An affine map of the teacher's space, `scale * (rotation @ (x - mean))`, and its inverse.

    - `none`: nothing changes.
    - `centre`: the mean goes.
    - `standardise`: the mean goes, each value is divided by its standard deviation.
    - `phi_s`: the mean goes, the axes turn so that each has the same variance, and one scalar brings that to 1 (PHI-S).
      Angles and ratios of distances stay as they are in `centre`: `cosine` and `mse`, up to a factor, cannot tell the
      two apart, but losses on single values and the steps of Adam treat all axes alike. Low-rank spaces do no harm,
      as nothing is divided by a small variance.

    Args:
        kind: Which of them.
        mean_D: Subtracted.
        scale_D: Multiplies; a value that is the same in all vectors has 1.
        rotation_DD: Orthogonal, new axes in rows; None turns nothing.

    Shape:
        (batch, dim) -> (batch, dim), float32 in any precision.

    Source: PHI-S (Ranzinger et al. 2024, arXiv 2410.01680), section 2; standardisation as in its comparison.
    """

    mean_D: Tensor
    scale_D: Tensor
    rotation_DD: Tensor | None

    def __init__(self, kind: Kind, mean_D: Tensor, scale_D: Tensor, rotation_DD: Tensor | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("mean_D", mean_D.float())
        self.register_buffer("scale_D", scale_D.float())
        self.register_buffer("rotation_DD", None if rotation_DD is None else rotation_DD.float())

    @classmethod
    def fit(cls, vectors: Vectors | Iterable[Vectors], kind: Kind) -> TargetGeometry:
        """Measure a teacher's vectors, in float64.

        Args:
            vectors: (vectors, dim), or chunks of such, which are read once and not kept.
            kind: Which geometry. `phi_s` keeps a (dim, dim) matrix and takes its eigenvectors: for 3840 values some
                20 s on one core.

        Raises:
            SondoError: An unknown kind, fewer than 2 vectors, or values that are no numbers.
        """
        if kind not in get_args(Kind):
            raise SondoError(f"no target geometry is called {kind!r}: there is {', '.join(get_args(Kind))}")
        chunks = [vectors] if isinstance(vectors, Tensor | np.ndarray) else vectors
        moments = _Moments(of_pairs=kind == "phi_s")
        for chunk in chunks:
            moments.add(np.asarray(chunk))
        if moments.count < 2:
            raise SondoError(f"a target geometry is measured on at least 2 vectors, not {moments.count}")
        if not np.isfinite(moments.mean_D).all():
            raise SondoError("a target geometry cannot be measured: the teacher's vectors hold NaN or infinite values")
        mean_D, scale_D, rotation_DD = moments.mean_D, np.ones_like(moments.mean_D), None
        if kind == "none":
            mean_D = np.zeros_like(mean_D)
        elif kind == "standardise":
            spread_D = np.sqrt(moments.squares / moments.count)
            scale_D = np.divide(1.0, spread_D, out=scale_D, where=spread_D > _SMALLEST_SPREAD * spread_D.max())
        elif kind == "phi_s":
            variance_D, axes_DD = eigh(moments.squares / moments.count, overwrite_a=True)
            rotation_DD = equalising_rotation(variance_D) @ axes_DD.T
            spread = np.sqrt(max(variance_D.mean(), 0.0))
            scale_D /= spread if spread > 0 else 1.0
        rotation = None if rotation_DD is None else torch.from_numpy(rotation_DD)
        return cls(kind, torch.from_numpy(mean_D), torch.from_numpy(scale_D), rotation)

    def forward(self, teacher_BD: Tensor) -> Tensor:
        """Map the teacher's vectors to what the student is asked for."""
        with torch.autocast(teacher_BD.device.type, enabled=False):
            centred_BD = teacher_BD.float() - self.mean_D
            turned_BD = centred_BD if self.rotation_DD is None else centred_BD @ self.rotation_DD.T
            return turned_BD * self.scale_D

    def invert(self, mapped_BD: Tensor) -> Tensor:
        """Map what the student gives back into the teacher's space; the opposite of `forward`."""
        with torch.autocast(mapped_BD.device.type, enabled=False):
            turned_BD = mapped_BD.float() / self.scale_D
            return (turned_BD if self.rotation_DD is None else turned_BD @ self.rotation_DD) + self.mean_D

    def as_linear(self) -> tuple[Tensor, Tensor]:
        """`invert` as a linear layer: `x @ weight.T + bias`.

        Behind a layer of weight `W` and bias `b`, both are one layer of weight `weight @ W` and bias `weight @ b +
        bias`.

        Shape:
            -> weight (dim, dim), bias (dim,).
        """
        turn_DD = (
            torch.eye(len(self.mean_D), device=self.mean_D.device) if self.rotation_DD is None else self.rotation_DD
        )
        return turn_DD.T / self.scale_D, self.mean_D.clone()

    def settings(self) -> dict[str, Any]:
        """What `from_state` needs beside `state_dict()`, JSON-able."""
        return {"kind": self.kind, "dim": len(self.mean_D)}

    @classmethod
    def from_state(cls, settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TargetGeometry:
        """The geometry that `settings` and `state_dict` describe.

        Raises:
            SondoError: They do not belong together.
        """
        kind, dim = settings.get("kind"), settings.get("dim")
        shapes = {"mean_D": (dim,), "scale_D": (dim,)} | ({"rotation_DD": (dim, dim)} if kind == "phi_s" else {})
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if kind not in get_args(Kind) or found != shapes:
            raise SondoError(
                f"this is no target geometry: the settings {dict(settings)} ask for tensors of the shapes {shapes}, "
                f"and those given are {found}"
            )
        return cls(settings["kind"], tensors["mean_D"], tensors["scale_D"], tensors.get("rotation_DD"))


class _Moments:
    """Mean and centred squares, of each value or of all pairs of values, over chunks of vectors.

    Chunks are joined by their own means (Chan, Golub and LeVeque 1979): sums of raw squares would lose the variance of
    spaces whose mean is large.
    """

    def __init__(self, *, of_pairs: bool) -> None:
        self.of_pairs, self.count = of_pairs, 0
        self.mean_D: NDArray[np.float64] = np.zeros(0)
        self.squares: NDArray[np.float64] = np.zeros(0)

    def add(self, vectors_ND: NDArray[Any]) -> None:
        """Take in a chunk."""
        for first in range(0, len(vectors_ND), _ROWS_AT_ONCE):
            self._add(vectors_ND[first : first + _ROWS_AT_ONCE].astype(np.float64))

    def _add(self, rows_ND: NDArray[np.float64]) -> None:
        num_rows, dim = rows_ND.shape
        if self.count == 0:
            self.mean_D = np.zeros(dim)
            self.squares = np.zeros((dim, dim) if self.of_pairs else dim)
        mean_D = rows_ND.mean(0)
        rows_ND -= mean_D
        step_D = mean_D - self.mean_D
        weight = self.count * num_rows / (self.count + num_rows)
        if self.of_pairs:
            self.squares += rows_ND.T @ rows_ND
            self.squares += np.outer(weight * step_D, step_D)
        else:
            self.squares += np.square(rows_ND).sum(0) + weight * np.square(step_D)
        self.count += num_rows
        self.mean_D += step_D * (num_rows / self.count)


def equalising_rotation(variance_D: NDArray[np.float64]) -> NDArray[np.float64]:
    """An orthogonal matrix that gives independent axes of these variances all the same variance.

    Every new axis takes its variance from all old ones about alike. For a power of two it is Sylvester's Hadamard
    matrix, whose values are all `+-1 / sqrt(dim)`. Other lengths take a real Fourier matrix: rows `sqrt(2 / dim)
    cos(2 pi k j / dim + phase_k)` in pairs a quarter turn apart, beside the constant row and, for even lengths, the
    alternating one. Two rows of a pair have variances of the right sum; the phase that makes them equal, `2 phase_k =
    pi / 2 - arg(sum_j variance_j exp(4 pi i k j / dim))`, depends on the variances, which is why they are an
    argument.

    Shape:
        (dim,) -> (dim, dim).
    """
    dim = len(variance_D)
    if dim & (dim - 1) == 0:
        return np.asarray(hadamard(dim, dtype=np.float64) / np.sqrt(dim))
    place_D = np.arange(dim)
    rows: list[NDArray[Any]] = [np.ones((1, dim))]
    if dim % 2 == 0:
        rows.append((-1.0) ** place_D[None])
    frequency_K = np.arange(1, (dim + 1) // 2)
    harmonics_D = np.fft.ifft(variance_D)  # numpy's inverse has the sign of the sum above
    phase_K = np.pi / 4 - np.angle(harmonics_D[2 * frequency_K % dim]) / 2
    # The product is taken modulo dim before it becomes an angle: cosines of large angles lose digits.
    angle_KD = 2 * np.pi / dim * (np.outer(frequency_K, place_D) % dim) + phase_K[:, None]
    rows += [np.sqrt(2) * np.cos(angle_KD), np.sqrt(2) * np.sin(angle_KD)]
    return np.asarray(np.concatenate(rows) / np.sqrt(dim))
