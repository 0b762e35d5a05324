"""Heads on embeddings: the same scores as the evaluation's probe, two layers where a line does not do."""

from pathlib import Path

import numpy as np
import pytest

from sondo.classifier.fit import cross_validate, fit_head
from sondo.evaluate import Task, evaluate_vectors

pytest.importorskip("sklearn", reason="needs the extra train")


def task(labels, **more):
    more = more or {"folds": tuple(number % 4 for number in range(len(labels)))}
    metric = "accuracy" if isinstance(labels[0], str) else "map"
    paths = tuple(Path(f"{number}.wav") for number in range(len(labels)))
    return Task(name="t", paths=paths, labels=tuple(labels), metric=metric, **more)


def blobs(num_clips=80, classes=3, spread=2.0):
    random = np.random.default_rng(0)
    targets = random.permutation(np.arange(num_clips) % classes)
    return 2 * random.normal(size=(classes, 8))[targets] + spread * random.normal(size=(num_clips, 8)), targets


@pytest.mark.parametrize("split", [False, True])
def test_held_out_scores_are_near_those_of_the_evaluations_probe(split):
    vectors, targets = blobs()
    parts = {"splits": tuple("test" if number % 3 == 0 else "train" for number in range(80))} if split else {}
    made = task([f"c{target}" for target in targets], **parts)
    ours, theirs = cross_validate(made, vectors, kind="linear"), evaluate_vectors(made, vectors)
    assert ours.score == pytest.approx(theirs.score, abs=0.05)
    assert ours.ci95[0] < ours.score < ours.ci95[1]
    assert (len(ours.per_fold), len(ours.clips)) == ((1, 27) if split else (4, 80))


def test_no_head_is_asked_about_a_clip_that_it_was_fitted_on():
    vectors, targets = blobs(spread=0.1)
    strange = np.random.default_rng(4).permutation(targets)  # labels that only a head that saw them could know
    tall = np.hstack([vectors, np.eye(80)])
    held_out = cross_validate(task([f"c{target}" for target in strange]), tall, kind="linear")
    assert held_out.score < 0.6


def test_the_head_in_the_file_is_fitted_on_all_clips():
    vectors, targets = blobs(spread=0.3)
    made = task([f"c{target}" for target in targets])
    head = fit_head(made, vectors, kind="linear")
    assert head.classes == ("c0", "c1", "c2")
    assert (head.probabilities(vectors).argmax(axis=1) == targets).all()
    assert head.mean == pytest.approx(vectors.mean(axis=0))


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_value_that_only_rounding_changes_is_no_feature(kind):
    # the deviation over time of a mel band that is silent in every clip, as float32 leaves it
    vectors, targets = blobs(spread=0.3)
    random = np.random.default_rng(5)
    silent = 1e-4 + 1e-9 * random.normal(size=(2, 80, 40))
    here, elsewhere = (np.hstack([vectors, noise]).astype(np.float32) for noise in silent)
    head = fit_head(task([f"c{target}" for target in targets]), here, kind=kind)
    assert head.probabilities(elsewhere) == pytest.approx(head.probabilities(here), abs=1e-4)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.slow
def test_two_layers_tell_what_a_line_cannot(num_classes):
    random = np.random.default_rng(1)
    radius = np.repeat(np.arange(num_classes), 60) * 2.0 + 0.5
    angle = random.uniform(0, 2 * np.pi, len(radius))
    order = random.permutation(len(radius))
    rings = (radius * np.stack([np.cos(angle), np.sin(angle)])).T[order]
    made = task([f"c{int(r // 2)}" for r in radius[order]])
    assert cross_validate(made, rings, kind="linear").score < 0.75
    assert cross_validate(made, rings, kind="mlp").score > 0.95
    head = fit_head(made, rings, kind="mlp")
    assert head.kind == "mlp"
    assert head.probabilities(rings).shape == (60 * num_classes, num_classes)
    assert (head.probabilities(rings).argmax(axis=1) == made.targets()).mean() > 0.95


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_several_labels(kind):
    random = np.random.default_rng(2)
    holds = random.uniform(size=(80, 2)) < 0.5
    vectors = np.hstack([3.0 * holds, random.normal(size=(80, 3))]) + 0.1 * random.normal(size=(80, 5))
    labels = [tuple(name for name, there in zip("ab", row, strict=True) if there) or ("c",) for row in holds]
    made = task(labels)
    held_out = cross_validate(made, vectors, kind=kind)
    assert held_out.score > 0.95
    assert (held_out.probabilities.sum(axis=1) > 1.5).any(), "each class has a probability of its own"
    assert fit_head(made, vectors, kind=kind).multi_label


def test_classes_that_are_told_without_a_fault_get_high_probabilities():
    vectors, targets = blobs(spread=0.1)
    held_out = cross_validate(task([f"c{target}" for target in targets]), vectors, kind="linear")
    assert held_out.score == 1.0
    assert held_out.probabilities.max(axis=1).min() > 0.9


def test_labels_of_chance_get_the_probabilities_of_chance():
    random = np.random.default_rng(3)
    made = task([f"c{target}" for target in random.permutation(np.arange(120) % 3)])
    held_out = cross_validate(made, random.normal(size=(120, 8)), kind="linear")
    assert held_out.probabilities.max() < 0.5
