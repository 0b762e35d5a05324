"""Calibration against scikit-learn, where it has the same; and what it must not do."""

import numpy as np
import pytest

from sondo.classifier.calibration import calibrate
from sondo.classifier.head import probabilities_of

pytest.importorskip("sklearn", reason="needs the extra train")


def test_each_of_several_labels_is_scaled_as_platt_does_it():
    from sklearn.calibration import _SigmoidCalibration

    random = np.random.default_rng(0)
    targets = (random.uniform(size=(90, 2)) < 0.4).astype(np.int64)
    logits = 0.02 * (targets + random.normal(size=(90, 2))) - 1.0
    scale, offset = calibrate(logits, targets)
    ours = probabilities_of(scale * logits + offset, multi_label=True)
    for column in range(2):
        theirs = _SigmoidCalibration().fit(logits[:, column], targets[:, column]).predict(logits[:, column])
        assert ours[:, column] == pytest.approx(theirs, abs=2e-3)


@pytest.mark.parametrize("factor", [0.01, 1.0, 30.0])
def test_one_scale_finds_the_probabilities_that_the_labels_were_drawn_from(factor):
    random = np.random.default_rng(1)
    true_logits = 1.5 * random.normal(size=(4000, 3))
    chances = probabilities_of(true_logits, multi_label=False)
    targets = np.array([random.choice(3, p=row) for row in chances])
    scale, offset = calibrate(factor * true_logits, targets)
    assert scale * factor == pytest.approx(np.ones(3), rel=0.1)
    assert offset.tolist() == [0.0, 0.0, 0.0]


def test_no_order_is_turned_round():
    random = np.random.default_rng(2)
    targets = (random.uniform(size=(40, 1)) < 0.5).astype(np.int64)
    scale, _ = calibrate(-5.0 * targets + random.normal(size=(40, 1)), targets)
    assert scale[0] > 0, "logits that are wrong on the whole lose their weight, not their sign"


def test_a_few_faultless_clips_do_not_make_it_endlessly_sure():
    logits, targets = np.eye(2)[[0, 1, 0, 1]], np.array([0, 1, 0, 1])
    scale, offset = calibrate(logits, targets)
    assert probabilities_of(scale * logits + offset, multi_label=False).max() == pytest.approx(5 / 6, abs=1e-3)
