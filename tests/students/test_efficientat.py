"""EfficientAT's weights as a start: the right names, strict loading, and its own values."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sondo.errors import SondoError
from sondo.students import create
from sondo.students.efficientat import WEIGHTS, efficientat_weights, start_from, student_options
from sondo.weights import sha256_of


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SONDO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SONDO_OFFLINE", "1")


def put(name, width):
    """A file of the right layout where the download would be."""
    torch.manual_seed(3)
    kind = "dymn" if name.startswith("dymn") else "mobilenetv3"
    backbone = create(kind, width_mult=width).backbone
    state = backbone.state_dict() | {"classifier.2.weight": torch.ones(2, 2), "classifier.5.bias": torch.ones(2)}
    path = WEIGHTS[name].path
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path, backbone


@pytest.mark.parametrize(
    ("name", "student", "width"),
    [("mn04_as", "mobilenetv3", 0.4), pytest.param("dymn04_im", "dymn", 0.4, marks=pytest.mark.slow)],
)
def test_a_file_in_its_place_fills_the_network(name, student, width):
    path, wanted = put(name, width)
    made = create(student, width_mult=width, **student_options(f"efficientat/{name}"))
    note = start_from(made.backbone, f"efficientat/{name}", student_name=student, width_mult=width)
    assert note == {
        "init": f"efficientat/{name}",
        "init_source": f"https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/{path.name}",
        "init_sha256": sha256_of(path),
        "init_licence": "MIT",
    }
    assert json.loads(json.dumps(note)) == note
    for key, value in made.backbone.state_dict().items():
        assert torch.equal(value, wanted.state_dict()[key])


def test_a_file_by_its_path_and_a_width_that_does_not_fit(tmp_path):
    path, _ = put("mn01_im", 0.1)
    start_from(create("mobilenetv3", width_mult=0.1).backbone, path, student_name="mobilenetv3", width_mult=0.1)
    wide = create("mobilenetv3", width_mult=0.2).backbone
    with pytest.raises(SondoError, match=r"mn01_im.pt does not fit a mobilenetv3 of width 0.2: .*another shape"):
        start_from(wide, path, student_name="mobilenetv3", width_mult=0.2)


@pytest.mark.parametrize(
    ("name", "student", "width", "message"),
    [
        ("mn10_im", "mobilenetv3", 0.4, "width 1 and this student 0.4: take --student.init efficientat/mn04_im or"),
        ("mn10_im", "dymn", 1.0, "this student is dymn: take --student mobilenetv3, or --student.init null for"),
        ("mn10_in", "mobilenetv3", 1.0, "no weights 'mn10_in'.*mn10_im"),
        ("mn10_as_hop_15", "mobilenetv3", 1.0, "no weights 'mn10_as_hop_15'.*mn10_as"),
        ("mn10_im", "mobilenetv3", 0.36, "this student 0.36: take --student.width_mult 1, or --student.init null for"),
        ("dymn04_as", "eres2net", 1.0, "is a dymn, this student is eres2net"),
    ],
)
def test_what_does_not_match_is_said_before_any_download(name, student, width, message):
    backbone = create("mobilenetv3", width_mult=0.1).backbone
    with pytest.raises(SondoError, match=message):
        start_from(backbone, f"efficientat/{name}", student_name=student, width_mult=width)


def test_without_network_the_message_says_where_to_put_the_file(tmp_path):
    backbone = create("mobilenetv3", width_mult=0.1).backbone
    address = "github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn01_as_mAP_298.pt"
    with pytest.raises(SondoError, match=f"get https://{address} .*put it there as {tmp_path}/home/files/{address}"):
        start_from(backbone, "efficientat/mn01_as", student_name="mobilenetv3", width_mult=0.1)


def test_the_temperature_of_a_dymn_follows_its_weights():
    """ImageNet's ended at 30, AudioSet's at 1; nothing in the file tells them apart."""
    assert student_options("efficientat/dymn10_im") == {"temperature": 30}
    assert [student_options(name) for name in ("efficientat/dymn10_as", "efficientat/mn10_im", None)] == [{}, {}, {}]
    put("dymn04_im", 0.4)
    with pytest.raises(
        SondoError, match="dymn04_im was trained with temperature 30 and this student has 1: make it wi"
    ):
        start_from(
            create("dymn", width_mult=0.4).backbone, "efficientat/dymn04_im", student_name="dymn", width_mult=0.4
        )


def test_only_the_classifier_is_left_out(tmp_path):
    path, backbone = put("mn01_im", 0.1)
    tensors, note = efficientat_weights(path)
    assert set(tensors) == set(backbone.state_dict())
    assert note["init"] == note["init_source"] == str(path)
    torch.save(torch.load(path) | {"head.weight": torch.ones(2)}, tmp_path / "more.pt")
    with pytest.raises(SondoError, match=r"it has unknown head.weight"):
        start_from(backbone, tmp_path / "more.pt", student_name="mobilenetv3", width_mult=0.1)


def test_names_and_files_are_those_of_the_release():
    """A few by hand from the tables in EfficientAT's `models/mn/model.py` and `models/dymn/model.py`."""
    assert len(WEIGHTS) == 22
    assert {name[-3:] for name in WEIGHTS} == {"_im", "_as"}
    assert all(
        file.file_name.startswith(name) and file.url.endswith(f"/{file.file_name}") for name, file in WEIGHTS.items()
    )
    assert WEIGHTS["mn10_as"].file_name == "mn10_as_mAP_471.pt"
    assert WEIGHTS["dymn20_as"].file_name == "dymn20_as_mAP_493.pt"


def test_a_file_in_upstreams_layout_gives_its_embeddings(recipe, tmp_path):
    """The golden EfficientAT mn10: its keys and seeded weights, its output for the same input."""
    golden = Path(__file__).parents[1] / "golden"
    case = json.loads((golden / "student_mn10.json").read_text())
    shapes = {
        key.removeprefix("model."): shape for key, shape in case["student"]["tensors"].items() if "features" in key
    }
    weights = recipe.seeded_weights(shapes | case["efficientat"]["dropped"])
    path = WEIGHTS["mn10_as"].path
    path.parent.mkdir(parents=True)
    torch.save({key: torch.from_numpy(value) for key, value in weights.items()}, path)
    backbone = create("mobilenetv3").backbone.eval()
    start_from(backbone, "efficientat/mn10_as", student_name="mobilenetv3", width_mult=1.0)
    with torch.inference_mode():
        found = backbone(torch.from_numpy(recipe.golden_normal(**case["efficientat"]["input"]))).mean((2, 3)).numpy()
    with np.load(golden / "student_mn10.npz") as file:
        assert np.abs(found - file["efficientat.embeddings"]).max() <= case["efficientat"]["max_abs"]
