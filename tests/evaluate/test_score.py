"""Scores of known vectors, and the comparison that goes into summary.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sondo.errors import SondoError
from sondo.evaluate import Task, compare, evaluate_vectors
from sondo.evaluate.intervals import fold_interval, share_interval, widened
from sondo.evaluate.knn import knn_score
from sondo.evaluate.score import ProbeResult, TestPart, chance_level, compare_results, score_interval


def make_task(num_clips=100, classes=4, split=False, seed=0):
    labels = np.arange(num_clips) % classes
    vectors = np.random.default_rng(seed).normal(size=(num_clips, 12)) + 3 * np.eye(classes, 12)[labels]
    block = np.arange(num_clips) // classes % 5
    columns = {"splits": tuple("test" if b < 2 else "train" for b in block)} if split else {"folds": tuple(block)}
    task = Task(
        name="made", paths=tuple(Path(f"{i}.wav") for i in range(num_clips)), labels=tuple(f"c{i}" for i in labels),
        metric="accuracy", **columns,
    )  # fmt: skip
    return task, vectors


@pytest.mark.slow
def test_separable_classes_score_high_and_shuffled_labels_score_chance():
    task, vectors = make_task(400)
    result = evaluate_vectors(task, vectors)
    assert result.score > 0.9
    assert result.score == pytest.approx(np.mean(result.per_fold))
    assert len(result.chosen_c) == len(result.per_fold) == 5
    assert result.interval == "folds"
    shuffled = replace(task, labels=tuple(np.random.default_rng(2).permutation(task.labels).tolist()))
    assert evaluate_vectors(shuffled, vectors).score == pytest.approx(0.25, abs=0.07)


def test_labels_of_a_test_fold_do_not_reach_the_choice_for_it():
    task, vectors = make_task()
    labels = np.array(task.labels)
    fold = np.array(task.folds) == 2
    labels[fold] = np.random.default_rng(0).permutation(labels[fold])
    before, after = evaluate_vectors(task, vectors), evaluate_vectors(replace(task, labels=tuple(labels)), vectors)
    assert before.chosen_c[2] == after.chosen_c[2]
    assert (before.parts[2].decision == after.parts[2].decision).all()


@pytest.mark.parametrize("split", [False, True])
def test_a_few_clips_that_are_all_right_are_no_certainty(split):
    task, _ = make_task(40, split=split)
    plain = np.eye(4)[task.targets()]
    result = evaluate_vectors(task, plain)
    assert result.score == 1.0
    assert result.ci95 == share_interval(1.0, 16 if split else 40)
    assert knn_score(task, plain) == (1.0, result.ci95)
    kept = compare(task, plain, plain)
    assert kept.retention == 1.0
    assert kept.ci95_retention == pytest.approx((result.ci95.low, 1 / result.ci95.low))
    pairs = replace(task, groups=tuple(f"{index // 20}.{index % 4}" for index in range(40)), folds=None, splits=tuple(
        "test" if index < 20 else "train" for index in range(40)))  # fmt: skip
    assert evaluate_vectors(pairs, plain).ci95 == share_interval(1.0, 4)


def test_a_probe_shows_how_far_it_is_and_ends_at_all_of_its_fits(capsys):
    task, vectors = make_task(40)
    evaluate_vectors(task, vectors)
    assert f"{task.name}: probe: 30/30 fits" in capsys.readouterr().err  # five folds, six penalties


def test_folds_of_one_accuracy_are_no_certainty():
    task, _ = make_task(20, classes=2)
    parts = [TestPart(np.arange(first, first + 4), np.zeros((4, 2))) for first in range(0, 20, 4)]
    assert score_interval(task, parts, [0.75] * 5) == share_interval(0.75, 20)
    assert score_interval(task, parts, [0.75] * 4 + [1.0]) == fold_interval([0.75] * 4 + [1.0])


def test_the_retention_of_folds_without_spread_is_no_certainty():
    task, _ = make_task(20, classes=2)

    def scored(share, per_seed=()):
        parts = tuple(TestPart(np.arange(first, first + 4), np.zeros((4, 2))) for first in range(0, 20, 4))
        interval = widened(score_interval(task, parts, [share] * 5), share, per_seed)
        return ProbeResult(metric="accuracy", score=share, ci95=interval, per_fold=(share,) * 5, chosen_c=(1,) * 5,
                           interval="folds", parts=parts, per_seed=per_seed)  # fmt: skip

    kept = compare_results(task, scored(0.75), scored(0.5))
    theirs, ours = share_interval(0.75, 20), share_interval(0.5, 20)
    assert kept.ci95_retention == pytest.approx((ours.low / theirs.high, ours.high / theirs.low))
    wide = compare_results(task, scored(1.0, per_seed=(1.0, 0.8)), scored(1.0, per_seed=(1.0, 1.0)))
    assert wide.ci95_teacher.low == 0
    assert np.isfinite(wide.ci95_retention).all()


def test_one_split_gives_a_bootstrap_interval():
    task, vectors = make_task(200, split=True)
    result = evaluate_vectors(task, vectors)
    assert result.interval == "bootstrap"
    assert len(result.per_fold) == 1
    assert result.ci95.low <= result.score <= result.ci95.high
    assert result.ci95.high - result.ci95.low < 0.2


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.slow
def test_comparison_is_the_entry_of_the_summary(split):
    task, vectors = make_task(200, split=split)
    worse = vectors + 2 * np.random.default_rng(1).normal(size=vectors.shape)
    entry = json.loads(json.dumps(compare(task, vectors, worse).to_dict()))
    assert list(entry) == ["metric", "teacher", "student", "ci95_teacher", "ci95_student", "retention",
                           "ci95_retention", "chance", "at_chance"]  # fmt: skip
    assert entry["retention"] == pytest.approx(entry["student"] / entry["teacher"])
    assert entry["student"] < entry["teacher"] <= 1
    assert entry["ci95_retention"][0] < entry["retention"] < entry["ci95_retention"][1]
    same = compare(task, vectors, vectors)
    assert same.retention == 1.0
    assert same.ci95_retention == pytest.approx((1.0, 1.0))


def test_of_a_teacher_at_chance_a_share_says_nothing(capsys):
    task, vectors = make_task()
    told = compare(task, vectors, vectors).told()
    assert (told.chance, told.is_at_chance) == (0.25, False)
    assert "says nothing" not in capsys.readouterr().err
    noise = np.random.default_rng(1).normal(size=vectors.shape)
    deaf = compare(task, noise, vectors).told("noise")
    assert deaf.is_at_chance
    assert deaf.retention > 2
    said = capsys.readouterr().err
    for words in ("made: noise scores", "from 25.0", "says nothing"):
        assert words in said


def test_chance_is_the_score_of_one_answer_for_every_clip():
    task, _ = make_task(12, classes=3)
    uneven = replace(task, labels=("c0",) * 6 + ("c1",) * 3 + ("c2",) * 3)
    everything = [TestPart(np.arange(12), np.empty((12, 3)))]
    assert chance_level(uneven, everything) == 0.5
    several = replace(task, metric="map", labels=(("a", "b"),) * 3 + (("b",),) * 9)
    assert chance_level(several, everything) == pytest.approx((3 / 12 + 1) / 2)


def test_several_labels_give_mean_average_precision():
    task, vectors = make_task()
    several = replace(task, metric="map", labels=tuple((label, "all") if label != "c0" else (label,)
                                                       for label in task.labels))  # fmt: skip
    result = evaluate_vectors(several, vectors)
    assert result.metric == "map"
    assert result.score > 0.9


def test_wrong_vectors_are_named():
    task, vectors = make_task()
    with pytest.raises(SondoError, match="100 clips, but the vectors have the shape"):
        evaluate_vectors(task, vectors[:-1])
    vectors[7, 3] = np.nan
    with pytest.raises(SondoError, match=r"1 vectors hold NaN or infinity, first that of 7.wav"):
        evaluate_vectors(task, vectors)
