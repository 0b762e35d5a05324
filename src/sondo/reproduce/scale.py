"""The same training on a part of the clips."""

from __future__ import annotations

import dataclasses

from sondo.errors import SondoError
from sondo.recipe import TrainConfig

LEAST_BATCHES = 10


def scaled(train: TrainConfig, scale: float, *, num_clips: int) -> TrainConfig:
    """Training that sees `scale` times the clips: `epochs * clips_per_epoch` times `scale`, to within an epoch's clip.

    Epochs become shorter and the schedule stays as it is, until an epoch has 10 batches; below that there are fewer
    epochs, and the warm-up and the ramp down become shorter with them. Two numbers are rounded to whole ones: the
    epochs, and then the clips of an epoch. Two clips an epoch and one epoch are the least.

    Args:
        train: The full training.
        scale: Factor on the clips seen, above 0 and at most 1.
        num_clips: Clips of an epoch where `train` leaves them to the bank.

    Raises:
        SondoError: The scale is not in that range.

    Example:
        >>> small = scaled(TrainConfig(epochs=100, clips_per_epoch=100_000, warmup_epochs=8), 1e-4, num_clips=0)
        >>> small.epochs, small.clips_per_epoch, small.warmup_epochs
        (3, 333, 0.24)
    """
    if not 0 < scale <= 1:
        raise SondoError(f"--scale is {scale:g}: expected more than 0 and at most 1")
    per_epoch = train.clips_per_epoch or num_clips
    total = scale * train.epochs * per_epoch
    least = min(per_epoch, LEAST_BATCHES * train.batch_size)
    epochs = min(train.epochs, max(1, round(total / least)))
    share = epochs / train.epochs

    def shorter(value: float | None) -> float | None:
        return None if value is None else value * share

    return dataclasses.replace(
        train,
        epochs=epochs,
        clips_per_epoch=max(2, round(total / epochs)),
        warmup_epochs=shorter(train.warmup_epochs),
        ramp_down_start=shorter(train.ramp_down_start),
        ramp_down_epochs=shorter(train.ramp_down_epochs),
    )
