"""Losses against the reference's values, against the same formulas written out as loops, and at the edges."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sondo.distill import losses
from sondo.distill.augment import Mix
from sondo.errors import SondoError

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "kd_losses.npz")
ALL = sorted(losses.LOSSES)
CONTRASTIVE = ("clap", "real_contrastive", "cluster_aware", "neg_clusters")


def golden(name: str) -> torch.Tensor:
    return torch.tensor(GOLDEN[name])


def make(name: str, dim: int = 5) -> losses.Loss:
    return losses.create(name, teacher_dim=dim)


def batch(size: int = 6, dim: int = 5, *, seed: int = 0, clusters: int = 3):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, size, dim, generator=generator)
    mix = Mix(torch.arange(size).roll(-1), 0.5 + 0.5 * torch.rand(size, generator=generator))
    return student, teacher, torch.arange(size) % clusters, mix


@pytest.mark.parametrize("mixup", ["", "_mixup"])
@pytest.mark.parametrize(
    ("name", "spec"), [("cosine",) * 2, ("mse",) * 2, ("l1",) * 2, ("kl_div", "kl(temperature=4)")]
)
def test_pointwise_losses_equal_the_reference_in_value_and_gradient(name, spec, mixup):
    student = golden("b16.input.student").requires_grad_()
    mix = Mix(golden("b16.input.rn_indices"), golden("b16.input.lam")) if mixup else None
    value = losses.create(spec)(student, golden("b16.input.teacher"), mix=mix)
    value.backward()
    gradient = GOLDEN[f"b16.grad.{name}{mixup}"]
    assert value.item() == pytest.approx(float(GOLDEN[f"b16.loss.{name}{mixup}"]), rel=1e-5)
    assert np.abs(student.grad.numpy() - gradient).max() < 1e-4 * gradient.std()


@pytest.mark.parametrize(("name", "spec"), [("vanilla_contrastive", "clap"), ("real_contrastive",) * 2])
def test_contrastive_losses_equal_the_reference_in_value_and_gradient(name, spec):
    student = golden("b16.input.student").requires_grad_()
    value = losses.create(spec)(student, golden("b16.input.teacher"))
    value.backward()
    gradient = GOLDEN[f"b16.grad.{name}"]
    assert value.item() == pytest.approx(float(GOLDEN[f"b16.loss.{name}"]), rel=1e-5)
    assert np.abs(student.grad.numpy() - gradient).max() < 1e-4 * gradient.std()


@pytest.mark.parametrize("run", ["b16", "one_cluster"])
@pytest.mark.parametrize("name", ["cluster_aware", "neg_clusters"])
def test_masked_pairs_do_not_count(name, run):
    inputs = (golden(f"{run}.input.student"), golden(f"{run}.input.teacher"))
    value = losses.create(name)(*inputs, clusters_B=golden(f"{run}.input.labels")).item()
    assert value == pytest.approx(float(GOLDEN[f"{run}.loss.{name}.masked_pairs_excluded"]), rel=1e-5, abs=1e-7)
    if run == "b16":
        assert abs(value - GOLDEN[f"b16.loss.{name}"]) > 1e-3  # the reference's, which counts them


def test_hybrid_is_the_references_sum_with_masked_pairs_left_out():
    inputs = (golden("b16.input.student"), golden("b16.input.teacher"))
    clusters = golden("b16.input.labels")
    cosine, centres = GOLDEN["b16.loss.cosine"], GOLDEN["b16.loss.hybrid.cross_cluster"]
    contrast = GOLDEN["b16.loss.cluster_aware.masked_pairs_excluded"]
    assert make("cross_cluster")(*inputs, clusters_B=clusters).item() == pytest.approx(float(centres), rel=1e-5)
    spec = "hybrid(temperature=0.07, alignment_weight=1, contrastive_weight=2, cross_cluster_weight=0.5)"
    value = losses.create(spec)(*inputs, clusters_B=clusters).item()
    assert value == pytest.approx(float(cosine + 2 * contrast + 0.5 * centres), rel=1e-5)


def test_by_hand():
    student, teacher = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert make("cosine")(student, teacher).item() == pytest.approx((0.4 + 0.0) / 2)
    assert make("mse")(student, teacher).item() == pytest.approx((4 + 16 + 0 + 1) / 4)
    assert make("l1")(student, teacher).item() == pytest.approx((2 + 4 + 0 + 1) / 4)
    assert make("pairwise_similarity")(student, teacher).item() == pytest.approx(0.8**2)
    assert make("spread_out")(student, teacher).item() == pytest.approx(0.8**2 + 0.8**2 - 1 / 2)
    # Rows: (0.6, 0.8) and (0, 1); columns: (0.6, 0) and (0.8, 1), each over the temperature of 1.
    by_rows = np.log1p(np.exp(0.2)) + np.log1p(np.exp(-1.0))
    by_columns = np.log1p(np.exp(-0.6)) + np.log1p(np.exp(-0.2))
    value = losses.create("clap(temperature=1)")(student, teacher)
    assert value.item() == pytest.approx((by_rows + by_columns) / 4)
    # One cluster: the centres point to (1, 3) and (1, 1). Two: each clip is a centre.
    together, apart = torch.tensor([0, 0]), torch.tensor([0, 1])
    assert make("cross_cluster")(student, teacher, clusters_B=together).item() == pytest.approx(-4 / np.sqrt(20))
    assert make("cross_cluster")(student, teacher, clusters_B=apart).item() == pytest.approx(-(0.6 + 1.0) / 2)
    # The teacher's shares are 3/4 and 1/4, the student's 1/2 each.
    logits = torch.tensor([[2 * np.log(3.0), 0.0]])
    divergence = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    value = losses.create("kl(temperature=2)")(torch.zeros(1, 2), logits).item()
    assert value == pytest.approx(2**2 * divergence / 2, rel=1e-5)


def slow_contrast(name, student, teacher, clusters, mix, temperature=0.07):
    """The contrastive losses in float64 loops, a sum over each clip's positives and candidates."""
    student, teacher = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (student, teacher))
    rows = range(len(student))
    total = weights = 0.0
    for own in (True, False):
        who = list(rows) if own else mix.partner_B.tolist()
        share = mix.weight_B.double().numpy() if own else 1 - mix.weight_B.double().numpy()
        for i in rows:
            alike = [j for j in rows if clusters[who[j]] == clusters[who[i]]]
            positives = [j for j in alike if j != i] if name == "cluster_aware" else [i]
            candidates = {
                "clap": list(rows),
                "real_contrastive": [j for j in rows if j != i],
                "cluster_aware": [j for j in rows if j != i],
                "neg_clusters": [i] + [j for j in rows if j not in alike],
            }[name]
            if not positives:
                continue
            values = []
            for logit in (
                lambda j, i=i, who=who: student[i] @ teacher[who[j]] / temperature,
                lambda j, i=i, who=who: student[j] @ teacher[who[i]] / temperature,
            ):
                above, below = ([np.exp(logit(j)) for j in group] for group in (positives, candidates))
                values.append(-np.log(sum(above) / sum(below)))
            both = name in ("clap", "cluster_aware")
            total += share[i] * (np.mean(values) if both else values[0])
            weights += share[i]
    return total / weights


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("name", CONTRASTIVE)
def test_contrastive_losses_equal_loops_in_value_and_gradient(name, mixed):
    student, teacher, clusters, mix = batch(7)
    if not mixed:
        mix = Mix(torch.arange(7), torch.ones(7))

    def slow(x):
        return slow_contrast(name, x, teacher.double().numpy(), clusters.tolist(), mix)

    start = student.double().numpy()
    student.requires_grad_()
    value = make(name)(student, teacher, clusters_B=clusters, mix=mix if mixed else None)
    value.backward()
    assert value.item() == pytest.approx(slow(start), rel=1e-4)
    for direction in np.random.default_rng(1).normal(size=(3, 7, 5)):
        slope = (slow(start + 1e-6 * direction) - slow(start - 1e-6 * direction)) / 2e-6
        assert (student.grad.double().numpy() * direction).sum() == pytest.approx(slope, rel=1e-3, abs=1e-4)


