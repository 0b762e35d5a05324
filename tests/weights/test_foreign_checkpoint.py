"""Foreign checkpoints: read as values, never as code, and each kind of damage has its sentence."""

import argparse
import json
import os
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sondo.errors import SondoError
from sondo.weights import fill, read_checkpoint

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_old_and_new(tmp_path, zipped):
    values = {"state": STATE, "args": argparse.Namespace(lr=0.1), "best": np.float64(0.5), "size": torch.Size([2])}
    torch.save(values, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(tmp_path / "a.pt")
    assert torch.equal(found["state"]["weight"], STATE["weight"])
    assert (found["args"].lr, float(found["best"])) == (0.1, 0.5)


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    assert torch.equal(read_checkpoint(tmp_path / "a.safetensors")["bias"], STATE["bias"])
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:60])
    with pytest.raises(SondoError, match=r"b.safetensors is damaged or no safetensors file"):
        read_checkpoint(tmp_path / "b.safetensors")


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_file_is_named_and_never_runs(tmp_path, write):
    write({"weight": Bomb(tmp_path / "ran")}, tmp_path / "bomb.pt")
    with pytest.raises(
        SondoError,
        match=r"bomb.pt holds code \((posix.mkdir|nt.mkdir|pickled objects of Python)\).*nothing in it was executed",
    ):
        read_checkpoint(tmp_path / "bomb.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_no_protocol_of_pickle_runs_anything(tmp_path, protocol):
    bomb = {"weight": Bomb(tmp_path / "ran")}
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(bomb, protocol))
    torch.save(bomb, tmp_path / "zipped.pt", pickle_protocol=max(protocol, 2))
    torch.save(bomb, tmp_path / "old.pt", pickle_protocol=max(protocol, 2), _use_new_zipfile_serialization=False)
    for name in ("bare.pt", "zipped.pt", "old.pt"):
        with pytest.raises(SondoError, match=rf"{name} .*nothing in it was executed"):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "ran").exists()
    pickle.loads((tmp_path / "bare.pt").read_bytes())
    assert (tmp_path / "ran").exists()  # the bomb is live: the pickle itself would have run it


def test_whole_modules_are_code(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(SondoError, match=r"holds code \(torch.nn.modules.linear.Linear\)"):
        read_checkpoint(tmp_path / "whole.pt")


def test_scalars_of_another_numpy(tmp_path):
    torch.save(
        {"best": np.float32(0.25), "epoch": np.int64(3)}, tmp_path / "a.pt", _use_new_zipfile_serialization=False
    )
    content = (tmp_path / "a.pt").read_bytes()
    for module in (b"numpy.core.multiarray", b"numpy._core.multiarray"):
        renamed = re.sub(rb"cnumpy\._?core\.multiarray\n", b"c" + module + b"\n", content)
        assert b"c" + module + b"\n" in renamed
        (tmp_path / "b.pt").write_bytes(renamed)
        assert read_checkpoint(tmp_path / "b.pt") == {"best": 0.25, "epoch": 3}


def test_an_archive_that_was_compressed_again(tmp_path):
    """Tensors of such a file cannot be mapped from the disk."""
    torch.save(STATE, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as old,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert torch.equal(read_checkpoint(tmp_path / "b.pt")["weight"], STATE["weight"])


def test_a_safetensors_file_may_begin_like_a_web_page(tmp_path):
    """Its first bytes are the length of its header: 15392 is a space and a `<`."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(0x3C20)
    content = len(header).to_bytes(8, "little") + header + np.float32(7).tobytes()
    assert content.startswith(b" <")
    (tmp_path / "a.safetensors").write_bytes(content)
    assert read_checkpoint(tmp_path / "a.safetensors")["a"].item() == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"RIFF0000WAVE", "truncated, damaged or of another format"),
    ],
)
def test_what_is_no_checkpoint_is_said(tmp_path, content, message):
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(SondoError, match=message):
        read_checkpoint(tmp_path / "x.pt")


def test_truncated_absent_folder_and_list(tmp_path):
    torch.save(STATE, tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:700])
    with pytest.raises(SondoError, match=r"cut.pt cannot be read as weights: it is truncated"):
        read_checkpoint(tmp_path / "cut.pt")
    with pytest.raises(SondoError, match="no file of weights at"):
        read_checkpoint(tmp_path / "absent.pt")
    with pytest.raises(SondoError, match="is a folder"):
        read_checkpoint(tmp_path)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(SondoError, match="holds a list, not a dictionary"):
        read_checkpoint(tmp_path / "list.pt")


def test_filling_is_strict_and_says_what_does_not_fit():
    module = torch.nn.Linear(3, 2)
    fill(module, STATE, path="a.pt", what="a layer")
    assert torch.equal(module.weight, STATE["weight"])
    wrong = {"weight": torch.ones(2, 4), "extra": torch.ones(1)}
    with pytest.raises(SondoError) as caught:
        fill(module, wrong, path="a.pt", what="a layer")
    assert str(caught.value) == (
        "a.pt does not fit a layer: it lacks bias; it has unknown extra; it has another shape: weight is (2, 4) where "
        "(2, 3) belongs. Give the weights of that very model and size"
    )


def test_a_refused_module_stays_as_it_was():
    module = torch.nn.Linear(3, 2)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    for wrong in ({"weight": STATE["weight"]}, STATE | {"epoch": 3}, STATE | {"bias": 0.5}):
        with pytest.raises(SondoError, match="does not fit a layer"):
            fill(module, wrong, path="a.pt", what="a layer")
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value):
    module = torch.nn.Linear(3, 2)
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    broken = STATE | {"bias": torch.tensor([0.0, value])}
    with pytest.raises(SondoError, match=r"a\.pt has values that are not finite in bias: its training failed"):
        fill(module, broken, path="a.pt", what="a layer")
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())


def test_three_of_many_are_named():
    state = {f"key{index}": torch.ones(1) for index in range(5)} | STATE
    with pytest.raises(SondoError, match="it has unknown key0, key1, key2 and 2 more"):
        fill(torch.nn.Linear(3, 2), state, path="a.pt", what="a layer")


def test_counters_of_batches_may_be_absent():
    norm = torch.nn.BatchNorm2d(2)
    state = {key: value + 1 for key, value in norm.state_dict().items() if key != "num_batches_tracked"}
    fill(norm, state, path="a.pt", what="a norm")
    assert torch.equal(norm.running_mean, torch.ones(2))
