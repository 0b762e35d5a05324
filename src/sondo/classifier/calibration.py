"""How sure a head should sound: a scale and an offset of its logits, from clips that it was not fitted on.

A head is as sure as its own clips made it: too sure after two layers, too cautious after a strong penalty. Calibration
changes no score.

Source:
    One label: temperature scaling, Guo et al. 2017 (arXiv 1706.04599), section 4.2, with scale = 1 / T. Several labels:
    Platt 1999, "Probabilistic outputs for support vector machines", for each class. Both with Platt's targets, which
    are moved off 0 and 1, so that a few clips that are all told right do not make a head endlessly sure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sondo.classifier.head import Floats
from sondo.errors import require

_EXPONENTS = (-7.0, 7.0)


class Calibration(NamedTuple):
    """Calibrated logits are ``scale * logits + offset``, both (classes,)."""

    scale: Floats
    offset: Floats


def calibrate(logits: Floats, targets: NDArray[np.int64]) -> Calibration:
    """The calibration of the lowest cross-entropy: one scale for all classes, or with several labels two for each.

    Args:
        logits: What heads said of clips that they were not fitted on.
        targets: The class of each clip, or with several labels 0 and 1 for each class.

    Shape:
        logits (clips, classes); targets (clips,) or (clips, classes).
    """
    optimize = require("scipy.optimize", extra="train", why="Calibrating a head needs scipy")
    num_classes = logits.shape[1]
    if targets.ndim == 1:
        doubt = 1.0 / (len(targets) + 2)
        wanted = np.full(logits.shape, doubt / max(num_classes - 1, 1))
        wanted[np.arange(len(targets)), targets] = 1.0 - doubt
        found = optimize.minimize_scalar(
            lambda exponent: cross_entropy(np.exp(exponent) * logits, wanted, multi_label=False),
            bounds=_EXPONENTS,
            method="bounded",
        )
        return Calibration(np.full(num_classes, np.exp(found.x)), np.zeros(num_classes))
    pairs = np.array([_platt(optimize, column, truth) for column, truth in zip(logits.T, targets.T, strict=True)])
    return Calibration(pairs[:, 0], pairs[:, 1])


def _platt(optimize: Any, logits: Floats, targets: NDArray[np.int64]) -> tuple[float, float]:
    """Scale, above 0, and offset of one class."""
    positive = int(targets.sum())
    wanted = np.where(targets == 1, (positive + 1) / (positive + 2), 1.0 / (len(targets) - positive + 2))
    mean, deviation = logits.mean(), max(float(logits.std()), 1e-12)
    standard = (logits - mean) / deviation

    def loss(pair: Floats) -> float:
        return cross_entropy(np.exp(pair[0]) * standard + pair[1], wanted, multi_label=True)

    found = optimize.minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[_EXPONENTS, (None, None)])
    scale = float(np.exp(found.x[0])) / deviation
    return scale, float(found.x[1]) - scale * float(mean)


def cross_entropy(logits: Floats, wanted: Floats, *, multi_label: bool) -> float:
    """Mean cross-entropy of a softmax, or of a sigmoid for each value.

    Shape:
        logits, wanted (clips, classes), wanted from 0 to 1 -> one number.
    """
    if multi_label:
        return float((np.logaddexp(0.0, logits) - wanted * logits).mean())
    top = logits.max(axis=1, keepdims=True)
    log_total = top + np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    return float((wanted * (log_total - logits)).sum(axis=1).mean())
