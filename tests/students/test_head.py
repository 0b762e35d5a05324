"""The mapping head and several of them: their mean is one wider head, through folding, saving and loading."""

import pytest
import torch

from sondo.students import Projector, ProjectorEnsemble, load_projector, save


@pytest.fixture
def ensemble():
    torch.manual_seed(0)
    return ProjectorEnsemble([Projector(6, hidden_dim=5, embedding_dim=4) for _ in range(3)]).eval()


@pytest.fixture
def inputs():
    return torch.randn(7, 6, generator=torch.Generator().manual_seed(1))


def test_an_ensemble_is_the_mean_of_unlike_heads(ensemble, inputs):
    each = [head(inputs) for head in ensemble.projectors]
    assert torch.allclose(ensemble(inputs), (each[0] + each[1] + each[2]) / 3, atol=1e-6)
    assert not torch.allclose(each[0], each[1], atol=1e-2)


def test_merged_it_is_one_head_that_gives_the_same(ensemble, inputs):
    one = ensemble.merged().eval()
    assert isinstance(one, Projector)
    assert (one.student_dim, one.hidden_dim, one.embedding_dim) == (6, 15, 4)
    assert torch.allclose(one(inputs), ensemble(inputs), atol=1e-6)


def test_a_linear_layer_folds_into_the_merged_head(ensemble, inputs):
    behind = torch.nn.Linear(4, 4)
    expected = behind(ensemble(inputs))
    one = ensemble.merged().eval()
    one.append_linear(behind.weight.detach(), behind.bias.detach())
    assert torch.allclose(one(inputs), expected, atol=1e-6)


def test_the_merged_head_comes_back_from_disk(student, tmp_path):
    torch.manual_seed(0)
    heads = [student.make_projector(5) for _ in range(2)]
    one = ProjectorEnsemble(heads).merged().eval()
    found = load_projector(save(student, tmp_path / "s", projector=one))
    inputs = torch.randn(3, student.embedding_dim, generator=torch.Generator().manual_seed(1))
    assert torch.equal(found(inputs), one(inputs))


@pytest.mark.parametrize("hidden_dim", [5, None])
def test_a_scaling_before_the_head_folds_into_its_first_layer(hidden_dim, inputs):
    torch.manual_seed(0)
    head = Projector(6, hidden_dim=hidden_dim, embedding_dim=4).eval()
    mean, deviation = torch.arange(6.0), torch.tensor([0.1, 1.0, 2.0, 5.0, 0.5, 3.0])
    expected = head((inputs - mean) / deviation)
    head.prepend_scaling(mean, deviation)
    assert torch.allclose(head(inputs), expected, atol=1e-5)


def test_a_linear_head_is_one_layer_and_comes_back_from_disk(student, inputs, tmp_path):
    torch.manual_seed(0)
    head = student.make_projector(5, linear=True).eval()
    assert [tuple(tensor.shape) for tensor in head.parameters()] == [(5, student.embedding_dim), (5,)]
    found = load_projector(save(student, tmp_path / "s", projector=head))
    assert found.hidden_dim is None
    vectors = torch.randn(3, student.embedding_dim)
    assert torch.equal(found(vectors), vectors @ head.mlp[0].weight.T + head.mlp[0].bias)
