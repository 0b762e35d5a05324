"""Augmentation of log-mels against the log-mel of the changed sound, and its replay from seeds."""

import math

import numpy as np
import pytest
import torch

from sondo.audio.logmel import log_mel
from sondo.distill.augment import Mix, augment, clip_seeds
from sondo.errors import SondoError
from sondo.recipe import AugmentConfig

FLOOR = math.log(1e-3)


def clips(count=4, mels=16, frames=40, seed=0):
    power = torch.rand(count, mels, frames, generator=torch.Generator().manual_seed(seed)) ** 4
    return torch.log(power + 1e-3)


def seeds(count=4, epoch=0):
    return clip_seeds(7, epoch, range(count))


def tone(hz, level=0.3):
    return (level * np.sin(2 * np.pi * hz * np.arange(16000) / 32000)).astype(np.float32)


EVERYTHING = AugmentConfig(gain_db=6, roll=True, time_masks=2, mel_masks=1)


def test_nothing_is_the_default():
    log_mels = clips()
    out, mix = augment(log_mels, seeds(), AugmentConfig())
    assert torch.equal(out, log_mels)
    assert mix is None


def test_gain_is_that_of_the_sound_and_leaves_silence():
    sound = np.random.default_rng(0).normal(0, 0.02, 16000).astype(np.float32) + tone(1000)
    inputs = torch.from_numpy(np.stack([log_mel(sound), log_mel(0 * sound)]))
    out, _ = augment(inputs, seeds(2), AugmentConfig(gain_db=12))
    loudest = inputs[0].argmax()  # far from the floor a gain is a shift of the logarithm
    gain = math.exp((out[0] - inputs[0]).flatten()[loudest] / 2)
    assert 0.25 < gain < 4  # 12 dB
    assert not 0.9 < gain < 1.1
    exact = log_mel((gain * sound).astype(np.float32))
    assert np.abs(out[0].numpy() - exact).max() < 5e-3
    assert (out[1] == inputs[1]).all()


def test_gain_reaches_its_decibels_both_ways():
    out, _ = augment(torch.full((200, 1, 1), 10.0), seeds(200), AugmentConfig(gain_db=12))
    decibels = (out.flatten() - 10) * 10 / math.log(10)
    assert 11 < decibels.max() < 12.01
    assert -12.01 < decibels.min() < -11


def test_gain_takes_log_mels_that_float16_left_below_the_floor():
    inputs = torch.full((1, 4, 5), FLOOR - 0.01).half()
    out, _ = augment(inputs, seeds(1), AugmentConfig(gain_db=20))
    assert torch.allclose(out, torch.tensor(FLOOR), atol=1e-5)


def test_roll_keeps_the_frames_in_their_circle():
    log_mels = clips()
    out, _ = augment(log_mels, seeds(), AugmentConfig(roll=True))
    shifts = [
        next(n for n in range(40) if torch.equal(new, old.roll(n, 1))) for new, old in zip(out, log_mels, strict=True)
    ]
    assert len(set(shifts)) > 1


def test_mixup_is_the_mix_of_the_sounds_where_they_do_not_meet():
    sounds = [tone(500), tone(7000)]
    inputs = torch.from_numpy(np.stack([log_mel(sound) for sound in sounds]))
    out, mix = augment(inputs, seeds(2), AugmentConfig(mixup_alpha=0.3))
    assert mix.partner_B.tolist() == [1, 0]
    for clip in range(2):
        weight = mix.weight_B[clip].item()
        mixed = log_mel((weight * sounds[clip] + (1 - weight) * sounds[1 - clip]).astype(np.float32))
        assert np.abs(out[clip].numpy() - mixed).max() < 0.02


def test_mixup_shares_lie_above_a_half_and_nobody_is_their_own_partner():
    _, mix = augment(clips(200), seeds(200), AugmentConfig(mixup_alpha=0.3))
    assert ((mix.weight_B >= 0.5) & (mix.weight_B <= 1)).all()
    # max(l, 1 - l) of Beta(0.3, 0.3) has mean 0.8659 (numerical integration) and a standard deviation of 0.149
    assert mix.weight_B.mean().item() == pytest.approx(0.8659, abs=4 * 0.149 / math.sqrt(200))
    assert sorted(mix.partner_B.tolist()) == list(range(200))
    assert (mix.partner_B != torch.arange(200)).all()


def test_one_clip_is_not_mixed():
    log_mels = clips(1)
    out, mix = augment(log_mels, seeds(1), AugmentConfig(mixup_alpha=0.3))
    assert mix is None
    assert torch.equal(out, log_mels)


def test_blend():
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
    assert torch.equal(mix.blend(torch.tensor([[4.0], [8.0]])), torch.tensor([[5.0], [8.0]]))


def test_masks_cover_whole_frames_or_bands_up_to_their_share_and_keep_the_clips_mean_level():
    log_mels = clips(64)
    out, _ = augment(log_mels, seeds(64), AugmentConfig(time_masks=1, time_mask_share=0.25))
    masked = out != log_mels
    widths = masked.any(1).sum(1)
    assert (masked.all(1) == masked.any(1)).all()
    assert widths.max() == 10  # a quarter of 40 frames
    assert widths.min() == 0
    edges = masked.any(1).int().diff(dim=1).abs().sum(1)
    assert edges.max() <= 2  # in one piece
    assert torch.allclose(out[5][masked[5]], log_mels[5].mean(), atol=1e-5)
    out, _ = augment(log_mels, seeds(64), AugmentConfig(mel_masks=2, mel_mask_share=0.25))
    masked = out != log_mels
    assert (masked.all(2) == masked.any(2)).all()
    assert 4 < masked.any(2).sum(1).max() <= 8


def test_a_clip_depends_on_its_seed_and_itself_alone():
    log_mels = clips()
    together, _ = augment(log_mels, seeds(), EVERYTHING)
    for clip in range(4):
        alone, _ = augment(log_mels[clip : clip + 1], seeds()[clip : clip + 1], EVERYTHING)
        assert torch.equal(alone[0], together[clip])
    turned, _ = augment(log_mels.flip(0), seeds().flip(0), EVERYTHING)
    assert torch.equal(turned.flip(0), together)


def test_the_share_of_a_mix_belongs_to_the_clip_and_the_whole_is_repeated():
    config = AugmentConfig(mixup_alpha=0.3, roll=True)
    first, mix = augment(clips(), seeds(), config)
    again, same = augment(clips(), seeds(), config)
    assert torch.equal(first, again)
    assert torch.equal(mix.partner_B, same.partner_B)
    _, fewer = augment(clips()[:2], seeds()[:2], config)
    assert torch.equal(fewer.weight_B, mix.weight_B[:2])


def test_seeds_differ_by_run_epoch_and_row():
    several = [clip_seeds(run, epoch, range(50)) for run in range(3) for epoch in range(3)]
    assert len(torch.cat(several).unique()) == 9 * 50
    assert torch.equal(clip_seeds(1, 2, [4, 3]), clip_seeds(1, 2, [3, 4]).flip(0))
    assert (torch.cat(several) >= 0).all()


def test_another_epoch_is_another_view():
    log_mels = clips()
    assert not torch.equal(augment(log_mels, seeds(), EVERYTHING)[0], augment(log_mels, seeds(epoch=1), EVERYTHING)[0])


def test_settings_out_of_range_are_listed_together():
    with pytest.raises(SondoError, match=r"gain_db is -1.*time_mask_share is 1.5"):
        AugmentConfig(gain_db=-1, time_mask_share=1.5)
