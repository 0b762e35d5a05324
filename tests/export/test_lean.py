"""Lean forms of networks: the same function, whatever the widths and however many frames."""

import copy

import pytest
import torch
from torch import nn

from sondo.export.lean import lean
from sondo.export.lean.eres2net_relu6 import use_relu6
from sondo.export.lean.folding import fold_batch_norm
from sondo.students.dymn import DyMN
from sondo.students.dymn_blocks import DynamicReLU
from sondo.students.eres2net import ERes2Net


def settled(module):
    """Random weights and statistics of batch norms, so that every layer and every fold has its say."""
    draw = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3, generator=draw)
            part.running_var.uniform_(0.5, 2.0, generator=draw)
            nn.init.uniform_(part.weight, 0.5, 1.5, generator=draw)
            nn.init.normal_(part.bias, 0, 0.3, generator=draw)
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, 0, 0.3, generator=draw)
    return module.eval()


def check(network, frames, clips=1, at_six=False, **form):
    log_mel = 3 * torch.randn(clips, 1, 64, frames, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = network.stages(log_mel)
        whole = nn.Sequential(lean(copy.deepcopy(network), **form))
        if at_six:
            use_relu6(whole)
        found = whole[0].stages(log_mel)
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.shape == theirs.shape
        assert float(theirs.std()) > 1e-4
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-4 * float(theirs.std()))


# 8 and 12: groups of 4 to 48 channels, side by side; 32: groups that fill blocks of 16
@pytest.mark.parametrize("channels", [8, 12, 32])
@pytest.mark.parametrize("frames", [5, 38])
@pytest.mark.parametrize("int8", [False, True])
def test_eres2net_gives_the_same_maps(channels, frames, int8):
    torch.manual_seed(0)
    check(settled(ERes2Net(channels=channels, mels=64)), frames, clips=2, int8=int8)


@pytest.mark.slow
def test_eres2net_clips_at_20_as_it_did():
    torch.manual_seed(0)
    network = settled(ERes2Net(channels=16, mels=64))
    with torch.no_grad():
        network.bn1.weight.mul_(40)
        assert float(network.stages(3 * torch.randn(1, 1, 64, 30))[0].max()) == 20.0
    check(network, 30)
    check(network, 30, int8=True)


@pytest.mark.parametrize("channels", [8, 32])
@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.slow
def test_eres2net_gives_the_same_maps_where_its_clips_are_at_6(channels, int8):
    torch.manual_seed(0)
    network = settled(ERes2Net(channels=channels, mels=64))
    with torch.no_grad():
        network.bn1.weight.mul_(40)
    check(network, 30, at_six=True, int8=int8)
    whole = nn.Sequential(lean(copy.deepcopy(network), int8=int8))
    use_relu6(whole)
    assert not any(type(part) is nn.Hardtanh for part in whole.modules())


@pytest.mark.parametrize(("width_mult", "temperature"), [(0.2, 1.0), (0.4, 30.0)])
@pytest.mark.parametrize("frames", [7, 64])
def test_dymn_gives_the_same_maps_for_one_clip(width_mult, temperature, frames):
    torch.manual_seed(0)
    check(settled(DyMN(width_mult=width_mult, temperature=temperature)), frames)


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_dymn_gives_the_same_maps_where_slopes_are_at_their_ends(logit):
    torch.manual_seed(0)
    network = settled(DyMN(width_mult=0.2))
    for part in network.modules():
        if isinstance(part, DynamicReLU):
            with torch.no_grad():
                part.coef_net[0].bias[::8] = logit
    check(network, 20)


def test_folding_batch_norm_keeps_the_function():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(2, 6, 3, groups=2, bias=True), nn.BatchNorm2d(6), nn.ReLU())
    for _ in range(20):
        block(3 * torch.randn(4, 2, 8, 8) + 1)
    block.eval()
    audio = torch.randn(1, 2, 8, 8)
    wanted = block(audio)
    torch.testing.assert_close(fold_batch_norm(block)(audio), wanted, rtol=1e-5, atol=1e-5)
    assert isinstance(block[1], nn.Identity)
