"""The divergence between the two vectors read as logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from sondo.distill.losses.base import PointwiseLoss, check_temperature


class KLLoss(PointwiseLoss):
    """`T^2 * KL(softmax(teacher / T) || softmax(student / T)) / dim`, mean over the batch.

    For teachers whose vectors are logits. The division by the vector's length is that of the S-SONDO code, which
    averages over batch and values, as `mse` and `l1` do; write `3840 * kl` for the divergence itself of 3840 values.
    T^2 keeps the size of the gradient when the temperature changes.

    Args:
        temperature: T, above 0; higher looks more at the small values.

    Raises:
        SondoError: The temperature is not above 0.

    Source:
        Hinton et al. 2015 (arXiv 1503.02531), section 2; S-SONDO, losses compared in its public code, which stops
        with an error where it mixes clips.
    """

    def __init__(self, temperature: float = 4.0) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def per_clip(self, student_BD: Tensor, teacher_BD: Tensor) -> Tensor:
        """See the class."""
        student_BD = functional.log_softmax(student_BD / self.temperature, dim=1)
        teacher_BD = functional.log_softmax(teacher_BD / self.temperature, dim=1)
        divergence_BD = functional.kl_div(student_BD, teacher_BD, reduction="none", log_target=True)
        return self.temperature**2 * divergence_BD.mean(1)
