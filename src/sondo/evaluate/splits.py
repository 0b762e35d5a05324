"""Which clips train, which choose the regularisation and which test: the one place where a leak could start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sondo.evaluate.task import Task

Index = NDArray[np.int64]
NUM_INNER_FOLDS = 5


@dataclass(frozen=True)
class Partition:
    """One test of a task.

    Attributes:
        name: The fold's number, or ``"test"``.
        train: Clips that the probe is fitted on.
        test: Clips that it is scored on, once.
        inner: Pairs (fit, score) of clips that choose the regularisation; none of them is in `test`.
    """

    name: str
    train: Index
    test: Index
    inner: tuple[tuple[Index, Index], ...]


def partitions(task: Task) -> tuple[Partition, ...]:
    """Every fold as the test part once, or the one official test split.

    The regularisation is chosen on the remaining folds (five parts of whole folds at most, each left out once), on the
    split ``valid`` where there is one, else on stratified folds of the training part that keep groups together.
    """
    if task.folds is None:
        return (_checked(_split_partition(task), task),)
    folds = np.asarray(task.folds)
    found: list[Partition] = []
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        others = np.unique(folds[train])
        inner = (
            tuple(
                (train[~np.isin(folds[train], left_out)], train[np.isin(folds[train], left_out)])
                for left_out in np.array_split(others, min(len(others), NUM_INNER_FOLDS))
            )
            if len(others) > 1
            else _inner_folds(task, train)
        )
        found.append(_checked(Partition(str(fold), train, test, inner), task))
    return tuple(found)


def assign_folds(
    labels: Sequence[tuple[str, ...]], *, groups: Sequence[str] | None = None, num_folds: int = 5, seed: int = 0
) -> tuple[int, ...]:
    """Stratified folds for single-label and multi-label clips that keep each group in one fold.

    Groups are dealt out from the rarest label on, larger ones first; each goes to the fold that has fewest clips of
    that label, then fewest clips in all. Groups that are equal in this are in random order.

    Args:
        labels: The labels of each clip.
        groups: The source of each clip; without it, each clip is a group of its own.
        num_folds: Number of folds, two or more.
        seed: Seed of the random order.

    Returns:
        The fold of each clip, from 1 to `num_folds`.

    Source:
        For multi-label clips after Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data",
        ECML PKDD 2011; our deviation: whole groups are dealt out.
    """
    keys: Sequence[Hashable] = range(len(labels)) if groups is None else groups
    members: dict[Hashable, list[int]] = {}
    for clip, key in enumerate(keys):
        members.setdefault(key, []).append(clip)
    total = Counter(label for clip_labels in labels for label in clip_labels)
    rng = np.random.default_rng(seed)
    units = [list(members.values())[index] for index in rng.permutation(len(members))]
    contents = [Counter(label for clip in unit for label in labels[clip]) for unit in units]
    rarest = [min(content, key=lambda label: (total[label], label), default="") for content in contents]
    order = sorted(range(len(units)), key=lambda unit: (total[rarest[unit]], rarest[unit], -len(units[unit])))
    per_fold = [Counter[str]() for _ in range(num_folds)]
    sizes = [0] * num_folds
    folds = [0] * len(labels)
    for unit in order:
        label = rarest[unit]
        fold = min(range(num_folds), key=lambda index: (per_fold[index][label], sizes[index], index))
        per_fold[fold].update(contents[unit])
        sizes[fold] += len(units[unit])
        for clip in units[unit]:
            folds[clip] = fold + 1
    return tuple(folds)


def _split_partition(task: Task) -> Partition:
    assert task.splits is not None
    splits = np.asarray(task.splits)
    train, valid, test = (np.flatnonzero(splits == name) for name in ("train", "valid", "test"))
    inner = ((train, valid),) if len(valid) else _inner_folds(task, train)
    return Partition("test", train, test, inner)


def _inner_folds(task: Task, train: Index) -> tuple[tuple[Index, Index], ...]:
    groups = None if task.groups is None else [task.groups[clip] for clip in train]
    labels = task.label_sets
    folds = np.asarray(assign_folds([labels[clip] for clip in train], groups=groups, num_folds=NUM_INNER_FOLDS))
    return tuple((train[folds != fold], train[folds == fold]) for fold in np.unique(folds))


def _checked(partition: Partition, task: Task) -> Partition:
    """Assert that nothing of the test part is trained or tuned on, and nothing that tunes is fitted on."""
    pairs = [(partition.train, partition.test), *partition.inner]
    pairs += [(part, partition.test) for pair in partition.inner for part in pair]
    for left, right in pairs:
        assert_disjoint(left, right, task.groups)
    return partition


def assert_disjoint(left: Index, right: Index, groups: Sequence[str] | None) -> None:
    """Fail if a clip, or a group, is in both parts. A user's own folds were checked when the task was read."""
    shared = set(left.tolist()) & set(right.tolist())
    assert not shared, f"{len(shared)} clips are in both parts"
    if groups is not None:
        spread = {groups[clip] for clip in left} & {groups[clip] for clip in right}
        assert not spread, f"{len(spread)} groups are in both parts"