def slow_alignment(name, student, teacher, clusters, mix):
    """The other losses by the reference's formulas, in float64 loops."""
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (student, teacher)]
    share, partner = mix.weight_B.double().numpy(), mix.partner_B.tolist()
    if name == "hybrid":
        contrast = slow_contrast("cluster_aware", student, teacher, clusters, mix)
        parts = [slow_alignment(part, student, teacher, clusters, mix) for part in ("cosine", "cross_cluster")]
        return sum(parts) + contrast
    if name == "cross_cluster":
        mixed = [w * unit[1][i] + (1 - w) * unit[1][j] for i, (w, j) in enumerate(zip(share, partner, strict=True))]
        values = []
        for cluster in set(clusters):
            members = [i for i in range(len(student)) if clusters[i] == cluster]
            ours, theirs = unit[0][members].mean(0), np.mean([mixed[i] for i in members], axis=0)
            values.append(-ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs))
        return np.mean(values)

    def one(i, j):
        if name == "cosine":
            return 1 - unit[0][i] @ unit[1][j]
        if name == "kl":
            p, q = (np.exp(x / 4) / np.exp(x / 4).sum() for x in (teacher[j], student[i]))
            return 4**2 * np.mean(p * np.log(p / q))
        if name == "queue_kl":  # outside training and before it, the batch's own vectors are the classes
            p, q = (np.exp(x @ unit[1].T / 0.07) for x in (unit[1][j], unit[0][i]))
            p, q = p / p.sum(), q / q.sum()
            return np.sum(p * np.log(p / q))
        difference = student[i] - teacher[j]
        return np.mean(np.abs(difference) if name == "l1" else difference**2)

    return np.mean([w * one(i, i) + (1 - w) * one(i, j) for i, (w, j) in enumerate(zip(share, partner, strict=True))])


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("name", ["cosine", "cross_cluster", "hybrid", "kl", "l1", "mse", "queue_kl"])
def test_aligning_losses_equal_loops_with_and_without_mixup(name, mixed):
    student, teacher, clusters, mix = batch(7)
    value = make(name).eval()(student, teacher, clusters_B=clusters, mix=mix if mixed else None).item()
    nothing = Mix(torch.arange(7), torch.ones(7))
    arrays = student.double().numpy(), teacher.double().numpy()
    assert value == pytest.approx(slow_alignment(name, *arrays, clusters.tolist(), mix if mixed else nothing), rel=1e-4)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("name", ["cross_cluster", "hybrid", "kl", "pairwise_similarity", "queue_kl", "spread_out"])
