"""Batch norm statistics that belong to the final weights.

The published networks move their running statistics by 1 % a step. After a hundred thousand steps that is exact; after
the few hundred of a small folder the statistics still belong to earlier weights, and the student embeds worse than it
has learned to. So they are measured again, once, when training ends.

Source: "precise BN", Wu and Johnson 2021 (arXiv 2105.07576), section 3.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from sondo.distill.data import Batch
from sondo.distill.module import TrainableStudent

BATCHES = 64


def measure_batch_norms(student: nn.Module, batches: Iterable[Batch]) -> None:
    """Replace running means and variances by averages over fresh batches; the weights stay.

    Args:
        student: Has `embed_log_mel`.
        batches: As in training; at most 64 are used.
    """
    norms = [module for module in student.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    trainable: TrainableStudent = student  # type: ignore[assignment]
    momenta = [norm.momentum for norm in norms]
    was_training = student.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    student.eval()
    for norm in norms:
        norm.train()
    with torch.no_grad():
        for number, batch in enumerate(batches):
            if number == BATCHES:
                break
            trainable.embed_log_mel(batch.log_mel)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    student.train(was_training)
