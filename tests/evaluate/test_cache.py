"""Vectors are made once, go on where they stopped, and are made anew when the clips or the model change."""

from __future__ import annotations

import dataclasses
import os
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from sondo.errors import SondoError
from sondo.evaluate import Task
from sondo.evaluate.cache import VectorCache
from sondo.evaluate.contender import open_teacher, vectors_of
from sondo.evaluate.scored import score_contender
from sondo.recipe import TeacherConfig


class Counting:
    """Embeds a file as its number and its length, and counts."""

    def __init__(self, fail_at=None):
        self.heard, self.fail_at = [], fail_at

    def __call__(self, path):
        if path.stem == self.fail_at:
            raise KeyboardInterrupt
        self.heard.append(path.stem)
        return np.array([float(path.stem), soundfile.info(path).frames])


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.setattr("sondo.evaluate.cache._PART", 2)
    paths = tuple(tmp_path / "sound" / f"{i}.wav" for i in range(5))
    paths[0].parent.mkdir()
    for path in paths:
        soundfile.write(path, np.zeros(800), 8000)
    return Task(name="t", paths=paths, labels=tuple("ababa"), folds=(1, 1, 2, 2, 2), metric="accuracy")


def test_a_second_time_nothing_is_embedded(task, tmp_path):
    cache, embed = VectorCache(folder=tmp_path / "c", space="s.1"), Counting()
    first = cache.embed_task(task, embed, description="t")
    assert first.tolist() == [[i, 800] for i in range(5)]
    assert first.dtype == np.float32
    assert (cache.embed_task(task, embed, description="t") == first).all()
    assert len(embed.heard) == 5


def test_what_was_interrupted_goes_on(task, tmp_path):
    cache = VectorCache(folder=tmp_path / "c", space="s")
    with pytest.raises(KeyboardInterrupt):
        cache.embed_task(task, Counting(fail_at="3"), description="t")
    embed = Counting()
    assert cache.embed_task(task, embed, description="t")[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert embed.heard == ["2", "3", "4"]


def test_stale_vectors_are_named_and_made_anew(task, tmp_path, capsys):
    cache, embed = VectorCache(folder=tmp_path / "c", space="s"), Counting()
    cache.embed_task(task, embed, description="t")
    soundfile.write(task.paths[3], np.zeros(900), 8000)
    os.utime(task.paths[3], (1, 1))
    assert cache.embed_task(task, embed, description="t")[3].tolist() == [3, 900]
    assert len(embed.heard) == 10
    assert "stale (other files)" in capsys.readouterr().err
    other = VectorCache(folder=tmp_path / "c", space="other")
    other.embed_task(task, embed, description="t")
    assert len(embed.heard) == 15
    cache.embed_task(task, embed, description="t")
    assert len(embed.heard) == 15


def test_a_damaged_part_is_named(task, tmp_path):
    cache, embed = VectorCache(folder=tmp_path / "c", space="s"), Counting()
    cache.embed_task(task, embed, description="t")
    part = next((tmp_path / "c").rglob("part-00001-*.npy"))
    part.write_bytes(b"no array")
    with pytest.raises(SondoError, match=r"part-00001-\w+.npy cannot be read .*remove it"):
        cache.embed_task(task, embed, description="t")
    np.save(part, np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(SondoError, match=r"part-00001-\w+.npy holds vectors of shape \(2, 3\), expected \(2, 2\)"):
        cache.embed_task(task, embed, description="t")


def test_two_processes_with_unlike_clips_take_no_part_of_each_other(task, tmp_path):
    """Both tasks are called t and have as many clips; the second begins, and ends, while the first is at its own."""
    others = tuple(tmp_path / "other" / f"{i}.wav" for i in range(5))
    others[0].parent.mkdir()
    for path in others:
        soundfile.write(path, np.zeros(900), 8000)
    other, cache = dataclasses.replace(task, paths=others), VectorCache(folder=tmp_path / "c", space="s")
    found = []

    def embed(path):
        if not found:
            found.append(cache.embed_task(other, Counting(), description="t"))
        return Counting()(path)

    assert cache.embed_task(task, embed, description="t")[:, 1].tolist() == [800] * 5
    assert found[0][:, 1].tolist() == [900] * 5
    assert cache.embed_task(other, Counting(), description="t")[:, 1].tolist() == [900] * 5


def test_parts_that_were_named_without_a_hash_are_kept(task, tmp_path):
    cache, embed = VectorCache(folder=tmp_path / "c", space="s"), Counting()
    first = cache.embed_task(task, embed, description="t")
    for part in (tmp_path / "c").rglob("part-*.npy"):
        part.rename(part.with_stem(part.stem[: len("part-00000")]))
    assert (cache.embed_task(task, embed, description="t") == first).all()
    assert len(embed.heard) == 5
    assert len([*(tmp_path / "c").rglob("part-*.npy")]) == 3


def test_of_a_teacher_that_says_nothing_of_itself_nothing_is_kept(task, tmp_path):
    teacher = SimpleNamespace(name="mine", embedding_dim=2, fingerprint="", sample_rate=8000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sondo.teachers.create", lambda *_, **__: teacher)
        contender = dataclasses.replace(open_teacher(TeacherConfig(name="mine")), embed=Counting())
    vectors_of(task, contender, tmp_path / "c")
    score_contender(task, contender, cache=tmp_path / "c", seeds=0)
    assert not (tmp_path / "c").exists()