def test_gradients_are_slopes(name, mixed):
    student, teacher, clusters, mix = batch()
    loss = make(name).eval()

    def value(x):
        return loss(x, teacher, clusters_B=clusters, mix=mix if mixed else None)

    value(student.requires_grad_()).backward()
    for direction in torch.randn(3, *student.shape, generator=torch.Generator().manual_seed(1)):
        slope = (value(student + 1e-2 * direction) - value(student - 1e-2 * direction)).item() / 2e-2
        assert (student.grad * direction).sum().item() == pytest.approx(slope, rel=2e-2, abs=2e-4)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [1, 4])
def test_one_clip_and_one_cluster_give_finite_values_and_gradients(name, size):
    student, teacher, _, mix = batch(size)
    for mixed in (None, mix):
        student.grad = None
        value = make(name)(student.requires_grad_(), teacher, clusters_B=torch.zeros(size, dtype=int), mix=mixed)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(student.grad).all()
        nothing_to_tell = size == 1 and name in (*CONTRASTIVE, "pairwise_similarity", "spread_out")
        if nothing_to_tell or (size > 1 and name in ("cluster_aware", "neg_clusters")):
            assert value == 0
            assert (student.grad == 0).all()


@pytest.mark.parametrize("name", ["neg_clusters", "cluster_aware", "clap"])
def test_a_very_low_temperature_does_not_overflow(name):
    student, teacher, clusters, _ = batch()
    value = losses.create(f"{name}(temperature=0.001)")(student.requires_grad_(), teacher, clusters_B=clusters)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


