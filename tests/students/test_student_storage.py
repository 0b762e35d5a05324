"""A student on disk: what was saved comes back, and what is damaged is named."""

import json
import os

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

import sondo
from sondo.errors import SondoError
from sondo.students import TorchModel, load, load_projector, save

TEACHER = {"name": "m2d", "fingerprint": "abc", "licence": "NTT evaluation only"}


@pytest.fixture
def folder(student, tmp_path):
    projector = student.make_projector(20)
    return save(student, tmp_path / "student", projector=projector, info={"teacher": TEACHER})


def test_a_round_trip_changes_nothing(student, folder):
    audio = torch.linspace(-1, 1, 8000)[None]
    again = load(folder)
    assert not again.training
    assert torch.equal(again(audio), student(audio))
    assert again.space_id == student.space_id
    assert again.licence == "NTT evaluation only"
    assert again.options == {"width_mult": 0.1}
    projector = load_projector(folder)
    assert projector.embedding_dim == 20
    assert projector(again(audio)).shape == (1, 20)


def test_weights_lie_under_the_published_names(folder):
    weights = load_file(folder / "model.safetensors")
    assert "model.features.5.block.2.conc_se_layers.0.fc1.weight" in weights
    assert all(key.startswith("model.features.") for key in weights)
    assert set(load_file(folder / "projector.safetensors")) == {
        f"mlp.{i}.{n}" for i in (0, 3) for n in ("weight", "bias")
    }


def test_others_may_read_the_weights_as_far_as_the_umask_says(student, tmp_path):
    before = os.umask(0o022)
    try:
        folder = save(student, tmp_path / "s", projector=student.make_projector(3))
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o644"}


def test_a_student_without_a_head_has_none(student, tmp_path):
    assert load_projector(save(student, tmp_path / "s")) is None


def test_the_card_names_the_licence_that_the_teacher_hands_down(folder, student):
    card = (folder / "README.md").read_text()
    assert "NTT evaluation only" in card
    assert "m2d" in card
    assert student.space_id in card


def test_channels_last_weights_are_saved_as_well(student, tmp_path):
    before = student.space_id
    student.backbone.to(memory_format=torch.channels_last)
    assert student.space_id == before
    assert load(save(student, tmp_path / "s")).space_id == before


def test_a_student_is_not_replaced_in_silence(student, folder):
    with pytest.raises(SondoError, match="overwrite"):
        save(student, folder)
    save(student, folder, overwrite=True)
    assert load_projector(folder) is None


def test_what_could_not_be_loaded_is_not_saved(student, tmp_path):
    student.compat = "ssondo"
    with pytest.raises(SondoError, match="no compat='ssondo': load the student without it"):
        save(student, tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_the_space_changes_with_weights_teacher_and_size_alone(student, recipe):
    first = student.space_id
    assert first.startswith("mobilenetv3-0.1.untaught.96d.")
    student.train()
    assert student.space_id == first
    student.info = {"teacher": TEACHER, "training": {"clips": 3}}
    taught = student.space_id
    assert ".m2d." in taught
    student.info = {"teacher": {**TEACHER, "fingerprint": "abd"}}
    assert student.space_id != taught
    student.info = {}
    with torch.no_grad():
        student.backbone.features[0][0].weight[0, 0, 0, 0] += 1e-3
    assert student.space_id != first


def _edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _drop_a_tensor(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["model.features.0.0.weight"]
    save_file(weights, folder / "model.safetensors")


def _change_a_value(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.features.0.0.weight"] += 1
    save_file(weights, folder / "model.safetensors")


def _rename_a_tensor(folder):
    weights = load_file(folder / "model.safetensors")
    weights["other.weight"] = torch.zeros(1)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json"),
        (lambda f: (f / "config.json").write_text("{"), "config.json.*damaged"),
        (lambda f: (f / "config.json").write_text("[]"), "no format version"),
        (lambda f: _edit(f, format=2), "format version 2"),
        (lambda f: _edit(f, student={"name": "dynm", "options": {}}), "config.json.*dynm"),
        (lambda f: _edit(f, student={"name": "dymn", "options": {}}), "does not fit.*lacks backbone.in_c"),
        (
            lambda f: _edit(f, student={"name": "mobilenetv3", "options": {"width_mult": 0.4}}),
            "model.safetensors.*shape",
        ),
        (lambda f: _edit(f, front_end={"n_fft": 1024}), "config.json.*missing"),
        (lambda f: _edit(f, info=None), "config.json.*damaged"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x80\x04pickle"), "model.safetensors cannot be read"),
        (
            lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]),
            "cannot be read",
        ),
        (_drop_a_tensor, r"model.safetensors.*lacks backbone.features.0.0.weight"),
        (_rename_a_tensor, "unknown other.weight"),
        (_change_a_value, "does not belong"),
    ],
)
def test_damage_is_named(folder, damage, message):
    damage(folder)
    with pytest.raises(SondoError, match=message):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(folder, monkeypatch, name):
    monkeypatch.setattr(os, "access", lambda path, mode: os.path.basename(path) != name)
    with pytest.raises(SondoError, match=f"{name} may not be read: permission denied"):
        load(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SondoError, match="nowhere is not there"):
        load(tmp_path / "nowhere")


def test_a_missing_head_is_named(folder):
    (folder / "projector.safetensors").unlink()
    with pytest.raises(SondoError, match=r"projector.safetensors is missing"):
        load_projector(folder)


def test_sondo_load_embeds_a_file_with_the_student(student, folder, tmp_path):
    audio = (0.1 * np.random.default_rng(0).standard_normal(400_000)).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", audio, 32000, subtype="FLOAT")
    model = sondo.load(folder)
    assert isinstance(model, TorchModel)
    assert (model.space_id, model.licence, model.sample_rate) == (student.space_id, "NTT evaluation only", 32000)
    with torch.inference_mode():
        expected = student(torch.from_numpy(audio)[None])[0].numpy()
    np.testing.assert_allclose(model.embed(tmp_path / "x.wav"), expected, rtol=1e-4, atol=1e-5)
    assert model.embed_segments(tmp_path / "x.wav").shape == (2, 96)


@pytest.mark.slow
def test_a_compiled_student_and_head_are_saved_as_what_they_wrap(student, tmp_path):
    head = student.make_projector(20)
    folder = save(torch.compile(student), tmp_path / "s", projector=torch.compile(head), info={"teacher": TEACHER})
    audio = torch.linspace(-1, 1, 8000)[None]
    assert torch.equal(load(folder)(audio), student(audio))
    assert torch.equal(load_projector(folder).mlp[0].weight, head.mlp[0].weight)
    assert student.info == {"teacher": TEACHER}
