"""A student with a head in torch: shapes, freezing, and what a head computes."""

import pytest
import torch
from torch import nn

from sondo.errors import SondoError
from sondo.students.with_head import ClassHead


def test_logits_are_the_heads_answer_to_the_embedding(student):
    model = student.with_head(["a", "b", "c"], hidden_dim=5).eval()
    audio = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first, last = model.head.layers
        embedding = student(audio)
        model.head.standardise_by(embedding)
        standard = (embedding - embedding.mean(0)) / embedding.std(0, correction=0)
        assert torch.allclose(model(audio), last(first(standard).relu()), atol=1e-4)
        assert torch.allclose(model(audio, lengths=[16000, 8000])[1], model(audio[1:, :8000])[0], rtol=1e-3, atol=1e-3)
        log_mel = student.front_end(audio)
        assert torch.allclose(model.classify_log_mel(log_mel), model(audio), rtol=1e-3, atol=1e-3)
    assert model.classes == ("a", "b", "c")


def test_a_number_of_classes_is_enough(student):
    assert student.with_head(4).classes == ("0", "1", "2", "3")
    for wrong in (1, ["a"], ["a", "a"]):
        with pytest.raises(SondoError, match="two classes or more"):
            student.with_head(wrong)
    with pytest.raises(SondoError, match="hidden_dim is 0"):
        student.with_head(2, hidden_dim=0)


def test_a_value_that_never_changes_is_not_divided_by_nothing():
    head = ClassHead(2, 2)
    head.standardise_by(torch.tensor([[3.0, 1.0], [3.0, 5.0]]))
    assert head.scale.tolist() == [1.0, 2.0]
    assert torch.isfinite(head(torch.tensor([[3.0, 3.0]]))).all()
    head.standardise_by(torch.tensor([[1e-4, 1.0], [1e-4 + 5e-9, 5.0]]))  # the deviation of a band that is silent
    assert head.scale.tolist() == [1.0, 2.0]


def step(model, audio):
    """One optimiser step on everything that asks for it; what changed, by the part of its name before the dot."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    nn.functional.cross_entropy(model(audio), torch.tensor([0, 1])).backward()
    optimizer.step()
    return {key.split(".")[0] for key, value in model.state_dict().items() if not torch.equal(value, before[key])}


def test_a_frozen_backbone_keeps_its_weights_and_its_statistics(student):
    model = student.with_head(2)
    audio = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    model.freeze_backbone()
    assert step(model, audio) == {"head"}
    model.unfreeze_backbone()
    assert step(model, audio) == {"head", "student"}
