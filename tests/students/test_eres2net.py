"""ERes2Net and its temporal statistics against the published code's values, names and sizes."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from sondo.errors import SondoError
from sondo.students import create
from sondo.students.eres2net import AttentionalFusion, ERes2Net, TemporalStatistics

GOLDEN = Path(__file__).parents[1] / "golden"
CASE = json.loads((GOLDEN / "student_eres2net16.json").read_text())["student"]
scaled_weights = runpy.run_path(str(GOLDEN / "student_scaled_recipe.py"))["scaled_weights"]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ERes2Net(channels=4).eval()


def log_mel(batch, frames, seed=0):
    return torch.randn(batch, 1, 128, frames, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
def test_ten_seconds_give_the_published_values(recipe):
    student = create("eres2net").eval()
    projector = student.make_projector(3840).eval()
    parts = {"model.": student.backbone, "classification_head.": projector}
    shapes = {
        f"{prefix}{key}": tuple(value.shape)
        for prefix, part in parts.items()
        for key, value in part.state_dict().items()
    }
    weights = scaled_weights(recipe, shapes, CASE["scales"])
    assert recipe.same(recipe.fingerprint(weights), CASE["fingerprint"])  # equal names, shapes and values
    for prefix, part in parts.items():
        part.load_state_dict({key: torch.from_numpy(weights[f"{prefix}{key}"]) for key in part.state_dict()})
    run = dict(CASE["run"])
    mean_abs = run.pop("mean_abs")
    audio = recipe.golden_batch(**run)
    assert np.abs(audio.astype(np.float64)).mean() == pytest.approx(mean_abs, rel=1e-9)
    with torch.inference_mode():
        embedding = student(torch.from_numpy(audio))
        projected = projector(embedding)
    with np.load(GOLDEN / "student_eres2net16.npz") as wanted:
        assert np.abs(embedding.numpy() - wanted["10s.embeddings"][:, 0]).max() <= CASE["max_abs"]["10s.embeddings"]
        assert np.abs(projected.numpy() - wanted["10s.projected"]).max() <= CASE["max_abs"]["10s.projected"]


@pytest.mark.parametrize(
    ("width", "backbone", "head", "dimension"), [(1.0, 1_368_068, 6_231_040, 1024), (1.5, 3_068_310, 6_886_400, 1536)]
)
def test_sizes_are_the_published_ones(width, backbone, head, dimension):
    with torch.device("meta"):
        student = create("eres2net", width_mult=width)
        projector = student.make_projector(3840)
    assert (student.num_params, student.embedding_dim) == (backbone, dimension)
    assert sum(parameter.numel() for parameter in projector.parameters()) == head


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 7, 16, 32])
def test_any_number_of_channels_builds_with_the_features_that_it_says(channels):
    with torch.inference_mode():
        network = ERes2Net(channels=channels, mels=64).eval()
        stages = network.stages(torch.zeros(1, 1, 64, 40))
    assert tuple(stage.shape[1] for stage in stages) == network.stage_features
    assert network.num_features == network.stage_features[-1] == 4 * channels
    assert stages[-1].shape[2:] == (4, 3)


@pytest.mark.parametrize("frames", [5, 15, 16, 17, 33, 40])
def test_short_sound_gives_a_finite_vector(network, frames):
    with torch.inference_mode():
        features = network(log_mel(1, frames))
        vector = TemporalStatistics()(features)
    assert features.shape == (1, 16, 8, -(-frames // 16))
    assert vector.shape == (1, 2 * 16 * 8)
    assert torch.isfinite(vector).all()


def test_a_clip_is_mapped_alone_as_in_a_batch(network):
    clips = log_mel(3, 130)
    with torch.inference_mode():
        together = network(clips)
        alone = torch.cat([network(clip[None]) for clip in clips])
    assert (together - alone).abs().max() <= 1e-5 * together.std()


def test_statistics_are_those_of_numpy_and_a_single_column_has_no_deviation():
    maps = torch.randn(2, 3, 4, 9, generator=torch.Generator().manual_seed(0))
    mean, deviation = TemporalStatistics()(maps).reshape(2, 2, 3, 4).unbind(1)
    np.testing.assert_allclose(mean.numpy(), maps.numpy().mean(3), atol=1e-6)
    np.testing.assert_allclose(deviation.numpy(), np.sqrt(maps.numpy().var(3, ddof=1) + 1e-8), rtol=1e-5)
    column = maps[..., :1].clone().requires_grad_()
    vector = TemporalStatistics()(column)
    torch.testing.assert_close(vector[:, 12:], torch.full((2, 12), 1e-4))
    vector.sum().backward()
    assert torch.isfinite(column.grad).all()


def test_a_fusion_weighs_both_maps_by_one_attention():
    torch.manual_seed(0)
    fusion = AttentionalFusion(8).eval()
    first, second = torch.randn(2, 2, 8, 3, 5)
    weight = 1 + torch.tanh(fusion.local_att(torch.cat([first, second], dim=1)))
    torch.testing.assert_close(fusion(first, second), first * weight + second * (2 - weight), rtol=1e-5, atol=1e-6)


def test_activations_clip_at_twenty_but_for_the_first(network):
    seen = {}
    handles = [
        part.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output.max().item()}))
        for name, part in (("bn1", network.bn1), ("layer1", network.layer1), ("layer4", network.layer4))
    ]
    with torch.inference_mode():
        network(1000 * log_mel(1, 32))
    for handle in handles:
        handle.remove()
    assert seen["bn1"] > 20
    assert seen["layer1"] == 20
    assert seen["layer4"] <= 20


def test_every_parameter_learns(network):
    trained = ERes2Net(channels=4).train()
    trained.load_state_dict(network.state_dict())
    TemporalStatistics()(trained(log_mel(2, 64))).square().mean().backward()
    idle = [name for name, parameter in trained.named_parameters() if parameter.grad is None]
    assert not idle


@pytest.mark.parametrize(
    ("options", "message"),
    [({"channels": 0}, "channels"), ({"channels": -1}, "channels"), ({"mels": 40}, "mels"), ({"mels": 0}, "mels")],
)
def test_options_that_make_no_network_are_refused(options, message):
    with pytest.raises(SondoError, match=message):
        ERes2Net(**options)


@pytest.mark.slow
def test_the_exported_graph_gives_the_same_vector_at_any_length():
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from sondo.export.network import OPSET, network_graph

    torch.manual_seed(0)
    student = create("eres2net", width_mult=0.25).eval()
    graph = network_graph(student, min_frames=5, max_frames=624)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for frames in (5, 77, 624):
        clip = log_mel(1, frames)[:, 0]
        (found,) = session.run(None, {session.get_inputs()[0].name: clip.numpy()})
        with torch.inference_mode():
            vector = student.embed_log_mel(clip).numpy()
        assert np.abs(found - vector).max() <= 1e-5 * max(1.0, np.abs(vector).max())
