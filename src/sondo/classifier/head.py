"""A head: what turns an embedding into the logits of classes, as arrays that any library can fit and any can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.runtime.classifier import check_names

Floats = NDArray[np.float64]
Layer = tuple[Floats, Floats]
Operators = tuple[list[tuple[str, list[str], str, dict[str, Any]]], dict[str, NDArray[Any]]]
"""Steps (kind, inputs, output, attributes), and constants by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """A linear head, or two layers with a ReLU between them, on a standardised embedding.

    Args:
        mean: (dim,) what is taken off the embedding.
        scale: (dim,) what it is divided by.
        layers: One or two pairs of a weight (in, out) and a bias (out,).
        classes: Names, in the order of the logits.
        multi_label: Whether several classes can hold at once: sigmoid instead of softmax.
        thresholds: For several labels, the probability from which each class counts; 0.5 when left out.

    Raises:
        SondoError: Class names that are missing or double, or arrays that are not finite or do not fit each other.
    """

    mean: Floats
    scale: Floats
    layers: tuple[Layer, ...]
    classes: tuple[str, ...]
    multi_label: bool = False
    thresholds: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Find what would otherwise become a classifier that answers nonsense."""
        check_names(self.classes, num_logits=len(self.layers[-1][1]))
        if any(not np.isfinite(array).all() for array in (self.mean, self.scale, *sum(self.layers, ()))):
            raise SondoError("a head holds NaN or infinity: it was fitted on too little, or its file is damaged")
        width = len(self.mean)
        for weight, bias in self.layers:
            if weight.shape != (width, len(bias)):
                raise SondoError(f"a layer of the head has shape {weight.shape}, expected ({width}, {len(bias)})")
            width = len(bias)
        assert len(self.scale) == len(self.mean), "standardised value by value"
        assert self.thresholds is None or len(self.thresholds) == len(self.classes), "a threshold for each class"

    @property
    def kind(self) -> str:
        """`linear` or `mlp`."""
        return "linear" if len(self.layers) == 1 else "mlp"

    @property
    def embedding_dim(self) -> int:
        """Values of the embedding that it takes."""
        return len(self.mean)

    def logits(self, vectors: NDArray[np.floating]) -> Floats:
        """Logits of embeddings.

        Shape:
            (n, embedding_dim) -> (n, classes).
        """
        values = (np.asarray(vectors, dtype=np.float64) - self.mean) / self.scale
        for number, (weight, bias) in enumerate(self.layers):
            values = (np.maximum(values, 0.0) if number else values) @ weight + bias
        return np.asarray(values)

    def probabilities(self, vectors: NDArray[np.floating]) -> Floats:
        """Probabilities of the classes: they add up to 1, or each is its own where several labels can hold.

        Shape:
            (n, embedding_dim) -> (n, classes).
        """
        return probabilities_of(self.logits(vectors), multi_label=self.multi_label)

    def operators(self, rows: str) -> Operators:
        """The steps from `rows` (n, embedding_dim) to `logits`, as ONNX operators, and their constants."""
        steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
            ("Sub", [rows, "mean"], "centred", {}),
            ("Div", ["centred", "scale"], "standardised", {}),
        ]
        constants: dict[str, NDArray[Any]] = {"mean": self.mean, "scale": self.scale}
        last = "standardised"
        for number, (weight, bias) in enumerate(self.layers):
            if number:
                steps.append(("Relu", [last], f"hidden{number}", {}))
                last = f"hidden{number}"
            constants |= {f"weight{number}": weight, f"bias{number}": bias}
            result = "logits" if number == len(self.layers) - 1 else f"layer{number}"
            steps.append(("Gemm", [last, f"weight{number}", f"bias{number}"], result, {}))
            last = result
        return steps, constants

    def rescaled(self, scale: Floats, offset: Floats) -> Head:
        """The same head with each logit scaled and moved.

        Shape:
            scale, offset (classes,).
        """
        *before, (weight, bias) = self.layers
        return replace(self, layers=(*before, (weight * scale, bias * scale + offset)))

    def with_thresholds(self, thresholds: Sequence[float]) -> Head:
        """The same head with other thresholds."""
        return replace(self, thresholds=tuple(float(value) for value in thresholds))


def probabilities_of(logits: Floats, *, multi_label: bool) -> Floats:
    """Softmax over the classes, or a sigmoid for each.

    Shape:
        (n, classes) -> (n, classes).
    """
    if multi_label:
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))  # the sigmoid, without overflow
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
