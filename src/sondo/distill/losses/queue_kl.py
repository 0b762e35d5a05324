"""The teacher's last vectors as classes: the student has to see a clip between them as the teacher does."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sondo.distill.augment import Mix
from sondo.distill.losses.base import PointwiseLoss, check_temperature
from sondo.errors import SondoError


class QueueKLLoss(PointwiseLoss):
    """`KL(softmax(teacher @ queue / T) || softmax(student @ queue / T))` of unit vectors, mean over the batch.

    In training, a batch first enters the queue, so that the first batch has classes; the oldest vectors leave. Only
    what was seen counts: an unfilled queue is short, not full of zeros. Outside training the queue stays as it is,
    and the batch itself is the classes as long as the queue is empty. Queue and counter are buffers: a resumed run
    goes on with the same classes. Of several processes each sees its own clips, unless their wrapper copies the
    buffers of the first.

    Args:
        teacher_dim: Values of the teacher's vector.
        temperature: T, above 0.
        size: Most vectors that the queue holds, at least 2; 8192 vectors of 3840 values are 126 MB, in each
        checkpoint too.

    Raises:
        SondoError: The temperature is not above 0, or the size is below 2.

    Source:
        LightlyTrain, `_methods/distillation` (version 1), which counts unfilled places as zero vectors and keeps the
        first part of a batch that is larger than the queue, where this keeps the last.
    """

    queue_KD: Tensor
    num_seen: Tensor

    def __init__(self, teacher_dim: int, temperature: float = 0.07, size: int = 8192) -> None:
        super().__init__()
        if size < 2:
            raise SondoError(f"queue_kl(size={size}) cannot work: a queue needs at least 2 vectors")
        self.temperature, self.size = check_temperature(temperature), size
        self.register_buffer("queue_KD", torch.zeros(size, teacher_dim))
        self.register_buffer("num_seen", torch.zeros((), dtype=torch.int64))

    def values(self, student_BD: Tensor, teacher_BD: Tensor, mix: Mix | None) -> Tensor:
        """See the class."""
        if self.training:
            self._push(functional.normalize(teacher_BD, dim=1))
        return super().values(student_BD, teacher_BD, mix)

    def per_clip(self, student_BD: Tensor, teacher_BD: Tensor) -> Tensor:
        """See the class."""
        teacher_BD = functional.normalize(teacher_BD, dim=1)
        classes_KD = self.queue_KD[: min(int(self.num_seen), self.size)] if self.num_seen else teacher_BD
        student_BK = functional.log_softmax(self._logits(functional.normalize(student_BD, dim=1), classes_KD), dim=1)
        teacher_BK = functional.log_softmax(self._logits(teacher_BD, classes_KD), dim=1)
        return functional.kl_div(student_BK, teacher_BK, reduction="none", log_target=True).sum(1)

    def _logits(self, unit_BD: Tensor, classes_KD: Tensor) -> Tensor:
        return unit_BD @ classes_KD.T / self.temperature

    @torch.no_grad()
    def _push(self, unit_BD: Tensor) -> None:
        """Overwrite the oldest vectors; the order in the queue means nothing to the sums over it."""
        newest_BD = unit_BD[-self.size :]
        skipped = len(unit_BD) - len(newest_BD)
        places_B = (self.num_seen + skipped + torch.arange(len(newest_BD), device=unit_BD.device)) % self.size
        self.queue_KD[places_B] = newest_BD
        self.num_seen += len(unit_BD)
