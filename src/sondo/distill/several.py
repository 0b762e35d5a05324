"""One loss from several teachers: their mean, or with teacher dropping, mostly that of each clip's hardest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def combine_losses(values: Sequence[Tensor], *, drop_probability: float = 0.0) -> Tensor:
    """Average the losses of several teachers; teachers that a clip already meets may be dropped for it.

    For each clip the teacher with the highest loss stays; each other one is dropped with `drop_probability`. All clips
    that stay for any teacher weigh the same. Random numbers come from torch's generator.

    Args:
        values: One loss for each teacher: a scalar, or (batch,), one value for each clip.
        drop_probability: 0 is the plain mean, 1 leaves the hardest teacher alone.

    Shape:
        list of () or (batch,) -> scalar.

    Source: "teacher dropping" of UNIC (Sariyildiz et al. 2024, arXiv 2408.05088), section 3.
    """
    values_TB = torch.stack([value.reshape(-1) for value in values])
    if drop_probability == 0 or len(values) == 1:
        return values_TB.mean()
    with torch.no_grad():
        is_hardest_TB = torch.zeros_like(values_TB).scatter_(0, values_TB.argmax(0, keepdim=True), 1.0)
        stays_TB = (torch.rand_like(values_TB) >= drop_probability).to(values_TB.dtype)
        weights_TB = torch.maximum(is_hardest_TB, stays_TB)
    return (weights_TB * values_TB).sum() / weights_TB.sum()
