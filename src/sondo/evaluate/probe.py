"""The linear probe: standardisation and logistic regression on frozen embeddings.

The penalty is chosen by inner parts of the training clips. Nothing here ever receives a clip of the test part.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import require
from sondo.evaluate.logistic import Independent, Likelihood, Multinomial, solve
from sondo.evaluate.metrics import metric_value
from sondo.evaluate.task import Metric

Floats = NDArray[np.float64]
Array = NDArray[np.floating[Any]]
Index = NDArray[np.int64]
GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_ONE_THREAD_BELOW = 10_000_000
_SINGLE_PRECISION_FROM = 1_000_000
_ROWS_PER_STEP = 4096
_LEAST_SHARE, _MOST = 1e-4, 0.9
"""Below this share of the deviation at that quantile of all values, a value does not vary."""
_PATIENCE = 2
"""Values of C without a gain after which the larger ones, which take longest to fit, are left out."""


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted probe; ``decision`` is (vectors - mean) / scale @ weight + bias.

    Attributes:
        mean: (dim,) mean of the training vectors.
        scale: (dim,) standard deviation of the training vectors, 1 where it is only rounding.
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
    advance: Callable[[], None] = lambda: None,
) -> LinearProbe:
    """Choose the regularisation on the inner parts, then fit on the whole training part.

    Args:
        vectors: Embeddings of all clips of the task.
        targets: Class of each clip, or 0 and 1 for each clip and class, -1 where nobody judged.
        train: Clips to fit on; one that occurs twice counts twice.
        inner: Pairs (fit, score) of clips outside of the test part; `fit` lies in `train`.
        num_classes: Number of classes of the task.
        metric: What the inner parts are scored with.
        grid: Values of C (inverse strength of the squared penalty), rising. At equal scores the smallest is taken.
            Without `inner`, the first.
        advance: Is called after each value of the grid that was tried.

    Shape:
        vectors: (clips, dim). targets: (clips,) or (clips, classes).
    """
    with _threads_for(len(train) * vectors.shape[1]):
        space = _Space(vectors, train)
        if len(grid) == 1:
            return next(space.path(targets, train, num_classes=num_classes, grid=grid))
        paths = [space.path(targets, fit, num_classes=num_classes, grid=grid) for fit, _ in inner]
        best, best_total = 0, -np.inf
        chosen: list[LinearProbe] = []
        for index, probes in enumerate(zip(*paths, strict=True)):
            values = [
                metric_value(probe.decision(vectors[score]), targets[score], metric=metric)
                for probe, (_, score) in zip(probes, inner, strict=True)
            ]
            advance()
            total = round(sum(values) / len(values), 9)
            if total > best_total:
                best, best_total, chosen = index, total, list(probes)
            elif index - best >= _PATIENCE:
                break
        for probe, (fit, _) in zip(chosen, inner, strict=False):
            if np.array_equal(fit, train):
                return probe
        return next(space.path(targets, train, num_classes=num_classes, grid=(grid[best],)))


def fit_path(
    vectors: NDArray[np.floating],
    targets: Index,
    *,
    train: Index,
    num_classes: int,
    grid: Sequence[float] = GRID,
) -> list[LinearProbe]:
    """Fit a probe with each regularisation of a rising grid; arguments as in `fit_probe`."""
    with _threads_for(len(train) * vectors.shape[1]):
        return list(_Space(vectors, train).path(targets, train, num_classes=num_classes, grid=grid))


def _threads_for(size: int) -> AbstractContextManager[Any]:
    """Matrices below a size are multiplied faster by one thread (four times, for 400 clips on two busy cores)."""
    limited: AbstractContextManager[Any] = _pools().limit(limits=1 if size < _ONE_THREAD_BELOW else None)
    return limited


@functools.cache
def _pools() -> Any:
    """The thread pools of numpy and scipy; to look for them takes longer than a small fit."""
    require("scipy.linalg", extra="train", why="The linear probe needs scipy")
    threads = require("threadpoolctl", extra="train", why="The linear probe needs threadpoolctl")
    return threads.ThreadpoolController()


class _Space:
    """The training clips, standardised and turned so that their features are uncorrelated.

    The penalty does not change under rotation, so that the solution is the same; but the solver needs few steps where
    features are uncorrelated, and with more features than clips there are only as many coordinates as clips.
    """

    def __init__(self, vectors: Array, train: Index) -> None:
        size = len(train) * vectors.shape[1]
        self._dtype: Any = np.float64 if size < _SINGLE_PRECISION_FROM else np.float32
        self._position = np.full(len(vectors), -1)
        self._position[train] = np.arange(len(train))
        self.mean, self.scale = moments(vectors, train)
        self.rotation = self._rotation(vectors, train)
        self._features = np.ones((len(train), self.rotation.shape[1] + 1), dtype=self._dtype)
        for first, standard in self._standard(vectors, train):
            self._features[first : first + len(standard), :-1] = standard @ self.rotation

    def path(self, targets: Index, fit: Index, *, num_classes: int, grid: Sequence[float]) -> Iterator[LinearProbe]:
        """Probes for rising C on the clips `fit` of the training part; each starts from the one before."""
        rows = self._position[fit]
        assert (rows >= 0).all(), "inner parts are fitted on training clips"
        features = self._features if len(rows) == len(self._features) else self._features[rows]
        problem = _Problem(targets[fit], num_classes, self._dtype)
        energy = np.einsum("ij,ij->j", features, features)
        penalised = np.append(np.ones(features.shape[1] - 1), 0.0)
        solution = np.zeros((features.shape[1], problem.num_columns), dtype=self._dtype)
        for value in grid:
            if problem.likelihood is not None:
                penalty = (penalised / value).astype(self._dtype)
                solution = solve(features, problem.likelihood, solution, penalty=penalty, energy=energy)
            weight, bias = problem.spread(solution.astype(np.float64))
            yield LinearProbe(self.mean, self.scale, self.rotation.astype(np.float64) @ weight, bias, value)

    def _standard(self, vectors: Array, clips: Index) -> Iterator[tuple[int, Array]]:
        for first in range(0, len(clips), _ROWS_PER_STEP):
            some = vectors[clips[first : first + _ROWS_PER_STEP]]
            yield first, ((some - self.mean) / self.scale).astype(self._dtype)

    def _rotation(self, vectors: Array, train: Index) -> Array:
        num_clips, dim = len(train), vectors.shape[1]
        if num_clips < dim:
            standard = np.concatenate([block for _, block in self._standard(vectors, train)])
            return np.ascontiguousarray(np.linalg.svd(standard, full_matrices=False)[2].T)
        gram = np.zeros((dim, dim), dtype=self._dtype)
        for _, block in self._standard(vectors, train):
            gram += block.T @ block
        return np.linalg.eigh(gram)[1]


def moments(vectors: Array, train: Index) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the training vectors, in blocks; the deviation is 1 where it is only rounding.

    Divided by it, a value that never changes but for rounding would weigh as much as any other. What rounding leaves
    does not show in the value itself where it was made from larger ones (the deviation of a mel band that is silent
    throughout), so a value that varies far less than most others counts as one that does not vary.

    Shape:
        vectors: (clips, dim). train: (n,) index. Output: (dim,) and (dim,).
    """
    blocks = [train[first : first + _ROWS_PER_STEP] for first in range(0, len(train), _ROWS_PER_STEP)]
    mean = sum(vectors[block].sum(axis=0, dtype=np.float64) for block in blocks) / len(train)
    variance = sum(((vectors[block] - mean) ** 2).sum(axis=0) for block in blocks) / len(train)
    scale = np.sqrt(variance)
    rounding = np.maximum(10 * np.finfo(vectors.dtype).eps * np.abs(mean), _LEAST_SHARE * np.quantile(scale, _MOST))
    return np.asarray(mean), np.where(scale <= rounding, 1.0, scale)


