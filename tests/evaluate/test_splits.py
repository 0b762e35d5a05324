"""No clip, and no group, in two parts of a partition."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sondo.evaluate.splits import Partition, _checked, assert_disjoint, assign_folds, partitions
from sondo.evaluate.task import Task


def make_task(labels, **columns):
    columns = {name: tuple(values) for name, values in columns.items()}
    return Task(name="t", paths=tuple(Path(str(i)) for i in range(len(labels))), labels=tuple(labels),
                metric="accuracy", **columns)  # fmt: skip


def test_official_folds_are_left_out_one_by_one_inside_the_training_part_too():
    task = make_task("ab" * 6, folds=np.repeat([1, 2, 3], 4).tolist())
    first = partitions(task)[0]
    assert [part.name for part in partitions(task)] == ["1", "2", "3"]
    assert first.test.tolist() == [0, 1, 2, 3]
    assert [[sorted(index.tolist()) for index in pair] for pair in first.inner] == [
        [[8, 9, 10, 11], [4, 5, 6, 7]],
        [[4, 5, 6, 7], [8, 9, 10, 11]],
    ]


def test_many_folds_are_left_out_in_five_parts_of_whole_folds():
    task = make_task("ab" * 20, folds=np.repeat(np.arange(10), 4).tolist())
    for part in partitions(task):
        assert len(part.inner) == 5
        left_out = [set(np.array(task.folds)[score].tolist()) for _, score in part.inner]
        assert sorted(fold for folds in left_out for fold in folds) == sorted(set(range(10)) - {int(part.name)})
        for fit, score in part.inner:
            assert sorted([*fit.tolist(), *score.tolist()]) == part.train.tolist()


def test_a_valid_split_chooses_alone():
    task = make_task("ab" * 4, splits=["train"] * 4 + ["valid"] * 2 + ["test"] * 2)
    (part,) = partitions(task)
    assert part.train.tolist() == [0, 1, 2, 3]
    assert [[index.tolist() for index in pair] for pair in part.inner] == [[[0, 1, 2, 3], [4, 5]]]
    assert part.test.tolist() == [6, 7]


@pytest.mark.parametrize("grouped", [False, True])
def test_nothing_leaks_without_a_valid_split(grouped):
    groups = [f"g{i // 3}" for i in range(60)] if grouped else None
    task = make_task("ab" * 30, splits=["train"] * 45 + ["test"] * 15, **({"groups": groups} if grouped else {}))
    (part,) = partitions(task)
    assert len(part.inner) == 5
    assert sorted(clip for _, score in part.inner for clip in score.tolist()) == list(range(45))
    for fit, score in part.inner:
        assert not set(fit.tolist()) & set(score.tolist())
        assert max(*fit, *score) < 45
        if groups:
            assert not {groups[i] for i in fit} & {groups[i] for i in score}


def test_a_leaking_partition_is_caught():
    index = np.arange
    task = make_task("ab" * 5, folds=[1, 2] * 5)
    with pytest.raises(AssertionError, match="1 clips are in both parts"):
        _checked(Partition("1", index(0, 6), index(5, 10), ()), task)
    with pytest.raises(AssertionError, match="2 clips"):
        _checked(Partition("1", index(0, 6), index(6, 10), ((index(0, 5), index(5, 8)),)), task)
    with pytest.raises(AssertionError, match="1 groups"):
        assert_disjoint(index(0, 2), index(2, 4), ["x", "y", "y", "z"])


def test_folds_are_stratified_for_several_labels():
    labels = [("common", "rare") if i % 8 == 0 else ("common",) for i in range(80)]
    folds = assign_folds(labels, num_folds=5, seed=3)
    assert Counter(folds) == {fold: 16 for fold in range(1, 6)}
    assert Counter(fold for fold, names in zip(folds, labels, strict=True) if "rare" in names) == {
        fold: 2 for fold in range(1, 6)
    }
