"""What an epoch sees of a batch of the bank's log-mels."""

from __future__ import annotations

from sondo.distill.augment import augment, clip_seeds
from sondo.distill.data import Batch
from sondo.recipe import AugmentConfig


class LogMelViews:
    """Log-mels changed as their clips' seeds say; the teachers' vectors stay those of the unchanged clips.

    Args:
        augmentation: How clips are changed.
        seed: The run's.
        log_offset: The front-end's offset under the logarithm.
    """

    def __init__(self, augmentation: AugmentConfig, *, seed: int, log_offset: float) -> None:
        self._augmentation, self._seed, self._log_offset = augmentation, seed, log_offset

    def __call__(self, batch: Batch, epoch: int, step: int) -> Batch:
        """The batch as this epoch sees it."""
        if self._augmentation == AugmentConfig():
            return batch
        seeds = clip_seeds(self._seed, epoch, batch.rows.tolist())
        log_mel, mix = augment(batch.log_mel, seeds, self._augmentation, log_offset=self._log_offset)
        return batch._replace(log_mel=log_mel, mix=mix)
