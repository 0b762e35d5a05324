"""The checks of the HEAR API let a faultless module pass and name each fault."""

from types import ModuleType

import pytest
import torch

from sondo.errors import SondoError
from sondo.integrations import hear_checks


class Attributes(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.sample_rate, self.scene_embedding_size, self.timestamp_embedding_size = 16_000, 3, 2


def make(*, hop_ms=25.0, first_ms=0.0, scale=1.0, **changes):
    """A module that gives zeros in the right shapes; `changes` replace its functions or its model's attributes."""
    module = ModuleType("faultless")

    def load_model(path=""):
        model = Attributes()
        for name, value in changes.items():
            if hasattr(model, name):
                setattr(model, name, value)
        return model

    def get_scene_embeddings(audio, model):
        return torch.zeros(len(audio), 3)

    def get_timestamp_embeddings(audio, model):
        length_ms = 1000 * audio.shape[1] / model.sample_rate
        times = torch.arange(first_ms, length_ms, hop_ms) * scale
        return torch.zeros(len(audio), len(times), 2), times.repeat(len(audio), 1)

    module.load_model = load_model
    module.get_scene_embeddings, module.get_timestamp_embeddings = get_scene_embeddings, get_timestamp_embeddings
    for name, value in changes.items():
        if hasattr(module, name):
            setattr(module, name, value)
    return module


def times(change):
    """A module whose timestamps are changed."""
    usual = make().get_timestamp_embeddings

    def changed(audio, model):
        embeddings, timestamps = usual(audio, model)
        return embeddings, change(timestamps)

    return make(get_timestamp_embeddings=changed)


def test_a_faultless_module_passes():
    assert hear_checks.check(make()) == []


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (make(get_scene_embeddings=None), "no function get_scene_embeddings"),
        (make(load_model=lambda: "a model"), "gave str, not a module of torch"),
        (make(sample_rate=8000), "sample_rate is 8000"),
        (make(scene_embedding_size=3.0), "scene_embedding_size is 3.0"),
        (make(timestamp_embedding_size=None), "timestamp_embedding_size is None"),
        (make(scene_embedding_size=4), r"get_scene_embeddings gave torch.float32 of shape \(4, 3\).*\(4, 4\)"),
        (make(timestamp_embedding_size=3), r"get_timestamp_embeddings gave .*shape \(2, \d+, 2\).*\(2, T, 3\)"),
        (make(get_scene_embeddings=lambda audio, model: torch.zeros(4, 3).double()), "float64"),
        (make(get_scene_embeddings=lambda audio, model: torch.zeros(3, 3)), r"shape \(3, 3\)"),
        (make(get_scene_embeddings=lambda audio, model: torch.zeros(4, 3) / 0), "no finite numbers"),
        (make(get_timestamp_embeddings=lambda audio, model: torch.zeros(2, 9, 2)), "embeddings and timestamps"),
        (times(lambda timestamps: timestamps[:, :-1]), "timestamps of shape"),
        (times(lambda timestamps: timestamps + 30), "end at .* ms and the sound at"),
        (times(lambda timestamps: timestamps + 1.5 * (timestamps > 500)), "not regular"),
    ],
)
def test_each_fault_is_named(module, message):
    with pytest.raises(SondoError, match=message):
        hear_checks.check(module)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (make(hop_ms=100.0), "step by 100 ms"),
        (make(first_ms=80.0), "begin at 80 ms"),
        (make(scale=0.001), "timestamps end at"),  # seconds for milliseconds
    ],
)
def test_what_is_advised_against_is_said(module, message):
    assert any(message in sentence for sentence in hear_checks.check(module))
