"""From files to vectors."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from sondo.audio.decode import load_audio
from sondo.errors import SondoError
from sondo.evaluate import Task, embed_task, teacher_embedder
from sondo.evaluate.cache import VectorCache


@pytest.fixture
def task(tmp_path):
    paths = tuple(tmp_path / f"{i}.wav" for i in range(4))
    for number, path in enumerate(paths):
        soundfile.write(path, np.full(8000, 0.1 * (number + 1)), 16000, subtype="FLOAT")
    return Task(name="t", paths=paths, labels=("a", "b") * 2, folds=(1, 1, 2, 2), metric="accuracy")


def test_vectors_are_in_the_order_of_the_clips(task):
    vectors = embed_task(task, lambda path: np.array([float(path.stem), 1.0]), description="embed")
    assert vectors.tolist() == [[0, 1], [1, 1], [2, 1], [3, 1]]
    assert vectors.dtype == np.float32


def test_a_clip_that_fails_stops_the_work_and_is_named(task):
    def unreadable(path):
        if path.stem == "2":
            raise SondoError("no sound in it")
        return np.zeros(3)

    with pytest.raises(SondoError, match=r"2\.wav: no sound in it"):
        embed_task(task, unreadable, description="embed")
    with pytest.raises(SondoError, match=r"3\.wav: the model gave an embedding with NaN"):
        embed_task(task, lambda path: np.array([np.nan if path.stem == "3" else 0.0]), description="embed")
    with pytest.raises(SondoError, match=r"1\.wav: the model gave an embedding of shape \(2,\), expected \(1,\)"):
        embed_task(task, lambda path: np.zeros(1 + (path.stem == "1")), description="embed")


@pytest.mark.parametrize("cached", [False, True])
def test_all_files_that_cannot_be_read_are_named_at_once(task, tmp_path, cached):
    task.paths[1].write_text("no sound")
    task.paths[3].write_bytes(b"")

    def embed(path):
        return load_audio(path, sample_rate=16000)[:2]

    way = VectorCache(folder=tmp_path / "kept", space="s").embed_task if cached else embed_task
    with pytest.raises(SondoError, match=r"2 of 4 files cannot be read.*1\.wav: .*3\.wav: ") as raised:
        way(task, embed, description="embed")
    assert str(raised.value).count("1.wav") == 1


class MeanTeacher:
    name = "mean"
    sample_rate = 16000
    embedding_dim = 2

    def embed(self, audio):
        import torch

        return torch.stack([audio.mean(dim=1), torch.full((len(audio),), float(audio.shape[1]))], dim=1)


def test_a_teacher_hears_windows_of_ten_seconds_weighted_by_duration(task, tmp_path):
    pytest.importorskip("torch")
    embed = teacher_embedder(MeanTeacher())
    assert embed(task.paths[1]) == pytest.approx([0.2, 8000])
    long = tmp_path / "long.wav"
    soundfile.write(long, np.concatenate([np.full(160000, 0.5), np.full(80000, 0.2)]), 16000, subtype="FLOAT")
    assert embed(long) == pytest.approx([(0.5 * 10 + 0.2 * 5) / 15, (160000 * 10 + 80000 * 5) / 15], rel=1e-4)
    broken = tmp_path / "broken.wav"
    broken.write_text("no sound")
    with pytest.raises(SondoError, match=r"broken\.wav"):
        embed(broken)
