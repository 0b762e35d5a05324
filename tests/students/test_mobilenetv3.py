"""MobileNetV3 and the mapping head against the published code's values, names and sizes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sondo.errors import SondoError
from sondo.students import create
from sondo.students.mobilenetv3 import MobileNetV3, make_divisible

GOLDEN = Path(__file__).parents[1] / "golden"
CASE = json.loads((GOLDEN / "student_mn10.json").read_text())
STUDENT, EFFICIENTAT = CASE["student"], CASE["efficientat"]


@pytest.fixture(scope="module")
def wanted():
    with np.load(GOLDEN / "student_mn10.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def loaded(recipe):
    """The golden student and head; strict loading is the check of the layout."""
    weights = recipe.seeded_weights(STUDENT["tensors"])
    assert recipe.same(recipe.fingerprint(weights), STUDENT["fingerprint"])
    student = create("mobilenetv3")
    projector = student.make_projector(3840)
    for module, prefix in ((student.backbone, "model."), (projector, "classification_head.")):
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        module.load_state_dict({key: torch.from_numpy(value) for key, value in own.items()})
    return student.eval(), projector.eval()


def golden_sound(recipe, name):
    run = dict(STUDENT["runs"][name])
    mean_abs = run.pop("mean_abs")
    audio = recipe.golden_batch(**run)
    assert np.abs(audio.astype(np.float64)).mean() == pytest.approx(mean_abs, rel=1e-9)
    return torch.from_numpy(audio)


def test_ten_seconds_give_the_published_values(recipe, loaded, wanted):
    student, projector = loaded
    with torch.inference_mode():
        embedding = student(golden_sound(recipe, "10s"))
        projected = projector(embedding)
    limits = STUDENT["max_abs"]
    assert np.abs(embedding.numpy() - wanted["10s.embeddings"][:, 0]).max() <= limits["10s.embeddings"]
    assert np.abs(projected.numpy() - wanted["10s.projected"]).max() <= limits["10s.projected"]


@pytest.mark.slow
def test_twenty_five_seconds_count_the_rest_that_the_published_code_drops(recipe, loaded, wanted):
    student, _ = loaded
    audio = golden_sound(recipe, "25s")
    with torch.inference_mode():
        segments = [student(audio[:, :320000]), student(audio[:, 320000:640000])]
        rest, full, whole = student(audio[:, 640000:]), student(audio[:, :640000]), student(audio)
    limit = STUDENT["max_abs"]["25s.embeddings"]
    for index, segment in enumerate(segments):
        assert np.abs(segment.numpy() - wanted["25s.embeddings"][:, index]).max() <= limit
    assert np.abs(full.numpy() - wanted["25s.clip_embeddings"]).max() <= STUDENT["max_abs"]["25s.clip_embeddings"]
    by_frames = (624 * segments[0] + 624 * segments[1] + 311 * rest) / (624 + 624 + 311)
    assert torch.allclose(whole, by_frames, atol=1e-4)
    assert not torch.allclose(whole, full, atol=1e-2)


def test_efficientat_keys_are_the_backbones_and_give_its_values(recipe, wanted):
    tensors = {key.removeprefix("model."): shape for key, shape in STUDENT["tensors"].items() if "features" in key}
    weights = recipe.seeded_weights(tensors | EFFICIENTAT["dropped"])
    assert recipe.same(recipe.fingerprint(weights), EFFICIENTAT["fingerprint"])
    backbone = MobileNetV3().eval()
    backbone.load_state_dict({key: torch.from_numpy(weights[key]) for key in tensors})
    with torch.inference_mode():
        features = backbone(torch.from_numpy(recipe.golden_normal(**EFFICIENTAT["input"])))
    found = features.mean((2, 3)).numpy()
    assert np.abs(found - wanted["efficientat.embeddings"]).max() <= EFFICIENTAT["max_abs"]


@pytest.mark.parametrize(
    ("width", "backbone", "head"),
    [(0.4, 516_128, 2_167_040), (1.0, 2_971_664, 6_149_120), (2.0, 11_641_880, 14_752_000)],
)
def test_sizes_are_the_published_ones(width, backbone, head):
    with torch.device("meta"):
        student = create("mobilenetv3", width_mult=width)
        projector = student.make_projector(3840)
    assert student.num_params == backbone
    assert sum(parameter.numel() for parameter in projector.parameters()) == head


def test_channels_are_rounded_to_eights_but_never_below_nine_tenths():
    assert [make_divisible(value) for value in (1.6, 12, 19, 11.9, 88)] == [8, 16, 24, 16, 88]
    assert make_divisible(11.0) == 16  # 8 would be 73 %
    assert all(make_divisible(value) >= 0.9 * value for value in np.arange(1, 300, 0.7))


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_a_width_that_makes_no_network_is_refused(width):
    with pytest.raises(SondoError, match="width_mult"):
        create("mobilenetv3", width_mult=width)


@pytest.mark.parametrize("frames", [1, 5, 33, 100])
def test_the_map_shrinks_thirty_twofold(frames):
    features = MobileNetV3(width_mult=0.1).eval()(torch.zeros(2, 1, 128, frames))
    assert features.shape == (2, 96, 4, -(-frames // 32))
