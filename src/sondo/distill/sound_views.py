"""What an epoch hears of a batch where teachers listen in training: one changed sound for the student and for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch.utils.data import Dataset

from sondo.audio.arrays import resample
from sondo.audio.logmel import log_mel
from sondo.distill.augment import augment, augment_sounds, clip_seeds
from sondo.distill.data import BankBatches, Batch, stack_repeated
from sondo.distill.sound import CLIP_COLUMNS, Clip, by_file, read_file
from sondo.recipe import AugmentConfig


class SoundBatches(Dataset[Batch]):
    """Whole batches by their view and rows: sound decoded, changed once, and given to all at the rate of each.

    The sound is read at the highest of the rates, changed there as the clips' seeds say, and resampled for the others.
    The student's log-mel is kept in float16 as in the bank, so that a clip that nothing changes is the bank's; masks
    are put on it and on nothing that a teacher hears. Which sound a teacher hears depends on the view, the clip and its
    partner in the mixing alone, so it can be replayed.

    Args:
        batches: Reads the rest of a batch.
        augmentation: How clips are changed.
        seed: The run's.
        sample_rates: Rate in Hz of each online teacher.

    Source: consistent teaching of CED (Dinkel et al. 2023, arXiv 2308.11957).
    """

    def __init__(
        self, batches: BankBatches, augmentation: AugmentConfig, *, seed: int, sample_rates: Sequence[int]
    ) -> None:
        self._batches, self._augmentation, self._seed = batches, augmentation, seed
        self._sample_rates = list(sample_rates)
        self._masks = replace(augmentation, gain_db=0.0, roll=False, mixup_alpha=0.0)

    def __getitem__(self, view_and_rows: tuple[int, list[int]]) -> Batch:
        """Read a batch and change it."""
        view, rows = view_and_rows
        batch, front_end = self._batches[rows], self._batches.bank.info.front_end
        rate = max(front_end.sample_rate, *self._sample_rates)
        clips = [Clip(**row) for row in self._batches.bank.take(rows, CLIP_COLUMNS).to_pylist()]
        sounds = [sound for part in by_file(clips) for sound in read_file(part, rate)]
        seeds = clip_seeds(self._seed, view, rows)
        changed, mix = augment_sounds(sounds, seeds, self._augmentation)
        heard = [resample(sound, rate, front_end.sample_rate) for sound in changed]
        mels = stack_repeated([log_mel(sound, config=front_end).astype(np.float16) for sound in heard])
        masked, _ = augment(mels, seeds, self._masks, log_offset=front_end.log_offset)
        told = tuple([resample(sound, rate, to) for sound in changed] for to in self._sample_rates)
        return batch._replace(log_mel=masked, mix=mix, sounds=told)