class _Problem:
    """What is solved for these labels, and how its columns become classes."""

    def __init__(self, targets: Index, num_classes: int, dtype: Any) -> None:
        self._num_classes = num_classes
        self._bias = np.full(num_classes, -np.inf)
        self._two = False
        self.likelihood: Likelihood | None = None
        if targets.ndim == 1:
            self._columns, labels = np.unique(targets, return_inverse=True)
            self._bias[self._columns] = 0.0
            self._two = len(self._columns) == 2
            if self._two:
                self._columns = self._columns[1:]
                self.likelihood = Independent(labels[:, None], dtype)
            elif len(self._columns) > 2:
                self.likelihood = Multinomial(labels, len(self._columns), dtype)
        else:
            positive, judged = (targets == 1).sum(axis=0), (targets >= 0).sum(axis=0)
            self._bias[positive > 0] = 0.0
            self._columns = np.flatnonzero((positive > 0) & (positive < judged))
            if len(self._columns):
                self.likelihood = Independent(targets[:, self._columns], dtype)

    @property
    def num_columns(self) -> int:
        return len(self._columns)

    def spread(self, solution: Floats) -> tuple[Floats, Floats]:
        """Weight (dim, classes) and bias (classes,); minus infinity where no training clip has the class."""
        weight = np.zeros((len(solution) - 1, self._num_classes))
        bias = self._bias.copy()
        weight[:, self._columns] = solution[:-1]
        bias[self._columns] = solution[-1]
        return weight, bias
