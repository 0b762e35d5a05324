"""Downloads against a server of our own: whole, resumed, changed, refused."""

import hashlib
import json
import os
import threading

import pytest

from sondo.errors import SondoError
from sondo.weights import RemoteFile, fetch, home, is_here, sha256_of

CONTENT = bytes(range(256)) * 8192  # 2 MiB


def remote(server, name="x.pt", **options):
    return RemoteFile(url=server.address(name), file_name=name, licence="MIT", **options)


def test_a_file_is_fetched_once_and_its_hash_recorded(server, capsys):
    file = remote(server)
    assert not is_here(file)
    path = fetch(file)
    assert path.read_bytes() == CONTENT
    assert path == fetch(file) == home() / "files" / "127.0.0.1" / "x.pt"
    assert is_here(file)
    assert server.ranges == [None]
    said = capsys.readouterr().err
    assert "licence MIT" in said
    assert said.count("trusted on first use") == 1
    known = json.loads((home() / "hashes.json").read_text())[file.url]
    assert known["sha256"] == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("takes_ranges", [True, False])
def test_a_broken_download_goes_on(server, takes_ranges):
    server.stop_after = 1_000_000
    with pytest.raises(
        SondoError, match=r"connection ended after 1,000,000 of 2,097,152 bytes|could not be downloaded"
    ):
        fetch(remote(server))
    server.stop_after, server.takes_ranges = None, takes_ranges
    assert fetch(remote(server)).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-"]


def test_a_leftover_longer_than_the_file_is_thrown_away(server):
    part = remote(server).path.with_name("x.pt.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT + b"more")
    assert fetch(remote(server)).read_bytes() == CONTENT


def test_a_file_that_changed_is_refused_until_it_is_accepted(server):
    file = remote(server)
    path = fetch(file)
    path.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(SondoError, match="not the file that it was: .*recorded when it was first used"):
        fetch(file)
    (home() / "hashes.json").unlink()
    assert fetch(file).read_bytes() == CONTENT[::-1]


def test_a_published_hash_decides(server):
    with pytest.raises(SondoError, match=f"the one published is {'0' * 64}. It was deleted"):
        fetch(remote(server, sha256="0" * 64))
    assert not is_here(remote(server))
    fetch(remote(server, sha256=hashlib.sha256(CONTENT).hexdigest()))


def test_a_file_put_there_by_hand_is_taken(server, monkeypatch):
    file = remote(server, "absent.pt")
    with pytest.raises(SondoError, match=rf"HTTP 404.*get {file.url} .*put it there as {file.path}"):
        fetch(file)
    monkeypatch.setenv("SONDO_OFFLINE", "1")
    with pytest.raises(SondoError, match="the network is off"):
        fetch(file)
    file.path.write_bytes(b"by hand")
    assert fetch(file).read_bytes() == b"by hand"


def test_a_file_that_changed_while_it_was_broken_off_is_fetched_anew(server):
    """Else a mixture of both would be trusted on first use."""
    server.stop_after = 1_000_000
    with pytest.raises(SondoError, match="another try goes on where this one stopped"):
        fetch(remote(server))
    server.stop_after, server.content = None, server.content[::-1]
    assert fetch(remote(server)).read_bytes() == CONTENT[::-1]
    assert server.ranges == [None, "bytes=1000000-"]


def test_without_a_tag_nothing_is_resumed(server):
    server.has_tags, server.stop_after = False, 1_000_000
    with pytest.raises(SondoError, match="connection ended"):
        fetch(remote(server))
    server.stop_after = None
    assert fetch(remote(server)).read_bytes() == CONTENT
    assert server.ranges == [None, None]


def test_a_whole_leftover_is_used(server):
    """As after a kill between the last byte and the new name."""
    part = remote(server).path.with_name("x.pt.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    part.with_name("x.pt.part.etag").write_text(f'"{hashlib.sha256(CONTENT).hexdigest()}"')
    path = fetch(remote(server))
    assert path.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]
    assert sorted(item.name for item in path.parent.iterdir() if item.suffix != ".lock") == ["x.pt"]


def test_a_cached_file_that_changed_is_refused_until_its_entry_is_removed(server):
    file = remote(server)
    path = fetch(file)
    path.write_bytes(b"changed")
    with pytest.raises(SondoError, match=r'not the file that it was.*remove the entry "http.*hashes.json'):
        fetch(file)
    assert path.read_bytes() == b"changed"
    known = json.loads((home() / "hashes.json").read_text())
    del known[file.url]
    (home() / "hashes.json").write_text(json.dumps(known))
    assert fetch(file) == path
    assert server.ranges == [None]


def test_a_file_is_hashed_again_only_when_it_was_touched(server, monkeypatch):
    file = remote(server)
    path = fetch(file)
    hashed = []
    monkeypatch.setattr("sondo.weights.download.sha256_of", lambda path: hashed.append(path) or sha256_of(path))
    fetch(file)
    assert not hashed
    os.utime(path, ns=(1, 1))
    fetch(file)
    fetch(file)
    assert hashed == [path]


def test_a_hash_that_is_published_later_counts_more_than_the_first_use(server):
    fetch(remote(server))
    with pytest.raises(SondoError, match=f"the one published is {'0' * 64}. Delete it to download it again$"):
        fetch(remote(server, sha256="0" * 64))


def test_two_at_once_fetch_one_file(server):
    paths, file = [], remote(server)
    threads = [threading.Thread(target=lambda: paths.append(fetch(file))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [file.path] * 4
    assert server.ranges == [None]


def test_two_addresses_with_one_file_name_do_not_meet(server):
    first = fetch(remote(server))
    server.content = b"other"
    other = fetch(RemoteFile(url=server.address("me/a%2Bb/x.pt"), file_name="x.pt"))
    assert (first.read_bytes(), other.read_bytes()) == (CONTENT, b"other")
    assert other == home() / "files" / "127.0.0.1" / "me" / "a+b" / "x.pt"


def test_a_web_page_is_not_trusted(server):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(SondoError, match="web page instead"):
        fetch(remote(server))
    assert not is_here(remote(server))
    assert not (home() / "hashes.json").exists()


@pytest.mark.parametrize("name", ["SONDO_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_asks_nobody(server, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    with pytest.raises(SondoError, match="x.pt is not here and the network is off"):
        fetch(remote(server))
    assert server.ranges == []


def test_the_licence_and_what_to_know_of_it_are_said_first(server, capsys):
    server.stop_after = 0
    with pytest.raises(SondoError):
        fetch(remote(server, licence_note="not for profit", source="Me et al."))
    assert "Me et al.; its licence MIT (not for profit)" in capsys.readouterr().err


def test_no_server_and_damaged_records_are_said(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(SondoError, match=r"x.pt could not be downloaded \(.*refused.*put it there as"):
        fetch(remote(server))
    (home() / "hashes.json").write_text("{")
    remote(server).path.write_bytes(b"x")
    with pytest.raises(SondoError, match="hashes.json is damaged"):
        fetch(remote(server))


def test_the_cache_folder(monkeypatch, tmp_path):
    assert home() == tmp_path / "home"
    monkeypatch.delenv("SONDO_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert str(home()) == "/cache/sondo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/me")
    assert str(home()) == "/me/.cache/sondo"


def test_a_cache_that_cannot_be_written_to(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SONDO_HOME", str(tmp_path / "file"))
    with pytest.raises(SondoError, match="cannot be written to .*SONDO_HOME"):
        fetch(remote(server))
