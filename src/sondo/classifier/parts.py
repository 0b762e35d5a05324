"""Which clips fine-tuning trains on, which stop it, and which are kept back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sondo.classifier.config import FinetuneConfig
from sondo.errors import SondoError
from sondo.evaluate import Task
from sondo.evaluate.splits import assert_disjoint, assign_folds

_NUM_PARTS = 5


def parts_of(task: Task, config: FinetuneConfig, where: Path) -> tuple[str, ...]:
    """`train`, `valid` or `test` for each clip.

    With folds, one is for validation, and one for the test if that is asked for. With a split and no validation part,
    a stratified fifth of the training part is taken for it, groups kept together.

    Raises:
        SondoError: A fold that is not there, folds for data with a split, or no class left to train on.
    """
    if task.splits is not None:
        if config.valid_fold is not None or config.test_fold is not None:
            raise SondoError(f"{where} has a split and no folds: leave out finetune.valid_fold and finetune.test_fold")
        parts = _with_validation(task)
    else:
        parts = _from_folds(task, config, where)
    check_parts(task, parts, where)
    return parts


def _from_folds(task: Task, config: FinetuneConfig, where: Path) -> tuple[str, ...]:
    assert task.folds is not None
    there = sorted(set(task.folds))
    for name, fold in (("valid_fold", config.valid_fold), ("test_fold", config.test_fold)):
        if fold is not None and fold not in there:
            raise SondoError(f"finetune.{name} is {fold}; {where} has the folds {', '.join(map(str, there))}")
    test = config.test_fold
    valid = config.valid_fold if config.valid_fold is not None else max(fold for fold in there if fold != test)
    if valid == test:
        raise SondoError(f"finetune.valid_fold and finetune.test_fold are both {valid}: take two")
    return tuple("valid" if fold == valid else "test" if fold == test else "train" for fold in task.folds)


def _with_validation(task: Task) -> tuple[str, ...]:
    assert task.splits is not None
    parts = list(task.splits)
    if "valid" not in parts:
        train = [clip for clip, part in enumerate(parts) if part == "train"]
        groups = None if task.groups is None else [task.groups[clip] for clip in train]
        folds = assign_folds([task.label_sets[clip] for clip in train], groups=groups, num_folds=_NUM_PARTS)
        for clip, fold in zip(train, folds, strict=True):
            parts[clip] = "valid" if fold == _NUM_PARTS else "train"
    return tuple(parts)


def check_parts(task: Task, parts: tuple[str, ...], where: Path) -> None:
    """Every class is trained on, something is validated on, and no clip or group is in two parts.

    Raises:
        SondoError: It is not so.
    """
    trained = {
        label for labels, part in zip(task.label_sets, parts, strict=True) if part == "train" for label in labels
    }
    lacking = [label for label in task.classes if label not in trained]
    if lacking:
        raise SondoError(
            f"{where}: no clip to train on is left for {len(lacking)} classes ({', '.join(lacking[:3])}): add clips, "
            "or validate on another fold"
        )
    index = {part: np.array([clip for clip, of in enumerate(parts) if of == part]) for part in set(parts)}
    if not len(index.get("valid", [])):
        raise SondoError(f"{where}: no clips are left to validate on: add clips")
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if first in index and second in index:
            assert_disjoint(index[first], index[second], task.groups)
