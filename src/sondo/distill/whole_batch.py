"""The whole batch in every process, where several devices share its clips.

A loss may compare the clips of a batch with each other, a queue may keep them, and the norm before the mapping heads
has their statistics. So the student's vectors are gathered, with all that the objective looks at: what it says is then
what one process would say, in every process. The network, which is most of the work, stays divided.

What a process draws is its own: partners in mixup are clips of one process, and each has its dropout in the heads, over
which the gradient is a mean.
"""

from __future__ import annotations

from typing import cast

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from sondo.distill.augment import Mix
from sondo.distill.data import Batch


def whole_batch(module: lightning.LightningModule, embedding_BD: Tensor, batch: Batch) -> tuple[Tensor, Batch]:
    """The vectors of all processes' clips, and what belongs to them, in the order of the processes.

    Gradients flow back to each process as the sum over all processes. With the same loss in each of them, and the mean
    over processes that `DistributedDataParallel` takes, the student's gradient is that of one process.

    Args:
        module: Who trains; it knows the other processes.
        embedding_BD: The student's vectors of this process's clips.
        batch: This process's part of the batch. `log_mel` and `rows` stay as they are.

    Shape:
        (clips of this process, dim) -> (clips of all, dim), and likewise for targets, clusters and labels.
    """
    sizes = _gathered(module, torch.tensor(len(embedding_BD), device=embedding_BD.device)).tolist()

    def of_all(part: Tensor, *, sync_grads: bool = False) -> Tensor:
        # Parts differ by one clip where a batch does not divide; what is gathered must not.
        padding = [0] * (2 * part.ndim - 1) + [max(sizes) - len(part)]
        parts = _gathered(module, functional.pad(part, padding), sync_grads=sync_grads)
        return torch.cat([each[:size] for each, size in zip(parts, sizes, strict=True)])

    mix = batch.mix
    if mix is not None:
        before = sum(sizes[: module.global_rank])
        mix = Mix(of_all(mix.partner_B + before), of_all(mix.weight_B))
    return of_all(embedding_BD, sync_grads=True), batch._replace(
        targets=tuple(of_all(target) for target in batch.targets),
        clusters=None if batch.clusters is None else of_all(batch.clusters),
        labels=None if batch.labels is None else of_all(batch.labels),
        mix=mix,
    )


def _gathered(module: lightning.LightningModule, value: Tensor, *, sync_grads: bool = False) -> Tensor:
    return cast(Tensor, module.all_gather(value, sync_grads=sync_grads))
