"""How close the mapped student comes to its teacher, without any label."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sondo.bank import Bank
from sondo.bank.schema import TRAIN_SPLITS
from sondo.distill.data import BankBatches

MAX_CLIPS = 512


def alignment(bank: Bank, column: str, student: nn.Module, projector: nn.Module | None) -> dict[str, float | int | str]:
    """Mean cosine between `projector(student(clip))` and the teacher's vector.

    Clips of a split other than the training's are taken where the bank has them; else training clips, and the result
    says so.

    Args:
        bank: The bank.
        column: The teacher's column.
        student: Has `embed_log_mel`.
        projector: The mapping head that training left.

    Returns:
        `cosine`, `clips` (how many were compared, at most 512) and `on` (`held-out clips` or `training clips`).
    """
    splits = [value or "train" for value in bank.read(["split"]).column(0).to_pylist()]
    held_out = np.flatnonzero([split.lower() not in TRAIN_SPLITS for split in splits])
    rows = held_out if len(held_out) else np.arange(len(bank))
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:MAX_CLIPS])
    batches = BankBatches(bank.path, [column])
    cosines = []
    student.eval()
    with torch.inference_mode():
        for row in rows:
            batch = batches[[int(row)]]
            mapped = student.embed_log_mel(batch.log_mel)  # type: ignore[operator]
            mapped = mapped if projector is None else projector.eval()(mapped)
            cosines.append(float(functional.cosine_similarity(mapped.float(), batch.targets[0]).mean()))
    return {
        "cosine": round(float(np.mean(cosines)), 6),
        "clips": len(rows),
        "on": "held-out clips" if len(held_out) else "training clips",
    }
