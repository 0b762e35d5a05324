"""A student in a repository of the hub: what names one, what is downloaded of it, what is said where there is none."""

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import errors

import sondo
from sondo.errors import MissingExtraError, SondoError
from sondo.runtime import OnnxModel
from sondo.students import TorchModel, load_projectors, save
from sondo.students import load as load_student
from sondo.weights import home, located
from sondo.weights.layout import weight_files


@pytest.fixture
def hub(exported, tmp_path, monkeypatch):
    """A hub of one repository, me/model, of two commits; the branch can move between two downloads."""
    state = SimpleNamespace(main="aaa", moves_to=None, asked=[])
    source = save(exported.student, tmp_path / "source", projector=exported.student.make_projector(5))
    shutil.copy(exported.path, source)

    def download(repository, name, revision=None):
        state.asked.append((repository, name, revision))
        commit = state.main if revision in (None, "main") else revision
        state.main = state.moves_to or state.main
        if repository != "me/model" or commit not in ("aaa", "bbb"):
            raise errors.RepositoryNotFoundError.__new__(errors.RepositoryNotFoundError)  # it wants a server's answer
        if not (source / name).is_file():
            raise errors.EntryNotFoundError.__new__(errors.EntryNotFoundError)
        path = tmp_path / "cache" / "snapshots" / commit / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, path)
        return str(path)

    def model_info(_, repository, **options):
        state.questions += 1
        if repository != "me/model":
            raise errors.RepositoryNotFoundError.__new__(errors.RepositoryNotFoundError)

    state.source, state.questions = source, 0
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda url: None)
    monkeypatch.chdir(tmp_path)
    return state


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setattr("sondo.weights.repository.find_spec", lambda name: None if name == "torch" else find_spec(name))


@pytest.mark.parametrize("name", ["hf://me/model", "me/model", "me/model@aaa", "hf://me/model@main", "hf://me/model/"])
def test_a_repository_opens_like_a_runs_folder(hub, exported, name):
    model = sondo.load(name)
    assert isinstance(model, TorchModel)
    assert model.space_id == exported.student.space_id
    assert [file for _, file, _ in hub.asked] == ["config.json", "model.safetensors", "projector.safetensors"]


def test_without_torch_it_is_the_exported_file(hub, no_torch, exported):
    model = sondo.load("me/model")
    assert isinstance(model, OnnxModel)
    assert model.space_id == exported.student.space_id
    assert hub.asked == [("me/model", "student.onnx", None)]
    (hub.source / "student.onnx").unlink()
    with pytest.raises(SondoError, match=r"student.onnx.*no such file; without torch that file.*sondo\[train\]"):
        sondo.load("hf://me/model@bbb")


def test_a_file_of_a_repository_may_have_a_revision(hub):
    assert isinstance(sondo.load("hf://me/model/student.onnx@bbb"), OnnxModel)
    assert hub.asked == [("me/model", "student.onnx", "bbb")]


def test_the_commit_of_the_first_use_stays_and_is_asked_for(hub):
    located("me/model")
    hub.main = "bbb"
    assert located("hf://me/model").name == "aaa"
    assert located("hf://me/model@main").name == "bbb"
    assert json.loads((home() / "revisions.json").read_text())["me/model"]["revision"] == "aaa"


def test_all_files_are_of_one_commit_though_the_branch_moves(hub):
    hub.moves_to = "bbb"
    assert located("me/model@main").name == "aaa"
    assert [revision for _, _, revision in hub.asked] == ["main", "aaa", "aaa"]


def test_students_and_their_heads_are_read_from_there_too(hub, exported):
    assert load_student("hf://me/model").space_id == exported.student.space_id
    assert [head.embedding_dim for head in load_projectors("hf://me/model")] == [5]


def test_what_lies_here_is_never_looked_for_there(hub, exported, tmp_path):
    save(exported.student, tmp_path / "me" / "model")
    assert sondo.load("me/model").space_id == exported.student.space_id
    with pytest.raises(
        SondoError, match=r"no me/modle: did you mean me/model\? \(me is here.*that name would be hf://me/modle"
    ):
        sondo.load("me/modle")
    with pytest.raises(SondoError, match=r"there is no me/quite_another \(me is here"):
        sondo.load("me/quite_another")
    assert (hub.asked, hub.questions) == ([], 0)


@pytest.mark.parametrize("name", ["runs/x.onnx", "runs/x.ckpt", "./runs/x", "a/b/c", "runs", "~/x", "/no/x"])
def test_a_path_is_not_taken_for_a_repository(hub, name):
    with pytest.raises(SondoError):
        sondo.load(name)
    assert (hub.asked, hub.questions) == ([], 0)


def test_a_mistyped_path_looks_like_a_repository_so_both_are_named(hub):
    with pytest.raises(
        SondoError, match=r"^there is no runs/frist here, and it could not be had from the Hugging Face hub"
    ):
        sondo.load("runs/frist")
    assert (hub.asked, hub.questions) == ([], 1)  # no download is tried, over and over where there is no network
    with pytest.raises(SondoError, match=r"^hf://runs/frist could not be had .*no such repository.*login`\)$"):
        sondo.load("hf://runs/frist")


@pytest.mark.parametrize("content", ['{"model_type": "clap"}', "[]", "no JSON"])
def test_of_another_model_nothing_but_its_settings_is_downloaded(hub, content):
    (hub.source / "config.json").write_text(content)
    with pytest.raises(SondoError, match=r"me/model holds no student of sondo.*--teacher hf:me/model"):
        sondo.load("me/model")
    assert len(hub.asked) == 1


def test_a_file_that_is_missing_there_is_named(hub):
    (hub.source / "model.safetensors").unlink()
    with pytest.raises(
        SondoError, match=r"\(model.safetensors at commit aaa, recorded in .*\): .*no such file; .*hf://me/model/FILE"
    ):
        sondo.load("hf://me/model")


def test_the_hubs_client_is_an_extra_of_its_own(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # `make demo` leaves a folder `runs` in a clone
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for name in ("hf://me/model/student.onnx", "hf://me/model"):
        with pytest.raises(MissingExtraError, match=r'needs huggingface_hub.*pip install "sondo\[hub\]"'):
            sondo.load(name)
    with pytest.raises(MissingExtraError, match=r'^there is no runs/frist here; .*pip install "sondo\[hub\]"'):
        sondo.load("runs/frist")


def test_the_files_of_a_student_are_those_that_saving_writes(exported, tmp_path):
    heads = [exported.student.make_projector(5), exported.student.make_projector(6)]
    folder = save(exported.student, tmp_path / "s", projector=heads)
    config = json.loads((folder / "config.json").read_text())
    assert set(weight_files(config)) == {path.name for path in folder.glob("*.safetensors")}
    assert weight_files({"projector": None}) == ["model.safetensors"]
    assert isinstance(located(Path("nowhere.onnx")), Path)
