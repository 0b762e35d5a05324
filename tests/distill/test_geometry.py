"""Target geometries against scikit-learn, scipy and the laws that define them."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.linalg import hadamard
from sklearn.preprocessing import StandardScaler

from sondo.distill.geometry import TargetGeometry, equalising_rotation
from sondo.errors import SondoError

KINDS = ["none", "centre", "standardise", "phi_s"]
DIMS = [1, 2, 3, 7, 8, 12, 30, 64]


def space(count=500, dim=12, *, rank=None, seed=0):
    """Vectors with a large common mean and axes of unlike spread."""
    rng = np.random.default_rng(seed)
    rank = rank or dim
    axes = rng.normal(size=(rank, dim)) * np.geomspace(5, 0.05, rank)[:, None]
    return (rng.normal(size=(count, rank)) @ axes + rng.normal(size=dim) * 20).astype(np.float32)


def apply(geometry, vectors):
    return geometry(torch.from_numpy(vectors)).double().numpy()


def test_none_changes_nothing_and_centre_takes_the_mean():
    vectors = space()
    assert np.array_equal(apply(TargetGeometry.fit(vectors, "none"), vectors), vectors)
    centred = vectors - vectors.mean(0, dtype=np.float64)
    assert np.abs(apply(TargetGeometry.fit(vectors, "centre"), vectors) - centred).max() < 1e-5


def test_standardise_is_scikit_learns():
    vectors = space()
    expected = StandardScaler().fit_transform(vectors.astype(np.float64))
    assert np.abs(apply(TargetGeometry.fit(vectors, "standardise"), vectors) - expected).max() < 1e-4


def test_standardise_leaves_values_that_never_change_alone():
    vectors = space().astype(np.float64)
    vectors[:, 3] = 7.25
    vectors[:, 4] = 7.25 + 1e-8 * vectors[:, 0]  # but for rounding
    geometry = TargetGeometry.fit(vectors, "standardise")
    assert np.abs(apply(geometry, vectors)[:, 3:5]).max() < 1e-6
    assert (geometry.scale_D[3:5] == 1).all()


@pytest.mark.parametrize("dim", DIMS)
def test_phi_s_gives_every_axis_variance_one_and_keeps_the_shape(dim):
    vectors = space(dim=dim)
    mapped = apply(TargetGeometry.fit(vectors, "phi_s"), vectors)
    assert np.abs(mapped.mean(0)).max() < 1e-4
    assert np.abs(mapped.var(0) - 1).max() < 1e-4
    spread = np.sqrt(vectors.astype(np.float64).var(0).mean())
    distances = np.linalg.norm(vectors[1:].astype(np.float64) - vectors[0], axis=1)
    assert np.linalg.norm(mapped[1:] - mapped[0], axis=1) == pytest.approx(distances / spread, rel=1e-4)


@pytest.mark.parametrize("dim", DIMS)
def test_the_rotation_is_orthogonal_flat_and_equalises(dim):
    variance = np.geomspace(1, 1e-9, dim)
    rotation = equalising_rotation(variance)
    assert np.abs(rotation @ rotation.T - np.eye(dim)).max() < 1e-12
    assert np.abs(rotation).max() < np.sqrt(2 / dim) + 1e-12
    assert np.square(rotation) @ variance == pytest.approx(np.full(dim, variance.mean()), rel=1e-12)
    if dim in (2, 8, 64):
        assert np.array_equal(rotation * np.sqrt(dim) > 0, hadamard(dim) > 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "rank"), [(500, 3), (5, 4), (500, 12)])
def test_the_way_back_also_from_spaces_of_low_rank(kind, count, rank):
    vectors = space(count, rank=rank)
    geometry = TargetGeometry.fit(vectors, kind)
    mapped = geometry(torch.from_numpy(vectors))
    assert torch.isfinite(mapped).all()
    assert (geometry.invert(mapped) - torch.from_numpy(vectors)).abs().max() < 2e-4
    somewhere = torch.randn(9, 12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(geometry(geometry.invert(somewhere)), somewhere, atol=3e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_vectors_have_no_spread_and_do_no_harm(kind):
    geometry = TargetGeometry.fit(np.full((4, 6), 3.0, dtype=np.float16), kind)
    assert torch.allclose(geometry.invert(geometry(torch.full((1, 6), 3.0))), torch.tensor(3.0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_inverse_folds_into_the_layer_before_it(kind):
    geometry, layer = TargetGeometry.fit(space(), kind), torch.nn.Linear(5, 12)
    weight, bias = geometry.as_linear()
    folded = torch.nn.Linear(5, 12)
    with torch.no_grad():
        folded.weight.copy_(weight @ layer.weight)
        folded.bias.copy_(weight @ layer.bias + bias)
        inputs = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(folded(inputs), geometry.invert(layer(inputs)), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_give_what_the_whole_gives_and_are_read_once(kind):
    vectors = space().astype(np.float16)
    whole = TargetGeometry.fit(torch.from_numpy(vectors), kind)
    chunks = TargetGeometry.fit(iter(np.split(vectors, [1, 2, 150, 400])), kind)
    somewhere = torch.from_numpy(space(seed=1))
    # eigenvectors have a sign and thus the rotations may differ: lengths and the way back may not
    assert torch.allclose(whole(somewhere).norm(dim=1), chunks(somewhere).norm(dim=1), rtol=1e-4)
    assert torch.allclose(whole.mean_D, chunks.mean_D)
    assert torch.allclose(whole.scale_D, chunks.scale_D)


def test_a_mean_far_larger_than_the_spread_is_measured_in_float64():
    vectors = 1e5 + np.random.default_rng(0).normal(size=(4000, 3))
    geometry = TargetGeometry.fit(iter(np.array_split(vectors, 7)), "standardise")
    assert geometry.scale_D.numpy() == pytest.approx(1 / vectors.std(0), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_it_maps_alike(kind, tmp_path):
    geometry = TargetGeometry.fit(space(), kind)
    save_file(geometry.state_dict(), tmp_path / "geometry.safetensors")
    settings = json.loads(json.dumps(geometry.settings()))
    loaded = TargetGeometry.from_state(settings, load_file(tmp_path / "geometry.safetensors"))
    vectors = torch.from_numpy(space(seed=1))
    assert torch.equal(loaded(vectors), geometry(vectors))
    with pytest.raises(SondoError, match="no target geometry"):
        TargetGeometry.from_state({**settings, "dim": 13}, geometry.state_dict())
    with pytest.raises(SondoError, match="no target geometry"):
        TargetGeometry.from_state(settings, {"mean_D": geometry.mean_D})


def test_float32_under_autocast():
    vectors = torch.from_numpy(space())
    geometry = TargetGeometry.fit(vectors, "phi_s")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mapped = geometry(vectors)
        assert torch.equal(mapped, geometry(vectors))
        assert mapped.dtype == torch.float32
        back = geometry.invert(mapped)
    assert torch.equal(back, geometry.invert(geometry(vectors)))


@pytest.mark.parametrize(
    ("vectors", "kind", "message"),
    [
        (np.zeros((5, 3)), "whiten", "whiten.*none, centre, standardise, phi_s"),
        (np.zeros((1, 3)), "centre", "at least 2 vectors, not 1"),
        (iter([]), "phi_s", "not 0"),
        (np.array([[0.0, np.nan], [1.0, 1.0]]), "phi_s", "NaN"),
    ],
)
def test_what_cannot_be_measured_is_refused(vectors, kind, message):
    with pytest.raises(SondoError, match=message):
        TargetGeometry.fit(vectors, kind)
