"""Golden vectors: a sound that a formula makes, and what a file gives for it."""

import json
from pathlib import Path

import numpy as np
import pytest

from sondo.errors import SondoError
from sondo.runtime.golden import GoldenVector, from_text, golden_sound, to_text


def test_the_sound_is_the_formula_in_whole_numbers_without_rounding():
    sound = golden_sound(400_000)
    assert sound.dtype == np.float32
    for i in (0, 1, 31, 32, 1020, 1021, 65_537, 399_999):
        assert float(sound[i]) == ((i * i) % 1021 - 510) / 2048
    assert np.abs(sound).max() <= 0.25


def test_a_vector_knows_how_far_another_is_from_it():
    values = np.random.default_rng(0).standard_normal(300).astype(np.float32)
    vector = GoldenVector.of(values, samples=3200)
    assert vector.difference(values) == 0
    other = values.copy()
    other[3] += 0.01
    assert vector.difference(other) == pytest.approx(0.01 / np.sqrt(np.mean(values**2)), rel=1e-3)
    other = values.copy()
    other[250:] *= 1.1  # beyond the first values: seen in the length
    assert vector.difference(other) > 1e-3
    assert vector.difference(values[:299]) == float("inf")
    assert vector.difference(np.full(300, np.nan, dtype=np.float32)) == float("inf")


def test_they_survive_as_text():
    vector = GoldenVector.of(np.arange(10, dtype=np.float32), samples=7)
    assert from_text(Path("a.onnx"), to_text([vector])) == [vector]


WHOLE = {"samples": 3200, "first": [0.5, 0.5], "norm": 0.7, "dim": 2}


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "[1]", '[{"samples": 3}]', '[{"first": [1], "other": 2}]']
    + [
        json.dumps([WHOLE | change])
        for change in ({"samples": "x"}, {"samples": 0}, {"first": []}, {"first": 1}, {"norm": "long"}, {"dim": None})
    ],
)
def test_text_that_holds_none_is_refused(text):
    assert len(from_text(Path("a.onnx"), json.dumps([WHOLE]))) == 1
    with pytest.raises(SondoError, match=r"a\.onnx: its golden vectors cannot be read"):
        from_text(Path("a.onnx"), text)
