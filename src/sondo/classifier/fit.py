"""Fit heads on embeddings, and predict every clip with a head that never heard it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sondo.classifier.calibration import Calibration, calibrate, cross_entropy
from sondo.classifier.head import Floats, Head, probabilities_of
from sondo.errors import require
from sondo.evaluate import Task
from sondo.evaluate.intervals import Interval
from sondo.evaluate.metrics import metric_value
from sondo.evaluate.probe import GRID, LinearProbe, fit_path, moments
from sondo.evaluate.score import TestPart, score_interval
from sondo.evaluate.splits import partitions
from sondo.screen import track

Kind = Literal["linear", "mlp"]
Index = NDArray[np.int64]
Inner = Sequence[tuple[Index, Index]]
HIDDEN_DIM = 256
_MLP_PENALTY = 1.0
_LEAST_LOGIT = -30.0  # instead of minus infinity, for a class that an inner part lacks


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """What heads said of clips that they were not fitted on.

    Attributes:
        clips: (n,) which clips of the task: all of them with folds, the test part with a split.
        probabilities: (n, classes), calibrated on these clips.
        calibration: What was done to the heads' logits for that.
        score: Mean of the folds, or the value on the test part, in [0, 1].
        ci95: 95 % interval of it: over folds, or by bootstrap over the clips of the test part.
        per_fold: The value of each fold.
    """

    clips: Index
    probabilities: Floats
    calibration: Calibration
    score: float
    ci95: Interval
    per_fold: tuple[float, ...]


def cross_validate(task: Task, vectors: NDArray[np.floating], *, kind: Kind) -> HeldOut:
    """Fit a head for each fold (or for the training part) and let it predict the rest.

    Args:
        task: Clips with labels, and folds or splits.
        vectors: Their embeddings.
        kind: `linear` or `mlp`.

    Shape:
        vectors: (clips, embedding_dim).
    """
    targets = task.targets()
    parts = partitions(task)
    logits: list[Floats] = []
    with track("held-out heads", total=len(parts), unit="folds") as line:
        for part in parts:
            head = _fit(task, vectors, targets, part.train, part.inner, kind)
            logits.append(head.logits(vectors[part.test]))
            line.advance()
    return _held_out(task, [part.test for part in parts], logits, calibrated=True)


def judge(task: Task, head: Callable[[NDArray[np.floating]], Floats], vectors: NDArray[np.floating]) -> HeldOut:
    """What a head that was fitted on none of a task's clips says of those that a fitted one would be judged on.

    Args:
        task: Clips with labels, and folds or splits.
        head: Vectors to logits.
        vectors: The clips' embeddings.

    Shape:
        vectors: (clips, embedding_dim).
    """
    clips = [part.test for part in partitions(task)]
    return _held_out(task, clips, [head(vectors[part]) for part in clips], calibrated=False)


def _held_out(task: Task, parts: Sequence[Index], logits: Sequence[Floats], *, calibrated: bool) -> HeldOut:
    """The score of what was said of the clips of each part."""
    targets = task.targets()
    values = [metric_value(said, targets[part], metric=task.metric) for said, part in zip(logits, parts, strict=True)]
    clips, together = np.concatenate(parts), np.concatenate(logits)
    interval = score_interval(task, [TestPart(part, said) for part, said in zip(parts, logits, strict=True)], values)
    num_classes = together.shape[1]
    as_it_is = Calibration(np.ones(num_classes), np.zeros(num_classes))
    calibration = calibrate(together, targets[clips]) if calibrated else as_it_is
    return HeldOut(
        clips=clips,
        probabilities=probabilities_of(calibration.scale * together + calibration.offset, multi_label=task.multi_label),
        calibration=calibration,
        score=float(np.mean(values)),
        ci95=interval,
        per_fold=tuple(values),
    )


def fit_head(task: Task, vectors: NDArray[np.floating], *, kind: Kind) -> Head:
    """Fit a head on all clips of a task. The penalty of a linear head is chosen on its folds, or its training part.

    Shape:
        vectors: (clips, embedding_dim).
    """
    everything = np.arange(len(task))
    if task.folds is not None:
        folds = np.asarray(task.folds)
        inner: Inner = [(everything[folds != fold], everything[folds == fold]) for fold in np.unique(folds)]
    else:
        inner = partitions(task)[0].inner
    return _fit(task, vectors, task.targets(), everything, inner, kind)


def _fit(task: Task, vectors: NDArray[np.floating], targets: Index, train: Index, inner: Inner, kind: Kind) -> Head:
    """A head on some clips; every training part of a task has clips of all classes."""
    if kind == "mlp":
        return _fit_mlp(task, vectors[train], targets[train])
    linear = _fit_linear(task, vectors, targets, train, inner)
    return Head(
        mean=linear.mean,
        scale=linear.scale,
        layers=((linear.weight, linear.bias),),
        classes=task.classes,
        multi_label=task.multi_label,
    )


def _fit_linear(task: Task, vectors: NDArray[np.floating], targets: Index, train: Index, inner: Inner) -> LinearProbe:
    """The evaluation's probe, with the penalty of the lowest cross-entropy on the inner parts.

    By its score the evaluation takes the strongest of equal penalties, and then classes that are told apart without a
    fault have probabilities little above chance.
    """
    num_classes = len(task.classes)
    wanted = targets.astype(np.float64) if task.multi_label else np.eye(num_classes)[targets]
    losses = np.zeros(len(GRID))
    for clips, score in inner:
        for place, linear in enumerate(fit_path(vectors, targets, train=clips, num_classes=num_classes)):
            logits = np.maximum(linear.decision(vectors[score]), _LEAST_LOGIT)
            losses[place] += cross_entropy(logits, wanted[score], multi_label=task.multi_label)
    best = GRID[int(np.argmin(losses))]
    (linear,) = fit_path(vectors, targets, train=train, num_classes=num_classes, grid=(best,))
    return linear


def _fit_mlp(task: Task, vectors: NDArray[np.floating], targets: Index) -> Head:
    """Two layers by scikit-learn: Adam, 200 epochs at most, a squared penalty."""
    require("sklearn", extra="train", why="Fitting a head needs scikit-learn")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    mean, scale = moments(vectors, np.arange(len(vectors)))
    model = MLPClassifier(hidden_layer_sizes=(HIDDEN_DIM,), alpha=_MLP_PENALTY, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the cap on epochs is part of the fit
        model.fit((vectors - mean) / scale, targets)
    return Head(
        mean=mean,
        scale=scale,
        layers=_layers(model, task),
        classes=task.classes,
        multi_label=task.multi_label,
    )


def _layers(model: Any, task: Task) -> tuple[tuple[Floats, Floats], ...]:
    """The layers with a logit for each class of the task: for two classes scikit-learn keeps a single one."""
    (first, last), (first_bias, last_bias) = model.coefs_, model.intercepts_
    if not task.multi_label and len(task.classes) == 2:
        last, last_bias = np.hstack([np.zeros_like(last), last]), np.append(0.0, last_bias)
    return (first, first_bias), (last, last_bias)
