"""What training leaves: heads that end in the teacher's own space, at the teacher's own length."""

import pytest
import torch
from torch import nn

from sondo.distill.data import Batch
from sondo.distill.finish import finish
from sondo.distill.geometry import TargetGeometry
from sondo.screen import progress
from sondo.students import Projector


class MelMeans(nn.Module):
    """A student without weights: its embedding is known."""

    def embed_log_mel(self, log_mel):
        return log_mel.mean(2)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    log_mel = 4 + 3 * torch.randn(24, 6, 10, generator=generator)
    weight, bias = torch.randn(5, 6, generator=generator), 30 * torch.randn(5, generator=generator)
    return Batch(log_mel, (log_mel.mean(2) @ weight.T + bias,), torch.arange(24))


@pytest.mark.parametrize("kind", ["centre", "standardise", "phi_s"])
@pytest.mark.parametrize("length", [0.1, 7.0])
def test_a_head_that_points_the_right_way_gives_the_teachers_own_vectors(batch, kind, length):
    """As the cosine leaves it: right behind the batch norm and in the geometry, but of another length."""
    geometry = TargetGeometry.fit([batch.targets[0].numpy()], kind)
    embedding, seen = MelMeans().embed_log_mel(batch.log_mel), geometry(batch.targets[0])
    norm = nn.BatchNorm1d(6, affine=False)
    normed = (embedding - embedding.mean(0)) / (embedding.var(0) + norm.eps).sqrt()
    head = Projector(6, hidden_dim=None, embedding_dim=5)
    with torch.no_grad():
        head.mlp[0].weight.copy_(length * torch.linalg.lstsq(normed, seen).solution.T)
        head.mlp[0].bias.zero_()
    (found,) = finish(MelMeans(), [head], [geometry], [batch], norm=norm)
    assert torch.allclose(found(embedding), batch.targets[0], atol=2e-2)


def test_without_a_geometry_a_head_keeps_its_length(batch):
    head = Projector(6, hidden_dim=4, embedding_dim=5).eval()
    embedding = MelMeans().embed_log_mel(batch.log_mel)
    before = head(embedding)
    (found,) = finish(MelMeans(), [head], [TargetGeometry.fit([batch.targets[0].numpy()], "none")], [batch])
    assert torch.allclose(found(embedding), before, atol=1e-4)


@pytest.mark.parametrize("has_norms", [True, False])
def test_the_screen_says_what_is_measured(batch, has_norms, capsys):
    student = MelMeans()
    student.inner = nn.BatchNorm1d(6) if has_norms else nn.Identity()
    geometry = TargetGeometry.fit([batch.targets[0].numpy()], "standardise")
    with progress():
        finish(student, [Projector(6, hidden_dim=None, embedding_dim=5)], [geometry], [batch])
    told = capsys.readouterr().err
    assert ("batch norms: 2/2 batches" if has_norms else "mapping heads: 1/1 batches") in told
