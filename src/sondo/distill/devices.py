"""How many devices train, and what cannot be divided between them."""

from __future__ import annotations

import torch

from sondo.errors import SondoError
from sondo.recipe import TrainConfig

_LEAST_CLIPS = 2  # of which a batch norm can take the variance


def num_devices(config: TrainConfig) -> int:
    """The number of devices that a configuration asks for: `auto` is all GPUs, or one where there is none."""
    return max(1, torch.cuda.device_count()) if config.devices == "auto" else config.devices


def check_devices(config: TrainConfig, *, is_online: bool) -> None:
    """Refuse settings that several devices cannot share, before anything is done.

    Args:
        config: How to train.
        is_online: Whether a teacher listens in training.

    Raises:
        SondoError: More devices than GPUs, clips of a batch that do not divide, or a teacher that listens.
    """
    count = num_devices(config)
    if count == 1:
        return
    gpus = torch.cuda.device_count()
    if gpus and count > gpus:
        raise SondoError(f"train.devices is {count}, and torch sees {gpus} GPU{'s' * (gpus > 1)}: set {gpus} at most")
    if config.batch_size % count:
        near = max(_LEAST_CLIPS * count, config.batch_size - config.batch_size % count)
        raise SondoError(
            f"train.batch_size is {config.batch_size}, which {count} devices cannot share evenly: set a multiple of "
            f"{count}, such as {near}"
        )
    check_batch(config.batch_size, count)
    if is_online:
        raise SondoError(
            "online teachers listen in one process: leave out --teacher.online, or train on one device "
            "(--train.devices 1)"
        )


def check_batch(num_clips: int, count: int) -> None:
    """Refuse a batch of too few clips for so many devices.

    Args:
        num_clips: Clips of the batch.
        count: Number of devices.

    Raises:
        SondoError: One of them gets fewer than two.
    """
    if num_clips < _LEAST_CLIPS * count:
        raise SondoError(
            f"a batch of {num_clips} clips is too small for {count} devices: each needs {_LEAST_CLIPS} (batch norm); "
            f"set --train.devices {max(1, num_clips // _LEAST_CLIPS)} or a larger --train.batch_size"
        )
