"""What a clip may become instead: gain, roll, mixup and masks, each replayed from its seed.

The bank holds log-mels, `log(mel + offset)` with a natural logarithm, and no sound. `augment` changes those: gain and
mixup are what they would be on the sound because they act on the mel power under the logarithm; masks act on the
picture, after them. `augment_sounds` does the same to the sound, masks apart, where teachers listen too.

Legend: B = batch, M = mel bands, F = frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sondo.audio.logmel import LogMelConfig
from sondo.recipe import AugmentConfig


class Mix(NamedTuple):
    """What was mixed into the clips of a batch.

    Attributes:
        partner_B: (batch,) int64, the place in the batch of the clip that was mixed in.
        weight_B: (batch,) float32, the share of the clip itself, from 0.5 to 1; the partner has the rest.
    """

    partner_B: Tensor
    weight_B: Tensor

    def blend(self, vectors_BD: Tensor) -> Tensor:
        """The vectors of the unmixed clips, mixed by the same shares.

        Shape:
            (batch, dim) -> (batch, dim).
        """
        weight_B1 = self.weight_B[:, None]
        return weight_B1 * vectors_BD + (1.0 - weight_B1) * vectors_BD[self.partner_B]


def clip_seeds(seed: int, epoch: int, rows: Sequence[int]) -> Tensor:
    """A seed for each clip of a batch, from the run's seed, the epoch and the clip's row alone.

    Shape:
        -> (batch,), int64.
    """
    states = [int(np.random.SeedSequence([seed, epoch, row]).generate_state(1, np.uint64)[0]) for row in rows]
    return torch.tensor([state >> 1 for state in states], dtype=torch.int64)


def augment(
    log_mel_BMF: Tensor, seeds_B: Tensor, config: AugmentConfig, *, log_offset: float = LogMelConfig.log_offset
) -> tuple[Tensor, Mix | None]:
    """Change each clip as its seed says: gain, roll, mixup, masks, in this order.

    What happens to a clip depends on its seed and itself, so that a vector that a teacher made of the same seed's
    clip can be kept (Dinkel et al. 2023, arXiv 2308.11957); only the choice of its partner depends on the batch.

    - Gain: `log(g^2 (exp(x) - offset) + offset)`, so that silence stays silence.
    - Roll: around the end of the clip.
    - Mixup (Zhang et al. 2017, arXiv 1710.09412): `w^2` times the clip's power and `(1 - w)^2` times its partner's,
      which is the power of the mixed sounds but for their cross terms, of mean 0 for sounds that know nothing of each
      other. The S-SONDO code mixes the log-mels themselves, which is the geometric mean of two spectra and no sound.
      A batch of one clip is not mixed.
    - Masks (SpecAugment, arXiv 1904.08779): the width is drawn from 0 to the largest, then the place. They are filled
      with the clip's mean over bands and frames before masking, which leaves the level that batch norms see where it
      was; the floor would be silence, which is a sound too. They come after the mixing, or the partner would show
      through.

    Args:
        log_mel_BMF: Clips, `log(mel + offset)`.
        seeds_B: Each clip's seed, at least 0; see `clip_seeds`.
        config: What to do.
        log_offset: The front-end's offset under the logarithm.

    Returns:
        The changed clips (batch, mels, frames), float32, and what was mixed.
    """
    log_mel_BMF = log_mel_BMF.float()
    num_clips, num_mels, num_frames = log_mel_BMF.shape
    uniform_BK, share_B = _draw(seeds_B, config)
    uniform_BK, share_B = uniform_BK.to(log_mel_BMF.device), share_B.to(log_mel_BMF.device)
    if config.gain_db > 0:
        gain_db_B = config.gain_db * (2.0 * uniform_BK[:, 0] - 1.0)
        power_BMF = _power(log_mel_BMF, log_offset) * (10.0 ** (gain_db_B / 10.0))[:, None, None]
        log_mel_BMF = torch.log(power_BMF + log_offset)
    if config.roll:
        shift_B = (uniform_BK[:, 1] * num_frames).long()
        source_BF = (torch.arange(num_frames, device=shift_B.device) - shift_B[:, None]) % num_frames
        log_mel_BMF = log_mel_BMF.gather(2, source_BF[:, None, :].expand(-1, num_mels, -1))
    mix = None
    if config.mixup_alpha > 0 and num_clips > 1:
        mix = Mix(_partners(uniform_BK[:, 2]), share_B)
        log_mel_BMF = _mixed(log_mel_BMF, mix, log_offset)
    mean_B11 = log_mel_BMF.mean((1, 2), keepdim=True)
    first_mel_mask = 3 + 2 * config.time_masks
    masked_BF = _masks(uniform_BK[:, 3:first_mel_mask], num_frames, config.time_mask_share)
    masked_BM = _masks(uniform_BK[:, first_mel_mask:], num_mels, config.mel_mask_share)
    return torch.where(masked_BM[:, :, None] | masked_BF[:, None, :], mean_B11, log_mel_BMF), mix


def augment_sounds(
    sounds: Sequence[NDArray[np.float32]], seeds_B: Tensor, config: AugmentConfig
) -> tuple[list[NDArray[np.float32]], Mix | None]:
    """Change each sound as its seed says: the gain, roll and mixup of `augment`, with the same random numbers.

    A clip keeps its length: a shorter partner is repeated to it, a longer one cut.

    Args:
        sounds: (samples,) each, all at one rate.
        seeds_B: Each clip's seed, at least 0; see `clip_seeds`.
        config: What to do; masks are left to the log-mel.

    Returns:
        The changed sounds, and what was mixed.
    """
    uniform_BK, share_B = _draw(seeds_B, config)
    changed = []
    for sound, uniform_K in zip(sounds, uniform_BK.numpy(), strict=True):
        if config.gain_db > 0:
            sound = sound * np.float32(10.0 ** (config.gain_db * (2.0 * uniform_K[0] - 1.0) / 20.0))
        if config.roll:
            sound = np.roll(sound, int(uniform_K[1] * len(sound)))
        changed.append(sound)
    if config.mixup_alpha <= 0 or len(sounds) == 1:
        return changed, None
    mix = Mix(_partners(uniform_BK[:, 2]), share_B)
    pairs = zip(changed, mix.partner_B.tolist(), mix.weight_B.numpy(), strict=True)
    mixed = [weight * sound + (1 - weight) * np.resize(changed[other], len(sound)) for sound, other, weight in pairs]
    return mixed, mix


def _draw(seeds_B: Tensor, config: AugmentConfig) -> tuple[Tensor, Tensor]:
    """Each clip's random numbers: (batch, 3 + 2 for each mask) in [0, 1), and its share in the mixing."""
    num_draws = 3 + 2 * (config.time_masks + config.mel_masks)
    uniform = np.empty((len(seeds_B), num_draws), dtype=np.float32)
    share = np.ones(len(seeds_B))
    for clip, seed in enumerate(seeds_B.tolist()):
        generator = np.random.default_rng(seed)
        uniform[clip] = generator.random(num_draws, dtype=np.float32)
        if config.mixup_alpha > 0:
            own = generator.beta(config.mixup_alpha, config.mixup_alpha)
            share[clip] = max(own, 1.0 - own)
    return torch.from_numpy(uniform), torch.from_numpy(share).float()


