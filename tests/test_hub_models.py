"""A repository of the hub wherever a model is named; with the hub's own client, on its cache as it leaves one."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("lance", reason="needs the extra search")

import sondo
from sondo.bench.subject import Subject, open_model
from sondo.classifier.encoder import open_encoder
from sondo.classifier.words import words_head
from sondo.cli import main
from sondo.evaluate.contender import open_contender
from sondo.export.verify import compare
from sondo.exporting import export_run
from sondo.search import build, query
from sondo.students import save
from sondo.verification import verify_file

COMMIT = "c" * 40
MODEL = "me/model"


@pytest.fixture
def repository(exported, tmp_path, monkeypatch):
    """The snapshot of me/model in the hub's cache, which has everything but the exported file; and no network."""
    monkeypatch.setenv("SONDO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SONDO_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    root = tmp_path / "hub" / "models--me--model"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    folder = root / "snapshots" / COMMIT
    save(exported.student, folder, projector=exported.student.make_projector(24).eval())
    monkeypatch.chdir(tmp_path)
    return folder


def test_embed(repository, sound_folder, exported):
    main(["embed", MODEL, str(sound_folder / "0.wav"), "--out", "e.npz"])
    found = sondo.read_embeddings("e.npz")
    assert found.space_id == exported.student.space_id
    np.testing.assert_allclose(found.vectors[0], sondo.load(repository).embed(sound_folder / "0.wav"), rtol=1e-5)


@pytest.mark.parametrize("teacher_space", [False, True])
def test_an_index_is_built_and_asked(repository, sound_folder, teacher_space):
    build(sound_folder, "index.lance", model=MODEL, teacher_space=teacher_space)
    assert query("index.lance", sound_folder / "3.wav", model=f"hf://{MODEL}", k=1)[0].uri.endswith("3.wav")
    if not teacher_space:  # the index knows who made it
        assert query("index.lance", sound_folder / "2.wav", k=1)[0].uri.endswith("2.wav")


@pytest.mark.slow
def test_a_file_is_exported_and_compared(repository, exported, monkeypatch, networks_once, half_a_second, tmp_path):
    with networks_once(), half_a_second():
        assert export_run(MODEL, tmp_path / "out" / "student.onnx").is_file()
    with pytest.raises(sondo.SondoError, match="where to write me/model"):
        export_run(MODEL)
    monkeypatch.setattr(compare, "__kwdefaults__", compare.__kwdefaults__ | {"lengths_s": (0.5,)})
    _, report = verify_file(tmp_path / "out" / "student.onnx", against=MODEL)
    assert report is not None
    assert report.passed


@pytest.mark.slow
def test_its_file_is_verified(repository, exported, half_a_second, monkeypatch, capsys):
    with pytest.raises(sondo.SondoError, match=r"me/model .*could not be had.*student\.onnx"):
        verify_file(f"hf://{MODEL}")
    shutil.copy(exported.path, repository)
    monkeypatch.setattr(compare, "__kwdefaults__", compare.__kwdefaults__ | {"lengths_s": (0.5,)})
    for name in (MODEL, f"hf://{MODEL}/student.onnx"):
        checks, report = verify_file(name)
        assert all(check.passed for check in checks)
        assert report is not None
        assert report.passed
    assert "the report is not kept" in capsys.readouterr().err
    assert not (repository / "student.onnx.json").exists()  # what is in that cache is the hub's
    (repository / "config.json").unlink()
    assert verify_file(f"hf://{MODEL}/student.onnx")[1] is None


@pytest.mark.slow
def test_a_classifier_is_put_on_top(repository, exported, networks_once, half_a_second):
    with networks_once(), half_a_second(), open_encoder(MODEL) as made:
        assert made.path.is_file()
        assert made.path.parent != repository
    assert not made.path.exists()
    shutil.copy(exported.path, repository)  # as `hf://me/model/student.onnx` leaves it
    with open_encoder(MODEL) as there:
        assert there.path == repository / "student.onnx"
    assert there.path.exists()


def test_words_are_read_through_its_mapping_head(repository):
    told = {"name": "m2d", "fingerprint": "f", "logit_scale": 20.0}
    reader = SimpleNamespace(**told, embed_text=lambda texts: np.eye(24)[: len(texts)])
    assert words_head(MODEL, ["dog", "rain"], teacher=reader).words.shape == (24, 2)


def test_it_is_scored_and_measured(repository):
    assert open_contender(MODEL).name == MODEL
    subject = Subject(name=MODEL, model=open_model(MODEL, threads=1, allow_code=False))
    assert subject.num_bytes == (repository / "model.safetensors").stat().st_size