def test_a_clip_alone_in_its_cluster_does_not_count_for_cluster_aware():
    student, teacher, clusters, _ = batch(6)
    alone = torch.tensor([0, 0, 1, 1, 2, 3])
    student.requires_grad_()
    loss = make("cluster_aware")
    assert not torch.isclose(loss(student, teacher, clusters_B=alone), loss(student, teacher, clusters_B=clusters))
    mix = Mix(torch.arange(6), torch.ones(6))
    slow = slow_contrast("cluster_aware", student.detach().double().numpy(), teacher.double().numpy(), alone, mix)
    assert loss(student, teacher, clusters_B=alone).item() == pytest.approx(slow, rel=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_a_mix_of_nothing_changes_nothing(name):
    student, teacher, clusters, mix = batch()
    alone = Mix(mix.partner_B, torch.ones(6))
    plain = make(name).eval()(student, teacher, clusters_B=clusters)
    assert torch.allclose(plain, make(name).eval()(student, teacher, clusters_B=clusters, mix=alone), atol=1e-6)


@pytest.mark.parametrize("name", [name for name in ALL if name != "spread_out"])
def test_mixed_clips_are_asked_for_both_vectors(name):
    student, teacher, clusters, mix = batch()
    loss = make(name).eval()
    plain = loss(student, teacher, clusters_B=clusters)
    assert not torch.allclose(plain, loss(student, teacher, clusters_B=clusters, mix=mix), atol=1e-5)


@pytest.mark.parametrize("name", ["cosine", "clap", "pairwise_similarity"])
def test_the_mixed_target_is_where_a_mixed_student_is_best(name):
    _, teacher, _, _ = batch(size=5, dim=64)
    unit = torch.nn.functional.normalize(teacher, dim=1)
    mix = Mix(torch.arange(5).roll(-1), torch.full((5,), 0.6))
    loss = make(name, dim=64)
    assert loss(mix.blend(unit), teacher, mix=mix) < loss(unit, teacher, mix=mix)


@pytest.mark.parametrize("name", ALL)
def test_computed_in_float32_from_half_precision_and_under_autocast(name):
    student, teacher, clusters, mix = batch(8, 64)
    student, teacher = (300 * student).half(), (300 * teacher).half()
    loss = make(name, 64).eval()
    exact = loss(student.float(), teacher.float(), clusters_B=clusters, mix=mix)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(student, teacher, clusters_B=clusters, mix=mix)
    assert value.dtype == torch.float32
    assert torch.equal(value, exact)


@pytest.mark.parametrize("name", [name for name in ALL if losses.LOSSES[name].needs_clusters])
def test_a_loss_that_needs_clusters_says_so(name):
    student, teacher, _, _ = batch()
    with pytest.raises(SondoError, match="sondo cluster"):
        make(name)(student, teacher)


@pytest.mark.parametrize("name", ALL)
def test_the_student_comes_closer(name):
    student, teacher, clusters, _ = batch(12, 8, clusters=3)
    loss = make(name, 8)
    student.requires_grad_()
    optimizer = torch.optim.Adam([student], lr=0.05)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value = loss(student, teacher, clusters_B=clusters)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0]
