"""Which clips are trained on, watched and kept back."""

from collections import Counter
from pathlib import Path

import pytest

from sondo.classifier.config import FinetuneConfig
from sondo.classifier.parts import parts_of
from sondo.errors import SondoError
from sondo.evaluate import Task

HERE = Path("data")


def task(num_clips=20, **parts):
    paths = tuple(Path(f"{number}.wav") for number in range(num_clips))
    labels = tuple("ab"[number % 2] for number in range(num_clips))
    return Task(name="t", paths=paths, labels=labels, metric="accuracy", **parts)


def test_the_last_fold_is_watched_and_another_can_be_kept_back():
    folds = tuple(number // 2 % 5 + 1 for number in range(20))
    made = task(folds=folds)
    assert {
        fold for fold, part in zip(folds, parts_of(made, FinetuneConfig(), HERE), strict=True) if part == "valid"
    } == {5}
    parts = parts_of(made, FinetuneConfig(valid_fold=2, test_fold=5), HERE)
    assert {(fold, part) for fold, part in zip(folds, parts, strict=True)} == {
        (1, "train"), (2, "valid"), (3, "train"), (4, "train"), (5, "test"),
    }  # fmt: skip
    assert "5" not in str(
        {
            fold
            for fold, part in zip(folds, parts_of(made, FinetuneConfig(test_fold=5), HERE), strict=True)
            if part == "valid"
        }
    ), "the fold to watch is another than the one kept back"


def test_a_split_is_kept_and_a_fifth_of_the_training_part_is_watched_where_it_has_none():
    splits = tuple("test" if number < 4 else "valid" if number < 8 else "train" for number in range(20))
    assert parts_of(task(splits=splits), FinetuneConfig(), HERE) == splits
    two = tuple("test" if number < 10 else "train" for number in range(30))
    groups = tuple(str(number // 2) for number in range(30))
    parts = parts_of(task(30, splits=two, groups=groups), FinetuneConfig(), HERE)
    assert Counter(parts) == {"test": 10, "train": 16, "valid": 4}
    for number in range(0, 30, 2):
        assert parts[number] == parts[number + 1], "clips of a group stay together"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (FinetuneConfig(valid_fold=7), "finetune.valid_fold is 7; data has the folds 0, 1"),
        (FinetuneConfig(valid_fold=1, test_fold=1), "are both 1"),
        (FinetuneConfig(test_fold=0), "no clip to train on is left for 2 classes"),
    ],
)
def test_folds_that_cannot_be_taken(config, message):
    with pytest.raises(SondoError, match=message):
        parts_of(task(folds=tuple(number // 2 % 2 for number in range(20))), config, HERE)


def test_folds_for_data_with_a_split():
    splits = tuple("train" if number < 15 else "test" for number in range(20))
    with pytest.raises(SondoError, match="has a split and no folds"):
        parts_of(task(splits=splits), FinetuneConfig(valid_fold=1), HERE)


def test_settings_out_of_range_are_named_together():
    with pytest.raises(SondoError, match=r"finetune.patience is 0.*finetune.learning_rate is -1"):
        FinetuneConfig(patience=0, learning_rate=-1)
    for seed in (-1, 2**32):
        with pytest.raises(SondoError, match=f"finetune.seed is {seed}: expected from 0 to 4294967295"):
            FinetuneConfig(seed=seed)