def _power(log_mel_BMF: Tensor, log_offset: float) -> Tensor:
    """Mel power; float16 log-mels can lie a little below the floor."""
    return (log_mel_BMF.exp() - log_offset).clamp_min(0.0)


def _partners(keys_B: Tensor) -> Tensor:
    """Each clip's follower in the order of the keys, around the end: nobody is their own partner."""
    order_B = keys_B.argsort(stable=True)
    return torch.empty_like(order_B).scatter_(0, order_B, order_B.roll(-1))


def _mixed(log_mel_BMF: Tensor, mix: Mix, log_offset: float) -> Tensor:
    power_BMF, weight_B11 = _power(log_mel_BMF, log_offset), mix.weight_B[:, None, None]
    mixed_BMF = weight_B11.square() * power_BMF + (1.0 - weight_B11).square() * power_BMF[mix.partner_B]
    return torch.log(mixed_BMF + log_offset)


def _masks(uniform_BK: Tensor, length: int, largest_share: float) -> Tensor:
    """(batch, 2 * masks) random numbers, width and place in turn -> (batch, length), true where a mask lies."""
    width_BK = (uniform_BK[:, 0::2] * (math.floor(largest_share * length) + 1)).long()
    start_BK = (uniform_BK[:, 1::2] * (length - width_BK + 1)).long()
    place_L = torch.arange(length, device=uniform_BK.device)
    inside_BKL = (place_L >= start_BK[..., None]) & (place_L < (start_BK + width_BK)[..., None])
    return inside_BKL.any(1)
