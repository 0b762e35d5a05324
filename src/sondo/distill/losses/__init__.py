"""What the student is asked to minimise: one small module a file, `forward(student_BD, teacher_BD) -> scalar`.

`create` makes one by name; the training module receives the object and never compares names.
"""

from __future__ import annotations

from torch import nn

from sondo.distill.losses.cosine import CosineLoss
from sondo.errors import SondoError

LOSSES: dict[str, type[nn.Module]] = {"cosine": CosineLoss}

__all__ = ["LOSSES", "CosineLoss", "create"]


def create(name: str) -> nn.Module:
    """Make a loss by name.

    Raises:
        SondoError: No loss has that name; the message lists those that exist.
    """
    if name not in LOSSES:
        raise SondoError(f"no loss is called {name!r}: there is {', '.join(sorted(LOSSES))}")
    return LOSSES[name]()
