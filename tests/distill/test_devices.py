"""Several devices: they train what one device would, and what cannot be shared is refused.

Processes on the CPU stand for GPUs.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from sondo.bank import Bank, ingest
from sondo.distill.cluster import cluster
from sondo.distill.devices import check_devices
from sondo.distill.ranks import run_ranks
from sondo.distill.train import train
from sondo.errors import SondoError
from sondo.recipe import AugmentConfig, StudentConfig, TrainConfig
from sondo.students import Projector

NETWORK = """
import os, pathlib, signal
from torch import nn

class Network(nn.Sequential):
    def forward(self, x):
        flag = pathlib.Path(__file__).with_name("kill")
        if os.environ.get("LOCAL_RANK") == "1" and flag.exists() and pathlib.Path(flag.read_text()).exists():
            flag.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)

def network():  # without batch norms, which see the clips of a device, and a bias, which the next norm takes away
    pool = nn.AdaptiveAvgPool2d(2)
    return Network(nn.Conv2d(1, 8, 5, stride=3), nn.Tanh(), pool, nn.Flatten(), nn.Linear(32, 16, bias=False))
"""


@pytest.fixture
def bank(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "sound").mkdir()
    lines = ["path,split,label"]
    for index in range(16):
        soundfile.write(tmp_path / "sound" / f"{index}.wav", 0.1 * rng.standard_normal(16000), 32000)
        lines.append(f"{index}.wav,{'valid' if index > 9 else 'train'},{'ab'[index % 2]}")
    (tmp_path / "m.csv").write_text("\n".join(lines))
    ingest(tmp_path / "b.lance", audio=tmp_path / "sound", manifest=tmp_path / "m.csv")
    opened = Bank(tmp_path / "b.lance")
    values = pa.FixedSizeListArray.from_arrays(pa.array(rng.standard_normal(16 * 8).astype(np.float16)), 8)
    origin = {"teacher": "fake", "fingerprint": "1", "embedding_dim": 8, "licence": "CC0", "num_params": 5}
    opened.add_column("teacher.fake", values.type, iter([values]), origin)
    return opened


@pytest.fixture
def run(bank, tmp_path, monkeypatch):
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "some_networks.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path / "networks"))

    def run(out, *, devices, **settings):
        settings = {"epochs": 3, "batch_size": 4, "clips_per_epoch": 13, "learning_rate": 3e-3} | settings
        return train(
            bank,
            teachers=["teacher.fake"],
            clusters=cluster(bank, teacher="teacher.fake", k=2),
            student=StudentConfig(name="some_networks:network"),
            config=TrainConfig(devices=devices, **settings),
            augmentation=AugmentConfig(gain_db=6),
            out=tmp_path / out,
        )

    return run


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and "tfevents" not in path.name)


def figures(folder):
    """The logged figures of each epoch."""
    with next((folder / "logs").glob("*/metrics.csv")).open() as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_devices_train_what_one_would(run, tmp_path, capsys, monkeypatch):
    """With losses that compare clips or keep them, labels, batches of 4 and 5 clips, and clips that are watched."""
    monkeypatch.setitem(Projector.__init__.__kwdefaults__, "dropout", 0.0)  # which each process draws for itself
    settings = {"loss": "cosine + 0.5 * cluster_aware + queue_kl(size=64)", "supervised": 0.3}
    alone, shared = (run(f"{devices}", devices=devices, **settings) for devices in (1, 2))
    for name in ("model.safetensors", "projector.safetensors"):
        expected, found = load_file(alone / name), load_file(shared / name)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-3, atol=1e-4)
    rows = [figures(tmp_path / name) for name in ("1", "2")]
    assert {"train_loss", "valid_loss", "valid_map", "train_loss.labels"} <= {key for row in rows[0] for key in row}
    for expected, found in zip(*rows, strict=True):
        assert found == pytest.approx(expected, rel=1e-3)
    assert files(tmp_path / "1") == files(tmp_path / "2")
    said = capsys.readouterr().err
    assert said.count("train: 39/39 clips") == 2, said


@pytest.mark.slow
def test_a_killed_process_ends_the_others_and_the_same_call_goes_on_to_the_same_weights(run, tmp_path):
    whole = run("whole", devices=2)
    (tmp_path / "networks" / "kill").write_text(str(tmp_path / "broken" / "checkpoints" / "last.ckpt"))
    with pytest.raises(SondoError, match=r"process 2 of the 2 that train was ended by signal 9.*same command goes on"):
        run("broken", devices=2)
    assert (tmp_path / "broken" / "checkpoints" / "last.ckpt").exists()
    again = run("broken", devices=2)
    expected, found = load_file(whole / "model.safetensors"), load_file(again / "model.safetensors")
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_what_devices_cannot_share_is_refused(monkeypatch):
    with pytest.raises(SondoError, match=r"batch_size is 32, which 3 devices cannot share evenly: .* such as 30"):
        check_devices(TrainConfig(devices=3), is_online=False)
    with pytest.raises(SondoError, match=r"a batch of 4 clips is too small for 4 devices: .*--train.devices 2"):
        check_devices(TrainConfig(devices=4, batch_size=4), is_online=False)
    with pytest.raises(SondoError, match="listen in one process"):
        check_devices(TrainConfig(devices=2), is_online=True)
    check_devices(TrainConfig(devices="auto", batch_size=7), is_online=True)  # one, for there is no GPU
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    with pytest.raises(SondoError, match="train.devices is 4, and torch sees 3 GPUs"):
        check_devices(TrainConfig(devices=4), is_online=False)
    with pytest.raises(SondoError, match="which 3 devices cannot share"):
        check_devices(TrainConfig(devices="auto"), is_online=False)


def test_a_run_goes_on_with_another_number_of_devices(run, tmp_path):
    student = run("r", devices=1, epochs=1)
    assert run("r", devices=2, epochs=1) == student
    note = tmp_path / "r" / "train.json"
    settings = json.loads(note.read_text())
    del settings["train"]["devices"]  # as of a run that an earlier version began
    note.write_text(json.dumps(settings))
    assert run("r", devices=1, epochs=1) == student


def test_an_epoch_of_fewer_clips_than_devices_need_is_refused(run):
    with pytest.raises(SondoError, match="a batch of 3 clips is too small for 2 devices"):
        run("r", devices=2, clips_per_epoch=3)


def test_what_cannot_be_sent_to_other_processes_is_refused_in_a_sentence():
    with pytest.raises(SondoError, match="cannot be sent to other processes"):
        run_ranks(lambda: None, num_ranks=2)


def refuse_in_the_second():
    if os.environ["LOCAL_RANK"] == "1":
        raise SondoError("this one is told")
    torch.distributed.barrier()  # fails too, in the words of torch


def wait_with_a_note(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


@pytest.mark.slow
def test_the_reason_is_told_and_not_what_it_led_to():
    with pytest.raises(SondoError, match="^this one is told$"):
        run_ranks(refuse_in_the_second, num_ranks=2)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_process_is_left_when_the_one_that_started_them_is_ended(tmp_path, how):
    code = (
        "import signal, sys; from functools import partial; from sondo.distill.ranks import run_ranks\n"
        # what a shell starts in the background, as tests may be, is deaf to it
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_devices import wait_with_a_note\n"
        f"run_ranks(partial(wait_with_a_note, {str(tmp_path)!r}), num_ranks=2)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2, seconds=60)
    parent.send_signal(how)
    _, said = parent.communicate(timeout=30)
    wait_until(lambda: not any(Path("/proc", note.name).exists() for note in tmp_path.iterdir()), seconds=10)
    assert said.count("Traceback") == (how == signal.SIGINT), said  # Python's, of the process that was interrupted


def wait_until(is_so, *, seconds):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
