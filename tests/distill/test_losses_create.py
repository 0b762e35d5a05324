"""Losses by name and in sums."""

import pytest
import torch

from sondo.distill import losses
from sondo.errors import SondoError

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))


def value(spec: str) -> float:
    return losses.create(spec, teacher_dim=5)(STUDENT, TEACHER).item()


def test_a_sum_is_the_weighted_sum_of_its_parts():
    mixed = value("0.7 * cosine + 3 * mse + clap(temperature=0.5) + 1e-1*clap")
    parts = 0.7 * value("cosine") + 3 * value("mse") + value("clap(temperature=0.5)") + 0.1 * value("clap")
    assert mixed == pytest.approx(parts, rel=1e-5)


def test_one_name_is_the_loss_itself():
    assert isinstance(losses.create(" cosine "), losses.CosineLoss)
    assert value("2 * cosine") == pytest.approx(2 * value("cosine"))


def test_options_reach_the_loss():
    loss = losses.create("queue_kl(temperature=0.05, size=16)", teacher_dim=7)
    assert (loss.temperature, loss.queue_KD.shape) == (0.05, (16, 7))
    assert losses.create("hybrid(cross_cluster_weight=2)").weights == (1.0, 1.0, 2.0)


def test_a_sum_needs_clusters_if_a_part_does():
    assert not losses.create("cosine + clap").needs_clusters
    assert losses.create("cosine + neg_clusters").needs_clusters


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cosin", "cosin.*clap, cluster_aware, cosine"),
        ("", "cannot be read.*0.7"),
        ("cosine +", "cannot be read"),
        ("cosine - mse", "cannot be read"),
        ("cosine * 0.5", "before \\*"),
        ("0 * cosine", "above 0"),
        ("-1 * cosine", "above 0"),
        ("True * cosine", "before \\*"),
        ("0.5 * (cosine + mse)", "cannot be read"),
        ("clap(0.1)", "needs its name"),
        ("clap(size=3)", "no option 'size': there is temperature"),
        ("cosine(temperature=1)", "no option 'temperature': there is none"),
        ("queue_kl(teacher_dim=3)", "no option 'teacher_dim': there is temperature, size"),
        ("clap(**cosine)", "no option"),
        ("clap(temperature=__import__('os'))", "takes a number for temperature"),
        ("clap(temperature='1')", "takes a number for temperature"),
        ("queue_kl(size=2.5)", "takes a whole number for size"),
        ("clap(temperature=1e999)", "takes a number"),
        ("clap(temperature=0)", "temperature=0.0 cannot work"),
        ("kl(temperature=-1)", "temperature=-1.0 cannot work"),
        ("queue_kl(size=1)", "at least 2"),
        ("__import__('os').getcwd()", "cannot be read"),
        ("[cosine][0]", "cannot be read"),
        ("cosine\0", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said(spec, message):
    with pytest.raises(SondoError, match=message):
        losses.create(spec, teacher_dim=5)
