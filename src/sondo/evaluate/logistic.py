"""Logistic regression with a squared penalty for all classes at once, in matrix products alone.

Newton's method with preconditioned conjugate gradients. Each step multiplies the features with a matrix of all classes,
which is what makes 50,000 clips x 3,840 values x 200 classes a matter of minutes; a solver that takes one class after
the other reads the features again for each.

Source:
    The truncated Newton method of Nocedal and Wright, Numerical Optimization, 2nd edition, section 7.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Index = NDArray[np.int64]

MAX_STEPS = 30
MAX_INNER_STEPS = 40
_TOLERANCE = 1e-4  # of the loss: what a further step could gain; 1e-6 changed no accuracy of 2,500 clips x 1,392 values
_INNER_TOLERANCE = 0.1
_MAX_HALVINGS = 12


class Likelihood(ABC):
    """The negative log-likelihood as a function of the log-odds.

    Shape:
        logits: (clips, columns) wherever they occur.
    """

    @abstractmethod
    def loss(self, logits: Array) -> Array:
        """Summed over clips: one value per independent problem, (columns,) or (1,)."""

    @abstractmethod
    def residual(self, logits: Array) -> tuple[Array, Array]:
        """Gradient with respect to the logits, and what `curvature` needs to be applied at this point."""

    @abstractmethod
    def curvature(self, at: Array, direction: Array) -> Array:
        """Second derivative times a direction, (clips, columns)."""

    @abstractmethod
    def mean_curvature(self, at: Array) -> Array:
        """Mean over clips of the diagonal of the second derivative, (columns,)."""

    @abstractmethod
    def dot(self, left: Array, right: Array) -> Array:
        """Inner product of two matrices (rows, columns) for each independent problem."""

    @abstractmethod
    def columns(self, chosen: Index) -> Likelihood:
        """The problem without the columns that are solved already."""


class Independent(Likelihood):
    """One regression per column against all clips without its label; clips that nobody judged count for nothing.

    Args:
        targets: 1, 0, and -1 for not judged.

    Shape:
        targets: (clips, columns).
    """

    def __init__(self, targets: NDArray[np.integer[Any]], dtype: Any) -> None:
        self._positive = (targets == 1).astype(dtype)
        self._known = (targets >= 0).astype(dtype)

    def loss(self, logits: Array) -> Array:
        """Binary cross-entropy, summed over clips."""
        each = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits))) - logits * self._positive
        return np.asarray((each * self._known).sum(axis=0, dtype=np.float64))

    def residual(self, logits: Array) -> tuple[Array, Array]:
        """Probability minus label."""
        from scipy.special import expit

        probability = expit(logits)
        return (probability - self._positive) * self._known, probability * (1 - probability) * self._known

    def curvature(self, at: Array, direction: Array) -> Array:
        """The direction times p (1 - p)."""
        return at * direction

    def mean_curvature(self, at: Array) -> Array:
        """Mean of p (1 - p)."""
        return np.asarray(at.mean(axis=0))

    def dot(self, left: Array, right: Array) -> Array:
        """One inner product for each column."""
        return np.asarray(np.einsum("ij,ij->j", left, right))

    def columns(self, chosen: Index) -> Independent:
        """Some of the regressions."""
        part = Independent.__new__(Independent)
        part._positive, part._known = self._positive[:, chosen], self._known[:, chosen]
        return part


class Multinomial(Likelihood):
    """One regression over classes of which each clip has exactly one.

    Args:
        labels: Column of each clip's class.

    Shape:
        labels: (clips,).
    """

    def __init__(self, labels: Index, num_columns: int, dtype: Any) -> None:
        self._one_hot = np.zeros((len(labels), num_columns), dtype=dtype)
        self._one_hot[np.arange(len(labels)), labels] = 1

    def loss(self, logits: Array) -> Array:
        """Cross-entropy, summed over clips."""
        from scipy.special import logsumexp

        of_class = (logits * self._one_hot).sum(axis=1)
        return np.asarray((logsumexp(logits, axis=1) - of_class).sum(keepdims=True, dtype=np.float64))

    def residual(self, logits: Array) -> tuple[Array, Array]:
        """Probabilities minus the one-hot label."""
        from scipy.special import softmax

        probability = softmax(logits, axis=1)
        return probability - self._one_hot, probability

    def curvature(self, at: Array, direction: Array) -> Array:
        """(diag(p) - p pᵀ) times the direction."""
        weighted = at * direction
        return np.asarray(weighted - at * weighted.sum(axis=1, keepdims=True))

    def mean_curvature(self, at: Array) -> Array:
        """Mean of p (1 - p)."""
        return np.asarray((at * (1 - at)).mean(axis=0))

    def dot(self, left: Array, right: Array) -> Array:
        """One inner product over all columns."""
        return np.asarray(np.vdot(left, right)).reshape(1)

    def columns(self, chosen: Index) -> Multinomial:
        """The columns belong together: all of them."""
        return self


def solve(features: Array, likelihood: Likelihood, start: Array, *, penalty: Array, energy: Array) -> Array:
    """Weights that minimise the loss plus half the penalty times the squared weights.

    Works best where the features are uncorrelated: then `energy` describes them fully and few inner steps are needed.

    Args:
        features: One row per clip; a column of ones where there is a bias.
        likelihood: What is minimised.
        start: Weights to start from.
        penalty: Of each feature; 0 for the bias.
        energy: Sum of squares of each feature.

    Shape:
        features: (clips, dim). penalty, energy: (dim,). start: (dim, columns). Output: (dim, columns).
    """
    weight = start.copy()
    active: Index = np.arange(weight.shape[1])
    part, logits = likelihood, features @ weight
    for _ in range(MAX_STEPS):
        now = weight[:, active]
        slope, at = part.residual(logits)
        gradient = features.T @ slope + penalty[:, None] * now
        preconditioner = part.mean_curvature(at)[None] * energy[:, None] + penalty[:, None]
        direction = _newton_direction(features, part, at, gradient, penalty, np.maximum(preconditioner, 1e-12))
        change = features @ direction
        gain = -part.dot(gradient, direction)
        loss = part.loss(logits)
        step = _step_length(part, logits, change, now, direction, penalty, loss=loss, gain=gain)
        weight[:, active] = now + step * direction
        logits = logits + step * change
        open_ = (gain > _TOLERANCE * np.maximum(loss, 1.0)) & (step > 0)
        if not open_.any():
            break
        if len(open_) == len(active) and not open_.all():
            kept = np.flatnonzero(open_)
            active, part, logits = active[kept], part.columns(kept), np.ascontiguousarray(logits[:, kept])
    return weight


def _newton_direction(
    features: Array, part: Likelihood, at: Array, gradient: Array, penalty: Array, preconditioner: Array
) -> Array:
    """Solve Hessian x direction = -gradient by conjugate gradients, to a tenth of the gradient."""
    direction = np.zeros_like(gradient)
    residual = -gradient
    scaled = residual / preconditioner
    search = scaled.copy()
    size = part.dot(residual, scaled)
    goal = _INNER_TOLERANCE**2 * size
    for _ in range(MAX_INNER_STEPS):
        product = features.T @ part.curvature(at, features @ search) + penalty[:, None] * search
        bend = part.dot(search, product)
        go_on = (size > goal) & (bend > 0)
        length = np.where(go_on, size / np.where(go_on, bend, 1), 0).astype(gradient.dtype)
        direction += length * search
        residual -= length * product
        scaled = residual / preconditioner
        new_size = part.dot(residual, scaled)
        if not ((new_size > goal) & go_on).any():
            break
        search = scaled + (new_size / np.maximum(size, np.finfo(size.dtype).tiny)).astype(gradient.dtype) * search
        size = new_size
    return direction


def _step_length(
    part: Likelihood,
    logits: Array,
    change: Array,
    now: Array,
    direction: Array,
    penalty: Array,
    *,
    loss: Array,
    gain: Array,
) -> Array:
    """Halve each problem's step until it lowers what is minimised; 0 where none does."""
    pull = (penalty[:, None] * now * direction, 0.5 * penalty[:, None] * direction**2)
    one = np.ones_like(direction)
    linear, square = part.dot(pull[0], one), part.dot(pull[1], one)
    step = np.ones_like(gain)
    for _ in range(_MAX_HALVINGS):
        rise = part.loss(logits + step.astype(logits.dtype) * change) - loss + step * linear + step**2 * square
        # Sums of many small numbers: a rise below their rounding is none.
        bad = rise > -1e-4 * step * gain + 1e-7 * np.maximum(loss, 1.0)
        if not bad.any():
            return step.astype(logits.dtype)
        step = np.where(bad, step / 2, step)
    return np.where(bad, 0, step).astype(logits.dtype)
