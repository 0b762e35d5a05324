"""Published S-SONDO checkpoints: files in their layout give a student's own vectors, others give one sentence."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

import sondo
from sondo.errors import SondoError
from sondo.students import create
from sondo.students.published import PUBLISHED, load_published

SEEDED = runpy.run_path(str(Path(__file__).parents[1] / "golden" / "student_recipe.py"))["seeded_weights"]
STUDENTS = {
    "mobilenetv3": {
        "model_name": "mn10_im",
        "width_mult": 0.1,
        "strides": (2, 2, 2, 2),
        "reduced_tail": False,
        "dilated": False,
        "relu_only": False,
        "se_dims": "c",
        "se_agg": "max",
        "se_r": 4,
    },
    "dymn": {"model_name": "dymn10_im", "width_mult": 0.1, "strides": (2, 2, 2, 2), "pretrain_final_temp": 30.0},
    "eres2net": {
        "model_name": "ERes2Net",
        "m_channels": 8,
        "feat_dim": 128,
        "num_blocks": [3, 4, 6, 3, 3],
        "pooling_func": "TSTP",
        "add_layer": True,
    },
}
OPTIONS = {
    "mobilenetv3": {"width_mult": 0.1},
    "dymn": {"width_mult": 0.1, "temperature": 30},
    "eres2net": {"width_mult": 0.5},
}


def content(name, **changes):
    """A checkpoint in the published layout, its student and its head, with weights that give values near one."""
    torch.manual_seed(0)
    student = create(name, **OPTIONS[name]).eval()
    own = student.backbone.state_dict()
    shapes = {key: tuple(value.shape) for key, value in own.items() if not key.endswith(("lambdas", "init_v"))}
    student.backbone.load_state_dict(own | {key: torch.from_numpy(value) for key, value in SEEDED(shapes).items()})
    head = student.make_projector(12).eval()
    state = {f"student_model.model.{key}": value for key, value in student.backbone.state_dict().items()}
    state |= {f"student_model.classification_head.{key}": value for key, value in head.state_dict().items()}
    state["loss.temperature"] = torch.ones(1)
    config = {
        "student_model": {"sr": 32000, **STUDENTS[name]} | changes,
        "classification_head": {"head_type": "mlp", "n_classes": 12, "pooling": "mean"},
        "preprocess": {
            "logmelspec": {"win_len": 0.032, "hop_len": 0.016, "n_mels": 128, "f_min": 50, "f_max": None},
            "slice_audio": {"win_len": 10, "step_size": 10},
        },
        "optimizer_args": {"betas": (0.9, 0.999)},
    }
    return {"training_config": config, "state_dict": state, "epoch": 3}, student, head


@pytest.fixture
def noise():
    return torch.from_numpy((0.1 * np.random.default_rng(0).standard_normal((1, 25 * 32000))).astype(np.float32))


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.slow
def test_a_published_file_gives_its_own_student(name, tmp_path, noise):
    saved, student, head = content(name)
    torch.save(saved, tmp_path / "x.ckpt")
    found, found_head = load_published(tmp_path / "x.ckpt")
    with torch.inference_mode():
        wanted = student(noise)
        assert torch.equal(found(noise), wanted)
        assert torch.equal(found_head(wanted), head(wanted))
    assert "MIT" in found.licence
    model = sondo.load(tmp_path / "x.ckpt")
    np.testing.assert_allclose(
        model.embed(noise[0].numpy(), sample_rate=32000), wanted[0], rtol=1e-4, atol=1e-4 * float(wanted.std())
    )


def test_compat_counts_full_windows_alone(tmp_path, noise):
    saved, student, _ = content("mobilenetv3")
    torch.save(saved, tmp_path / "x.ckpt")
    model = sondo.load(tmp_path / "x.ckpt", compat="ssondo")
    with torch.inference_mode():
        full = (student(noise[:, :320_000]) + student(noise[:, 320_000:640_000])) / 2
        torch.testing.assert_close(model.student(noise), full)
    found = model.embed(noise[0].numpy(), sample_rate=32000)
    np.testing.assert_allclose(found, full[0], atol=1e-5)
    assert not np.allclose(found, sondo.load(tmp_path / "x.ckpt").embed(noise[0].numpy(), sample_rate=32000), atol=1e-6)
    assert model.space_id != sondo.load(tmp_path / "x.ckpt").space_id
    assert model.embed_segments(noise[0].numpy(), sample_rate=32000).shape == (2, 96)
    with pytest.raises(SondoError, match="leave compat out"):
        model.embed(noise[0, :32000].numpy(), sample_rate=32000)
    with pytest.raises(SondoError, match="leave compat out"):
        model.student(noise[:, :32000])


def test_a_missing_temperature_is_one(tmp_path):
    saved, _, _ = content("dymn")
    del saved["training_config"]["student_model"]["pretrain_final_temp"]
    torch.save(saved, tmp_path / "x.ckpt")
    assert load_published(tmp_path / "x.ckpt")[0].options == {"width_mult": 0.1}


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("mobilenetv3", {"width_mult": 0.4}, "does not fit the mobilenetv3 .width_mult 0.4.*another shape"),
        ("mobilenetv3", {"se_dims": "cf"}, "student_model.se_dims is 'cf'"),
        ("dymn", {"strides": (2, 2, 1, 1)}, "student_model.strides is .2, 2, 1, 1."),
        ("eres2net", {"pooling_func": "ASTP"}, "student_model.pooling_func is 'ASTP'"),
        ("eres2net", {"m_channels": None}, "does not say m_channels"),
        ("mobilenetv3", {"sr": None}, "does not say sr"),
    ],
)
def test_another_architecture_is_named(name, changes, message, tmp_path):
    torch.save(content(name, **changes)[0], tmp_path / "x.ckpt")
    with pytest.raises(SondoError, match=message):
        load_published(tmp_path / "x.ckpt")


def test_what_is_no_published_checkpoint_is_named(tmp_path):
    saved, student, _ = content("mobilenetv3")
    torch.save(student.backbone.state_dict(), tmp_path / "bare.pt")
    with pytest.raises(
        SondoError, match="no S-SONDO checkpoint: it lacks training_config and state_dict.*--student.init"
    ):
        sondo.load(tmp_path / "bare.pt")
    renamed = {key.replace("student_model.", "net."): value for key, value in saved["state_dict"].items()}
    torch.save(saved | {"state_dict": renamed}, tmp_path / "renamed.ckpt")
    with pytest.raises(SondoError, match="no tensor student_model.model"):
        sondo.load(tmp_path / "renamed.ckpt")
    del saved["state_dict"]["student_model.classification_head.mlp.3.weight"]
    torch.save(saved, tmp_path / "headless.ckpt")
    with pytest.raises(SondoError, match="not the paper's two linear layers"):
        sondo.load(tmp_path / "headless.ckpt")
    (tmp_path / "cut.ckpt").write_bytes((tmp_path / "bare.pt").read_bytes()[:5000])
    with pytest.raises(SondoError, match="truncated, damaged"):
        sondo.load(tmp_path / "cut.ckpt")
    with pytest.raises(SondoError, match="no file of weights"):
        sondo.load(tmp_path / "absent.ckpt")


def test_short_names_are_the_files_of_the_hub(tmp_path, monkeypatch):
    saved, _, _ = content("dymn")
    torch.save(saved, tmp_path / "m2d_dymn.ckpt")
    asked = []
    monkeypatch.setattr(
        "sondo.students.published.fetch_hub", lambda ref: asked.append(ref) or tmp_path / "m2d_dymn.ckpt"
    )
    model = sondo.load("m2d-dymn")
    sondo.load("hf://mohammedali2501/ssondo/m2d_dymn.ckpt")
    assert asked == ["hf://mohammedali2501/ssondo/m2d_dymn.ckpt"] * 2
    assert model.student.teacher["name"] == "M2D"
    assert "evaluation only" in model.licence
    assert sorted(PUBLISHED) == [f"{t}-{s}" for t in ("m2d", "matpac") for s in ("dymn", "eres2net", "mobilenetv3")]
    with pytest.raises(SondoError, match="no published one has that name: there is matpac-mobilenetv3"):
        sondo.load("matpac-mobilenet")
