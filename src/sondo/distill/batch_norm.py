"""Batch norm statistics that belong to the final weights.

The published networks move their running statistics by 1 % a step. After a hundred thousand steps that is exact; after
the few hundred of a small folder the statistics still belong to earlier weights, and the student embeds worse than it
has learned to. So they are measured again, once, when training ends.

They are measured in batches larger than training's. A clip that is unlike the others is held down by its own batch: of
32 clips none is further off than the root of 31 standard deviations, in any layer. In evaluation nothing holds it, and
what it exceeds by in one layer the next multiplies, where gates follow the sound: clips of the training data came out
of a DyMN a million times as long as others. The larger the batch, the nearer to what evaluation does.

Source: "precise BN", Wu and Johnson 2021 (arXiv 2105.07576), section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

TIMES_TRAINING, BATCHES = 4, 16
"""How large a batch is, in batches of training, and how many there are at most.

Without gradients, four times the clips take no more memory than a step of training.
"""


def batch_norms_of(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The batch norms of a network, or the one that it is."""
    return [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def measure_batch_norms(network: nn.Module, forward: Callable[[Tensor], object], inputs: Iterable[Tensor]) -> None:
    """Replace running means and variances by averages over fresh batches; the weights stay.

    Args:
        network: Holds the batch norms, or is one.
        forward: What takes a batch through it.
        inputs: The batches.
    """
    norms, was_training = batch_norms_of(network), network.training
    network.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
        norm.train()
    with torch.no_grad():
        for batch in inputs:
            forward(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(was_training)


def scaling_of(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """What a batch norm without weights does when it is not trained: subtract the first, divide by the second.

    Shape:
        -> (features,), (features,), float64.
    """
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None, "its statistics are kept"
    assert variance is not None, "its statistics are kept"
    return mean.double(), (variance.double() + norm.eps).sqrt()
