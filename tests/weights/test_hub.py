"""Files of the hub: pinned to the commit of the first use, used without a network, and errors in one sentence."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import errors

from sondo.errors import SondoError
from sondo.weights import fetch_hub, home, hub_is_here


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub of one repository with two commits; the branch moves from the first to the second."""
    state = SimpleNamespace(main="aaa", asked=[])

    def download(repository, name, revision=None):
        state.asked.append((repository, name, revision))
        if name == "gone.ckpt":
            raise ValueError("404: no such entry")
        folder = tmp_path / "hub" / "snapshots" / (revision or state.main)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("weights")
        return str(folder / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda url: None)
    return state


def test_the_commit_that_was_used_first_stays(hub):
    first = fetch_hub("hf://me/models/x.ckpt")
    hub.main = "bbb"
    assert fetch_hub("hf://me/models/x.ckpt") == first
    assert [revision for _, _, revision in hub.asked] == [None, "aaa"]
    assert "bbb" in str(fetch_hub("hf://me/models/x.ckpt@bbb"))
    assert not hub_is_here("hf://me/models/other.ckpt")


def test_hub_errors_say_how_to_do_it_by_hand(hub):
    with pytest.raises(
        SondoError, match=r"gone.ckpt of me/models .*404.*https://huggingface.co/me/models/resolve/main/gone.ckpt"
    ):
        fetch_hub("hf://me/models/gone.ckpt")
    with pytest.raises(SondoError, match="expected hf://owner/repository/file"):
        fetch_hub("hf://me/models")


@pytest.mark.parametrize(
    ("error", "asked"),
    [("ConnectError", 0), ("ConnectionError", 0), ("ConnectTimeout", 1), ("ReadTimeout", 1), ("SSLError", 1)],
)
def test_without_a_way_to_the_hub_its_client_is_not_asked_to_try_for_long(hub, monkeypatch, error, asked):
    def refuse(url):
        raise type(error, (OSError,), {})("no route")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", refuse)
    if asked:  # a slow network is the client's business
        assert fetch_hub("hf://me/models/x.ckpt")
    else:
        with pytest.raises(SondoError, match="not in the hub's cache, and the hub cannot be reached"):
            fetch_hub("hf://me/models/x.ckpt")
    assert len(hub.asked) == asked


def test_a_revision_is_taken_as_it_is_and_not_recorded(hub):
    fetch_hub("hf://me/models/x.ckpt@v1")
    fetch_hub("hf://me/models/x.ckpt", revision="v2")
    assert [revision for _, _, revision in hub.asked] == ["v1", "v2"]
    assert not (home() / "revisions.json").exists()


def test_the_commit_is_that_of_the_repository_and_said_once(hub, capsys):
    fetch_hub("hf://me/models/snapshots/odd/x.ckpt")
    hub.main = "bbb"
    fetch_hub("hf://me/models/y.ckpt")
    fetch_hub("hf://me/others/x.ckpt")
    assert [revision for _, _, revision in hub.asked] == [None, "aaa", None]
    known = json.loads((home() / "revisions.json").read_text())
    assert {key: value["revision"] for key, value in known.items()} == {"me/models": "aaa", "me/others": "bbb"}
    said = capsys.readouterr().err
    assert (said.count("commit aaa"), said.count("commit bbb")) == (1, 1)
    with pytest.raises(SondoError, match=r"at commit aaa, recorded in .*revisions.json.*resolve/aaa/gone.ckpt"):
        fetch_hub("hf://me/models/gone.ckpt")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (errors.GatedRepoError, "access on request"),
        (errors.RepositoryNotFoundError, "no such repository"),
        (errors.RevisionNotFoundError, "no such revision"),
        (errors.EntryNotFoundError, "no such file"),
        (errors.LocalEntryNotFoundError, "hub cannot be reached"),
    ],
)
def test_reasons_are_in_plain_words(hub, monkeypatch, kind, reason):
    def refuse(*arguments, **options):
        raise kind.__new__(kind)  # they want the answer of a server

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(SondoError, match=f"x.ckpt of me/models could not be had from .*{reason}.*give the file's path"):
        fetch_hub("hf://me/models/x.ckpt")


def test_offline_takes_what_the_hubs_own_cache_has(tmp_path, monkeypatch):
    """With the hub's own client, on a cache as it leaves one."""
    monkeypatch.setenv("SONDO_OFFLINE", "1")
    repository, commit = tmp_path / "hub" / "models--me--models", "c" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit / "deep").mkdir(parents=True)
    (repository / "snapshots" / commit / "deep" / "x.ckpt").write_bytes(b"weights")
    assert hub_is_here("hf://me/models/deep/x.ckpt")
    assert not hub_is_here("hf://me/models/y.ckpt")
    assert not hub_is_here("hf://me/models/deep/x.ckpt@v9")
    assert Path(fetch_hub("hf://me/models/deep/x.ckpt")).read_bytes() == b"weights"
    assert json.loads((home() / "revisions.json").read_text())["me/models"]["revision"] == commit
    (repository / "refs" / "main").write_text("d" * 40)
    assert fetch_hub("hf://me/models/deep/x.ckpt").parent.parent.name == commit
    with pytest.raises(SondoError, match="not in the hub's cache, and the hub cannot be reached"):
        fetch_hub("hf://me/models/y.ckpt")


def test_offline_is_told_to_the_hubs_client(monkeypatch):
    monkeypatch.setenv("SONDO_OFFLINE", "1")
    asked = []
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **options: asked.append(options) or "/x.ckpt")
    fetch_hub("hf://me/models/x.ckpt", revision="v1")
    assert asked == [{"revision": "v1", "local_files_only": True}]
