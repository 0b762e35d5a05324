"""Read-outs against means and deviations that numpy takes of the same maps."""

import numpy as np
import pytest
import torch

from sondo.errors import SondoError
from sondo.students import create, load, save
from sondo.students.readout import Statistics

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def log_mel():
    return torch.from_numpy(RNG.standard_normal((2, 128, 70)).astype(np.float32))


def read(student, log_mel):
    with torch.inference_mode():
        maps = [stage.numpy() for stage in student.backbone.stages(log_mel.unsqueeze(1))]
        return student.embed_log_mel(log_mel).numpy(), maps


@pytest.mark.parametrize("name", ["mobilenetv3", "dymn", "eres2net"])
def test_multilevel_holds_the_last_vector_the_stage_means_and_the_mel_means(name, log_mel):
    torch.manual_seed(0)
    student = create(name, width_mult=0.25, readout="multilevel").eval()
    torch.manual_seed(0)
    plain = create(name, width_mult=0.25).eval()
    found, maps = read(student, log_mel)
    last, _ = read(plain, log_mel)
    wanted = [last, *(stage.mean((2, 3)) for stage in maps[:-1]), log_mel.numpy().mean(2)]
    np.testing.assert_allclose(found, np.concatenate(wanted, axis=1), rtol=1e-4, atol=1e-5)
    assert found.shape[1] == student.embedding_dim == plain.embedding_dim + sum(m.shape[1] for m in maps[:-1]) + 128
    assert tuple(stage.shape[1] for stage in maps) == student.backbone.stage_features


@pytest.mark.parametrize("name", ["mobilenetv3", "dymn", "eres2net"])
def test_multilevel_stats_has_a_deviation_beside_every_mean(name, log_mel):
    torch.manual_seed(0)
    student = create(name, width_mult=0.25, readout="multilevel_stats").eval()
    torch.manual_seed(0)
    plain = create(name, width_mult=0.25).eval()
    found, maps = read(student, log_mel)
    wanted = [read(plain, log_mel)[0], np.sqrt(maps[-1].mean(2).var(2) + 1e-8)]
    for columns in (*(stage.mean(2) for stage in maps[:-1]), log_mel.numpy()):
        wanted += [columns.mean(2), np.sqrt(columns.var(2) + 1e-8)]
    np.testing.assert_allclose(found, np.concatenate(wanted, axis=1), rtol=1e-3, atol=1e-5)
    assert found.shape[1] == student.embedding_dim


@pytest.mark.parametrize("name", ["mobilenetv3", "eres2net"])
def test_a_prefix_of_the_nested_vector_holds_a_fair_part_of_every_level(name, log_mel):
    torch.manual_seed(0)
    nested = create(name, width_mult=0.25, readout="multilevel_nested").eval()
    torch.manual_seed(0)
    whole = create(name, width_mult=0.25, readout="multilevel_stats").eval()
    marks = np.arange(whole.embedding_dim)
    found, maps = read(nested, log_mel)
    np.testing.assert_array_equal(np.sort(found[0]), np.sort(read(whole, log_mel)[0][0]))
    # the order itself, seen by giving the values of the whole vector as marks
    order = nested.readout.order.numpy()
    np.testing.assert_array_equal(np.sort(order), marks)
    np.testing.assert_array_equal(found[0], read(whole, log_mel)[0][0][order])
    sizes = [
        whole.embedding_dim - 2 * (sum(m.shape[1] for m in maps[:-1]) + 128) - maps[-1].shape[1],
        maps[-1].shape[1],
    ]
    sizes += [size for size in (*(m.shape[1] for m in maps[:-1]), 128) for _ in range(2)]
    ends = np.cumsum(sizes)
    for share in (0.1, 0.25, 0.5):
        cut = order[: round(share * len(order))]
        held = np.histogram(cut, bins=[0, *ends])[0]
        assert np.abs(held - share * np.array(sizes)).max() <= 1


def test_multilevel_dimension_of_the_paper_size():
    assert create("mobilenetv3", readout="multilevel").embedding_dim == 960 + 16 + 24 + 40 + 80 + 112 + 160 + 128


def test_stats_are_mean_and_deviation_over_time(log_mel):
    student = create("mobilenetv3", width_mult=0.1, readout="stats").eval()
    found, maps = read(student, log_mel)
    columns = maps[-1].mean(2)
    np.testing.assert_allclose(found[:, :96], columns.mean(2), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[:, 96:], np.sqrt(columns.var(2) + 1e-8), rtol=1e-3, atol=1e-6)


def test_a_single_column_has_no_deviation_and_a_finite_gradient():
    features = torch.ones(1, 3, 2, 1, requires_grad=True)
    vector = Statistics()(features)
    vector.sum().backward()
    np.testing.assert_allclose(vector.detach().numpy(), [[1, 1, 1, 1e-4, 1e-4, 1e-4]], rtol=1e-5)
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("readout", ["multilevel", "multilevel_stats", "multilevel_nested", "stats"])
def test_the_read_out_travels_with_the_student(readout, tmp_path, log_mel):
    student = create("mobilenetv3", width_mult=0.1, readout=readout).eval()
    again = load(save(student, tmp_path / "student"))
    assert again.space_id == student.space_id != create("mobilenetv3", width_mult=0.1).space_id
    np.testing.assert_array_equal(read(again, log_mel)[0], read(student, log_mel)[0])


def test_an_unknown_read_out_is_named():
    with pytest.raises(SondoError, match="'deep'.*last, multilevel, multilevel_stats, multilevel_nested, stats"):
        create("mobilenetv3", readout="deep")
