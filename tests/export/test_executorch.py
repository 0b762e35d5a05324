"""A student as a .pte file: the student's own vectors at any length, in float32; close ones in int8."""

import json
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from phone_sounds import noise, own, tones
from torch import nn

import sondo
from sondo.errors import SondoError
from sondo.students import TorchModel, create

executorch = pytest.importorskip("sondo.export.executorch")
pytestmark = pytest.mark.slow


class Small(nn.Module):
    """Someone's own network, exported in seconds."""

    def __init__(self):
        super().__init__()
        widths = (1, 8, 8, 16, 64, 64)
        self.layers = nn.Sequential()
        for channels, out in pairwise(widths):
            self.layers.extend([nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.ReLU()])

    def forward(self, log_mel):
        return self.layers(log_mel).mean((2, 3))


@pytest.fixture(scope="module", autouse=True)
def installed():
    """Looked for here, as importing it takes seconds."""
    pytest.importorskip("executorch.exir", reason="the extra executorch is not installed")


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return own(Small())


@pytest.fixture(scope="module")
def made(small, tmp_path_factory):
    return executorch.to_executorch(small, tmp_path_factory.mktemp("pte") / "small.pte", clips=[noise(40_000)])


def test_it_gives_the_students_vectors_whatever_the_length(small, made):
    model, wanted = sondo.load(made), TorchModel(small)
    for samples in (3200, 50_001, 320_000, 500_000):
        audio = noise(2, samples, seed=samples)
        np.testing.assert_allclose(
            model.embed(audio, sample_rate=32000), wanted.embed(audio, sample_rate=32000), rtol=1e-4, atol=1e-5
        )


def test_what_another_process_is_sent_opens_the_file_again(made):
    model, audio = sondo.load(made), noise(3200)
    sent = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(sent.embed(audio, sample_rate=32000), model.embed(audio, sample_rate=32000))


def test_it_says_what_it_is_and_how_well_it_agrees(small, made):
    model = sondo.load(made)
    assert (model.space_id, model.licence, model.embedding_dim) == (small.space_id, small.licence, 64)
    report = json.loads(made.with_name("small.pte.json").read_text())
    assert report["passed"]
    assert {case["seconds"] for case in report["cases"]} == {0.1, 0.3, 1.0, 1.25, 3.7, 10.0, 12.5}


def test_int8_is_smaller_close_and_needs_sound(small, made, tmp_path):
    with pytest.raises(SondoError, match="8 clips or more"):
        executorch.to_executorch(small, tmp_path / "int8.pte", precision="int8", sound=tones(7))
    path = executorch.to_executorch(
        small, tmp_path / "int8.pte", precision="int8", sound=tones(8), clips=tones(8, seconds=1.5)[::2]
    )
    assert path.stat().st_size < made.stat().st_size
    report = json.loads(path.with_name("int8.pte.json").read_text())
    assert (report["precision"], report["judged"]) == ("int8", "real clips")
    assert 0.99 <= report["judged_cosine"] < 1 - 1e-7


def test_a_file_that_does_not_agree_is_not_left(small, tmp_path):
    with pytest.raises(SondoError, match="does not agree with torch"):
        executorch.to_executorch(small, tmp_path / "small.pte", threshold=1.1)
    assert not list(tmp_path.iterdir())


def test_it_replaces_nothing_unasked(small, made):
    before = made.read_bytes()
    with pytest.raises(SondoError, match="is there already"):
        executorch.to_executorch(small, made)
    with pytest.raises(SondoError, match=r"something\.pte"):
        executorch.to_executorch(small, made.with_suffix(".onnx"))
    assert made.read_bytes() == before


def test_what_is_no_file_of_ours_is_refused(made, tmp_path):
    damaged = tmp_path / "damaged.pte"
    damaged.write_bytes(b"no program")
    with pytest.raises(SondoError, match="cannot open it"):
        sondo.load(damaged)
    from executorch.exir import to_edge

    program = torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),))
    foreign = tmp_path / "foreign.pte"
    foreign.write_bytes(to_edge(program).to_executorch().buffer)
    with pytest.raises(SondoError, match="not one that `sondo export` wrote"):
        sondo.load(foreign)
    with pytest.raises(SondoError, match="leave threads out"):
        sondo.load(made, threads=2)


@pytest.mark.parametrize(("kind", "width"), [("mobilenetv3", 0.1), ("dymn", 0.1), ("eres2net", 0.25)])
def test_every_student_can_be_exported(kind, width, recipe, tmp_path):
    student = create(kind, width_mult=width, readout="multilevel_stats").eval()
    shapes = {key: tuple(value.shape) for key, value in student.backbone.state_dict().items()}
    student.backbone.load_state_dict({k: torch.from_numpy(v) for k, v in recipe.seeded_weights(shapes).items()})
    path = executorch.to_executorch(student, tmp_path / "student.pte")
    assert json.loads(path.with_name("student.pte.json").read_text())["smallest_cosine"] > 0.9999
