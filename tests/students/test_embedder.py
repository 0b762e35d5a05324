"""A student as a model: what it says of itself is what the student is now."""

import numpy as np
import pytest
import torch

import sondo
from sondo.runtime import SpaceMismatchError
from sondo.students import TorchModel


def test_its_space_follows_the_students_weights_and_teacher(student):
    model = TorchModel(student)
    sound = np.random.default_rng(0).uniform(-1, 1, 8000).astype(np.float32)
    before = model.embed(sound, sample_rate=32000), model.space_id
    assert before[1] == student.space_id
    with torch.no_grad():
        student.backbone.features[0][0].weight += 1e-2
    assert model.space_id == student.space_id != before[1]
    with pytest.raises(SpaceMismatchError):
        sondo.similarity(before, (model.embed(sound, sample_rate=32000), model.space_id))
    student.info = {"teacher": {"name": "m2d", "fingerprint": "abc"}}
    assert ".m2d." in model.space_id
    assert model.space_id in repr(model)
