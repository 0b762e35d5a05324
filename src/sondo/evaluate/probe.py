"""The linear probe: standardisation and logistic regression on frozen embeddings.

The penalty is chosen by inner parts of the training clips. Nothing here ever receives a clip of the test part.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import require
from sondo.evaluate.metrics import metric_value
from sondo.evaluate.task import Metric

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_MAX_ITERATIONS = 200
_ONE_THREAD_BELOW = 10_000_000


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted probe; ``decision`` is (vectors - mean) / scale @ weight + bias.

    Attributes:
        mean: (dim,) mean of the training vectors.
        scale: (dim,) standard deviation of the training vectors, 1 where it is 0.
        weight: (dim, classes).
        bias: (classes,); minus infinity for a class without a training clip.
        inverse_regularisation: scikit-learn's C.
    """

    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats
    inverse_regularisation: float

    def decision(self, vectors: NDArray[np.floating]) -> Floats:
        """Log-odds up to a constant.

        Shape:
            vectors: (clips, dim). Output: (clips, classes).
        """
        return np.asarray((vectors - self.mean) / self.scale @ self.weight + self.bias)


def fit_probe(
    vectors: NDArray[np.floating],
    targets: Index,
    *,
    train: Index,
    inner: Sequence[tuple[Index, Index]],
    num_classes: int,
    metric: Metric,
    grid: Sequence[float] = GRID,
) -> LinearProbe:
    """Choose the regularisation on the inner parts, then fit on the whole training part.

    Args:
        vectors: Embeddings of all clips of the task.
        targets: Class of each clip, or 0 and 1 for each clip and class.
        train: Clips to fit on.
        inner: Pairs (fit, score) of clips outside of the test part.
        num_classes: Number of classes of the task.
        metric: What the inner parts are scored with.
        grid: Values of C (inverse strength of the squared penalty), rising. At equal scores the smallest is taken.

    Shape:
        vectors: (clips, dim). targets: (clips,) or (clips, classes).
    """
    require("sklearn", extra="train", why="The linear probe needs scikit-learn")
    threads = require("threadpoolctl", extra="train", why="The linear probe needs threadpoolctl")
    # Matrices of this size are multiplied faster by one thread (four times, for 400 clips on two busy cores).
    with threads.threadpool_limits(1 if vectors[train].size < _ONE_THREAD_BELOW else None):
        totals = np.zeros(len(grid))
        for fit, score in inner:
            path = _fit_path(vectors[fit], targets[fit], num_classes=num_classes, grid=grid)
            totals += [metric_value(probe.decision(vectors[score]), targets[score], metric=metric) for probe in path]
        best = grid[int(np.argmax(np.round(totals / max(1, len(inner)), 9)))]
        return next(_fit_path(vectors[train], targets[train], num_classes=num_classes, grid=(best,)))


def _fit_path(
    vectors: NDArray[np.floating], targets: Index, *, num_classes: int, grid: Sequence[float]
) -> Iterator[LinearProbe]:
    """Probes for rising C on the same clips; each starts from the one before."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(vectors.astype(np.float64))
    standard = scaler.transform(vectors.astype(np.float64))
    basis: Floats | None = None
    if standard.shape[1] > standard.shape[0]:
        # The penalty does not change under rotation: with more features than clips, the solution lies in the span of
        # the clips, and solving in its coordinates is the same problem with fewer unknowns.
        basis = np.linalg.svd(standard, full_matrices=False)[2].T
        standard = standard @ basis
    solver = _SingleLabel(num_classes) if targets.ndim == 1 else _MultiLabel(num_classes)
    for value in grid:
        weight, bias = solver.solve(standard, targets, value)
        if basis is not None:
            weight = basis @ weight
        yield LinearProbe(scaler.mean_, scaler.scale_, weight, bias, value)


class _SingleLabel:
    """Multinomial regression over the classes that have training clips."""

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._model = _regression()

    def solve(self, standard: Floats, targets: Index, inverse_regularisation: float) -> tuple[Floats, Floats]:
        weight = np.zeros((standard.shape[1], self._num_classes))
        bias = np.full(self._num_classes, -np.inf)
        present = np.unique(targets)
        if len(present) == 1:
            bias[present] = 0.0
            return weight, bias
        _fit(self._model, standard, targets, inverse_regularisation)
        if len(present) == 2:
            weight[:, present[1]] = self._model.coef_[0]
            bias[present] = [0.0, self._model.intercept_[0]]
        else:
            weight[:, present] = self._model.coef_.T
            bias[present] = self._model.intercept_
        return weight, bias


class _MultiLabel:
    """One regression per class against all clips without it."""

    def __init__(self, num_classes: int) -> None:
        self._models = [_regression() for _ in range(num_classes)]

    def solve(self, standard: Floats, targets: Index, inverse_regularisation: float) -> tuple[Floats, Floats]:
        weight = np.zeros((standard.shape[1], len(self._models)))
        bias = np.zeros(len(self._models))
        for column, model in enumerate(self._models):
            if 0 < targets[:, column].sum() < len(targets):
                _fit(model, standard, targets[:, column], inverse_regularisation)
                weight[:, column], bias[column] = model.coef_[0], model.intercept_[0]
            elif not targets[:, column].any():
                bias[column] = -np.inf
        return weight, bias


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(solver="lbfgs", warm_start=True, max_iter=_MAX_ITERATIONS)


def _fit(model: Any, standard: Floats, targets: Index, inverse_regularisation: float) -> None:
    from sklearn.exceptions import ConvergenceWarning

    model.C = inverse_regularisation
    with warnings.catch_warnings():
        # The cap on iterations is part of the probe: at large C separable classes have no finite optimum to reach.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(standard, targets)
