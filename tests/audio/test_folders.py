"""The sound files in folders: which are listed, and what is said of the others."""

import os
from pathlib import Path

import pytest

from sondo.audio.decode import AudioError, load_audio
from sondo.audio.folders import list_audio_files, sounds_of
from sondo.errors import SondoError


def test_files_are_listed_sorted_without_hidden_ones_or_loops(tmp_path):
    for name in ("b.wav", "a/z.MP3", "a/deep/y.m4a", ".hidden.wav", ".git/x.wav", "notes.txt", "video.webm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in list_audio_files(tmp_path)]
    assert found == ["a/deep/y.m4a", "a/z.MP3", "b.wav", "video.webm"]
    with pytest.raises(SondoError, match="no such folder"):
        list_audio_files(tmp_path / "gone")
    with pytest.raises(SondoError, match="not a folder"):
        list_audio_files(tmp_path / "b.wav")


def test_a_name_that_is_not_utf_8_is_passed_over_and_said(tmp_path, capsys):
    (tmp_path / "good.wav").touch()
    bad = tmp_path / os.fsdecode(b"b\xff.wav")
    try:
        bad.touch()
    except OSError:
        pytest.skip("this file system has UTF-8 names alone")
    assert list_audio_files(tmp_path) == [tmp_path / "good.wav"]
    assert "b\\xff.wav: its name is not UTF-8" in capsys.readouterr().err
    with pytest.raises(AudioError, match=r"b\\xff.wav: its name is not UTF-8, .*: rename it"):
        load_audio(bad)


def test_a_folder_that_cannot_be_opened_is_said(closed_folder, capsys):
    (closed_folder.parent / "b.wav").touch()
    assert list_audio_files(closed_folder.parent) == [closed_folder.parent / "b.wav"]
    assert f"passed over: {closed_folder} cannot be opened (Permission denied)" in capsys.readouterr().err
    with pytest.raises(SondoError, match=r"closed cannot be opened \(Permission denied\)"):
        list_audio_files(closed_folder)


def test_that_nothing_was_found_names_what_could_not_be_opened(closed_folder):
    with pytest.raises(SondoError, match=r"no audio in .*; folders there that could not be opened: 1, see above"):
        sounds_of([closed_folder.parent])
    closed_folder.rename(closed_folder.parent.parent / "elsewhere")
    with pytest.raises(SondoError, match=r"no audio in [^;]*$"):
        sounds_of([closed_folder.parent])


def test_files_among_folders_are_taken_as_they_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.wav").touch()
    (tmp_path / "odd.name").touch()
    assert sounds_of([tmp_path / "odd.name", tmp_path / "a"]) == [tmp_path / "odd.name", tmp_path / "a" / "b.wav"]


def test_files_that_were_named_and_are_not_there_are_named_together(tmp_path):
    (tmp_path / "a.wav").touch()
    gone = [tmp_path / name for name in ("b.wav", "a.wav/c.wav", "d", "e.wav", "f.wav", "g.wav")]
    with pytest.raises(SondoError, match=f"^there is no {gone[0]}, {gone[1]}: name files"):
        sounds_of([tmp_path / "a.wav", *gone[:2]])
    with pytest.raises(SondoError, match=r"f\.wav and 1 more:"):
        sounds_of([tmp_path / "a.wav", *gone])


def test_a_file_that_may_not_be_looked_at_is_not_taken_for_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_dir", lambda self: False)
    monkeypatch.setattr(Path, "stat", lambda self: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert sounds_of([tmp_path / "closed.wav"]) == [tmp_path / "closed.wav"]
