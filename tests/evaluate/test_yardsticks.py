"""Known features on real sound give the scores that were measured independently (logistic regression, 192 values)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sondo.evaluate import embed_task, evaluate_vectors, load_task

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def features(path):
    """Log-mel mean, deviation and maximum of 64 bands."""
    from sondo.audio.decode import load_audio
    from sondo.audio.logmel import LogMelConfig, log_mel

    bands = log_mel(load_audio(path, sample_rate=32000), config=LogMelConfig(num_mels=64))
    return np.concatenate([bands.mean(axis=-1), bands.std(axis=-1), bands.max(axis=-1)])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "low", "high"), [("esc10", 0.736, 0.850), ("fsdd", 0.933, 0.980)])
def test_log_mel_statistics_score_as_the_yardstick(name, low, high):
    if not (DATA / name).is_dir():
        pytest.skip(f"{name} is not on this machine")
    task = load_task(name, DATA / name)
    vectors = embed_task(task, features, description=name)
    assert low <= evaluate_vectors(task, vectors).score <= high
    shuffled = vectors[np.random.default_rng(0).permutation(len(task))]
    assert evaluate_vectors(task, shuffled, grid=(0.01,)).score == pytest.approx(0.1, abs=0.06)
