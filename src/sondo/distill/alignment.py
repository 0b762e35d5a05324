"""How close the mapped student comes to its teacher, without any label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from sondo.bank import Bank
from sondo.bank.schema import TRAIN_SPLITS
from sondo.distill.cluster import bank_vectors
from sondo.distill.data import stack_repeated
from sondo.screen import track

MAX_CLIPS = 512
_AT_ONCE = 16


def alignment(bank: Bank, column: str, student: nn.Module, projector: nn.Module | None) -> dict[str, float | int | str]:
    """Mean cosine between `projector(student(clip))` and the teacher's vector.

    Args:
        bank: The bank.
        column: The teacher's column.
        student: Has `embed_log_mel`.
        projector: The mapping head that training left.

    Returns:
        `cosine`, `clips` (how many were compared, at most 512) and `on` (`held-out clips` or `training clips`).
    """
    rows, on = rows_to_compare(bank)
    rows = with_direction(bank, [column], rows)
    found = cosines(embed_rows(bank, rows, student), bank_vectors(bank, column, rows), projector)
    return {"cosine": round(float(found.mean()), 6), "clips": len(rows), "on": on}


def rows_to_compare(bank: Bank) -> tuple[NDArray[np.int64], str]:
    """Clips of a split other than the training's, where the bank has some; else training clips.

    Returns:
        At most 512 rows of the bank in order, and what they are: `held-out clips` or `training clips`.
    """
    splits = [value or "train" for value in bank.read(["split"]).column(0).to_pylist()]
    held_out = np.flatnonzero([split.lower() not in TRAIN_SPLITS for split in splits])
    rows = held_out if len(held_out) else np.arange(len(bank))
    chosen = np.sort(np.random.default_rng(0).permutation(rows)[:MAX_CLIPS])
    return chosen, "held-out clips" if len(held_out) else "training clips"


def with_direction(bank: Bank, columns: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of some rows to which no teacher gave a zero vector; all, where there are none."""
    kept = np.full(len(rows), True)
    for column in columns:
        kept &= bank_vectors(bank, column, rows).any(axis=1)
    return rows[kept] if kept.any() else rows


def embed_rows(bank: Bank, rows: NDArray[np.int64], student: nn.Module) -> NDArray[np.float32]:
    """The student's vectors of some clips; those of one length are heard together, so that none is repeated or padded.

    Args:
        bank: The bank.
        rows: Rows of it.
        student: Has `embed_log_mel`; it is put into evaluation mode.

    Shape:
        -> (rows, embedding_dim).
    """
    student.eval()
    frames = bank.take(rows, ["frames"]).column(0).to_numpy()
    order, vectors = [], []
    with torch.inference_mode(), track("student beside its teacher", total=len(rows)) as line:
        for length in np.unique(frames):
            alike = np.flatnonzero(frames == length)
            for first in range(0, len(alike), _AT_ONCE):
                some = alike[first : first + _AT_ONCE]
                log_mels = stack_repeated(bank.log_mels(rows[some]))
                vectors.append(student.embed_log_mel(log_mels).float().numpy())  # type: ignore[operator]
                order.append(some)
                line.advance(len(some))
    found: NDArray[np.float32] = np.concatenate(vectors)[np.argsort(np.concatenate(order))]
    return found


def cosines(
    vectors: NDArray[np.float32], targets: NDArray[np.float32], projector: nn.Module | None
) -> NDArray[np.float32]:
    """Cosine of each student's vector, mapped, to its teacher's.

    Args:
        vectors: (clips, embedding_dim) of the student.
        targets: (clips, teacher dim).
        projector: The mapping head; None where both spaces are one.

    Shape:
        -> (clips,).
    """
    mapped = torch.from_numpy(vectors)
    with torch.inference_mode():
        mapped = mapped if projector is None else projector.eval()(mapped)
        return functional.cosine_similarity(mapped, torch.from_numpy(targets)).numpy()
