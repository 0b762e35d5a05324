"""DyMN against the published code's values, names and sizes."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from sondo.errors import SondoError
from sondo.students import create
from sondo.students.dymn import DyMN
from sondo.students.dymn_blocks import DynamicConv, DynamicDepthwiseConv, DynamicReLU

GOLDEN = Path(__file__).parents[1] / "golden"
CASE = json.loads((GOLDEN / "student_dymn10.json").read_text())
STUDENT, EFFICIENTAT = CASE["student"], CASE["efficientat"]
scaled_weights = runpy.run_path(str(GOLDEN / "student_scaled_recipe.py"))["scaled_weights"]
CONSTANTS = ("lambdas", "init_v")  # part of every checkpoint, drawn in none of the golden ones


@pytest.fixture(scope="module")
def wanted():
    with np.load(GOLDEN / "student_dymn10.npz") as file:
        return dict(file)


def fill(module, recipe, case, *, prefix="", others=()):
    """Load seeded weights; equal fingerprints mean equal names, shapes and values."""
    shapes = {f"{prefix}{key}": tuple(value.shape) for key, value in module.state_dict().items()}
    shapes = {key: shape for key, shape in shapes.items() if not key.endswith(CONSTANTS)}
    weights = scaled_weights(recipe, {**shapes, **dict(others)}, case["scales"])
    assert recipe.same(recipe.fingerprint(weights), case["fingerprint"])
    state = module.state_dict() | {key.removeprefix(prefix): torch.from_numpy(weights[key]) for key in shapes}
    module.load_state_dict(state)
    return weights


@pytest.fixture(scope="module")
def network(recipe):
    """A backbone with golden weights: in a new one the context moves almost nothing."""
    made = DyMN(temperature=30.0)
    fill(made, recipe, EFFICIENTAT, others=EFFICIENTAT["dropped"])
    return made.eval()


def log_mel(batch, frames, seed=0):
    return torch.randn(batch, 1, 128, frames, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
def test_ten_seconds_give_the_published_values(recipe, wanted):
    student = create("dymn", temperature=30.0).eval()
    projector = student.make_projector(3840).eval()
    head = {f"classification_head.{key}": tuple(value.shape) for key, value in projector.state_dict().items()}
    weights = fill(student.backbone, recipe, STUDENT, prefix="model.", others=head)
    projector.load_state_dict({key.split(".", 1)[1]: torch.from_numpy(weights[key]) for key in head})
    run = dict(STUDENT["run"])
    mean_abs = run.pop("mean_abs")
    audio = recipe.golden_batch(**run)
    assert np.abs(audio.astype(np.float64)).mean() == pytest.approx(mean_abs, rel=1e-9)
    with torch.inference_mode():
        embedding = student(torch.from_numpy(audio))
        projected = projector(embedding)
    limits = STUDENT["max_abs"]
    assert np.abs(embedding.numpy() - wanted["10s.embeddings"][:, 0]).max() <= limits["10s.embeddings"]
    assert np.abs(projected.numpy() - wanted["10s.projected"]).max() <= limits["10s.projected"]


def test_efficientat_keys_are_the_backbones_and_give_its_values(recipe, network, wanted):
    with torch.inference_mode():
        features = network(torch.from_numpy(recipe.golden_normal(**EFFICIENTAT["input"])))
    found = features.mean((2, 3)).numpy()
    assert np.abs(found - wanted["efficientat.embeddings"]).max() <= EFFICIENTAT["max_abs"]


@pytest.mark.parametrize(("width", "backbone", "head"), [(0.4, 1_493_768, 2_167_040), (1.0, 8_643_312, 6_149_120)])
def test_sizes_are_the_published_ones(width, backbone, head):
    with torch.device("meta"):
        student = create("dymn", width_mult=width)
        projector = student.make_projector(3840)
    assert student.num_params == backbone
    assert sum(parameter.numel() for parameter in projector.parameters()) == head


@pytest.mark.parametrize("width", [0.1, 0.25, 0.7, 1.5, 2.0])
def test_any_width_builds_with_the_features_that_it_says(width):
    with torch.inference_mode():
        network = DyMN(width_mult=width).eval()
        stages = network.stages(torch.zeros(1, 1, 64, 40))
    assert tuple(stage.shape[1] for stage in stages) == network.stage_features
    assert network.stage_features[-1] == network.num_features
    assert stages[-1].shape[2:] == (2, 2)


@pytest.mark.parametrize("frames", [5, 16, 17, 31, 40])
def test_short_sound_gives_a_finite_map(network, frames):
    with torch.inference_mode():
        features = network(log_mel(1, frames))
    assert features.shape == (1, 960, 4, -(-frames // 32))
    assert torch.isfinite(features).all()


def test_a_clip_is_mapped_alone_as_in_a_batch(network):
    clips = log_mel(3, 130)
    with torch.inference_mode():
        together = network(clips).mean((2, 3))
        alone = torch.cat([network(clip[None]) for clip in clips]).mean((2, 3))
    assert (together - alone).abs().max() <= 1e-5
    assert (together[0] - together[1]).abs().max() > 1e-2


def test_a_dynamic_convolution_is_the_mixture_of_its_four():
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm2d(6, eps=1e-3)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    pointwise = DynamicConv(5, 6, context=3, temperature=2.0)
    depthwise = DynamicDepthwiseConv(6, context=3, kernel=3, stride=2, temperature=2.0)
    context = torch.randn(2, 3)
    for layer, features, options in (
        (pointwise, torch.randn(2, 5, 4, 7), {}),
        (depthwise, torch.randn(2, 6, 4, 7), {"stride": 2, "padding": 1, "groups": 6}),
    ):
        shares = torch.softmax(layer.residuals(context) / 2.0, dim=1)
        kernels = layer.weight.view(4, *layer.shape)
        each = torch.stack([torch.conv2d(features, kernel, **options) for kernel in kernels])
        mixture = torch.einsum("bk,kbchw->bchw", shares, each)
        torch.testing.assert_close(layer(features, context, norm.eval()), norm(mixture), rtol=1e-4, atol=1e-5)
        found = layer(features, context, norm.train())
        torch.testing.assert_close(found, norm(mixture), rtol=1e-4, atol=1e-5)


def test_a_dynamic_relu_of_an_empty_context_net_is_a_relu_of_slopes_one_and_zero():
    activation = DynamicReLU(3, context=2)
    for parameter in activation.parameters():
        torch.nn.init.zeros_(parameter)
    features = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(activation(features, torch.randn(2, 2)), features.relu())


def test_every_parameter_learns():
    network = DyMN(width_mult=0.1).train()
    network(log_mel(2, 64)).square().mean().backward()
    idle = [
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert not idle


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width_mult": 0.0}, "width_mult"),
        ({"width_mult": float("nan")}, "width_mult"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
    ],
)
def test_options_that_make_no_network_are_refused(options, message):
    with pytest.raises(SondoError, match=message):
        DyMN(**options)


@pytest.mark.slow
def test_the_exported_graph_gives_the_same_vector_at_any_length(network):
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from sondo.export.network import OPSET, network_graph

    student = create("dymn", temperature=30.0).eval()
    student.backbone.load_state_dict(network.state_dict())
    graph = network_graph(student, min_frames=5, max_frames=624)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for frames in (5, 77, 624):
        clip = log_mel(1, frames)[:, 0]
        (found,) = session.run(None, {session.get_inputs()[0].name: clip.numpy()})
        with torch.inference_mode():
            vector = student.embed_log_mel(clip).numpy()
        assert np.abs(found - vector).max() <= 1e-5 * max(1.0, np.abs(vector).max())
