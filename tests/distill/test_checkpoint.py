"""Checkpoints without pickle: what goes in comes out, and damage is named."""

import os

import pytest
import torch

from sondo.distill.checkpoint import SafetensorsCheckpointIO
from sondo.errors import SondoError


def state():
    weight = torch.nn.Parameter(torch.randn(3, 2, generator=torch.Generator().manual_seed(0)))
    optimizer = torch.optim.Adam([weight], lr=1e-3, betas=(0.8, 0.9))
    (weight**2).sum().backward()
    optimizer.step()
    return {
        "state_dict": {"w": weight.detach()},
        "optimizer_states": [optimizer.state_dict()],
        "epoch": 3,
        "none": None,
    }


def test_a_round_trip_keeps_tensors_tuples_and_whole_number_keys(tmp_path):
    saved = state()
    SafetensorsCheckpointIO().save_checkpoint(saved, tmp_path / "a" / "last.ckpt")
    loaded = SafetensorsCheckpointIO().load_checkpoint(tmp_path / "a" / "last.ckpt")
    assert torch.equal(loaded["state_dict"]["w"], saved["state_dict"]["w"])
    old, new = saved["optimizer_states"][0], loaded["optimizer_states"][0]
    assert torch.equal(old["state"][0]["exp_avg_sq"], new["state"][0]["exp_avg_sq"])
    assert new["param_groups"] == old["param_groups"]
    assert (loaded["epoch"], loaded["none"]) == (3, None)


def test_a_kill_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    SafetensorsCheckpointIO().save_checkpoint({"epoch": 1, "w": torch.zeros(1)}, path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        SafetensorsCheckpointIO().save_checkpoint({"epoch": 2, "w": torch.zeros(1)}, path)
    assert SafetensorsCheckpointIO().load_checkpoint(path)["epoch"] == 1


def test_a_damaged_or_pickled_file_is_refused(tmp_path):
    torch.save({"epoch": 1}, tmp_path / "pickled.ckpt")
    with pytest.raises(SondoError, match="cannot be read as a training checkpoint"):
        SafetensorsCheckpointIO().load_checkpoint(tmp_path / "pickled.ckpt")


def test_what_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(TypeError, match="object"):
        SafetensorsCheckpointIO().save_checkpoint({"x": object()}, tmp_path / "x.ckpt")
