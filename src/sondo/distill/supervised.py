"""Labels in training: which classes there are, and how well a head tells them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sondo.bank import Bank
from sondo.distill.data import Batch
from sondo.errors import SondoError
from sondo.evaluate.metrics import metric_value


def classes_of(bank: Bank, rows: NDArray[np.int64], watched: NDArray[np.int64]) -> list[str]:
    """The classes that a student can be taught: all labels of the clips that are trained on, sorted.

    Args:
        bank: The bank.
        rows: Rows to train on.
        watched: Rows that are watched; a label of theirs that no trained clip has is no class.

    Raises:
        SondoError: Clips without labels, which would be taught as clips of no class.
    """
    table = bank.read(["labels", "uri", "offset_s"])
    labels = table.column("labels").to_pylist()
    bare = [row for row in np.concatenate([rows, watched]) if not labels[row]]
    if bare:
        first = table.slice(int(bare[0]), 1).to_pylist()[0]
        raise SondoError(
            f"supervised training needs labels: {len(bare)} of {len(rows) + len(watched)} clips of {bank.path} have "
            f"none, such as {first['uri']} at {first['offset_s']:g} s. Ingest from a manifest with a labels column, or "
            "leave out --train.supervised"
        )
    return sorted({label for row in rows for label in labels[row]})


class AveragePrecision:
    """Mean average precision over batches; see `sondo.evaluate.metrics` for what it is."""

    def __init__(self) -> None:
        self._logits: list[Tensor] = []
        self._labels: list[Tensor] = []

    @property
    def num_clips(self) -> int:
        """Clips that were added since the last result."""
        return sum(map(len, self._logits))

    def add(self, logits_BC: Tensor, labels_BC: Tensor) -> None:
        """Take in a batch."""
        self._logits.append(logits_BC.detach().double().cpu())
        self._labels.append(labels_BC.cpu())

    def result(self) -> float:
        """The metric of all that was added, in [0, 1]; the next batch begins anew."""
        logits, labels = torch.cat(self._logits).numpy(), torch.cat(self._labels).long().numpy()
        self._logits, self._labels = [], []
        return metric_value(logits, labels, metric="map")


def measure_map(student: nn.Module, classifier: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
    """How well a trained student tells the labels of clips that were not trained on.

    Args:
        student: Has `embed_log_mel`.
        classifier: The head that training left.
        batches: The clips; none give no figure.

    Returns:
        `valid_map`, or nothing.
    """
    precision = AveragePrecision()
    student.eval()
    classifier.eval()
    with torch.inference_mode():
        for batch in batches:
            assert batch.labels is not None, "the data brings labels where they are asked for"
            precision.add(classifier(student.embed_log_mel(batch.log_mel)), batch.labels)  # type: ignore[operator]
    return {"valid_map": round(precision.result(), 6)} if precision.num_clips else {}
