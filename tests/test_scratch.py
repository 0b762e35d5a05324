"""Files that are whole or not there, whoever else writes them."""

import os
import time

import pytest

from sondo.scratch import replacing


def test_two_that_write_one_place_each_leave_a_file_of_their_own(tmp_path):
    place = tmp_path / "x.onnx"
    with replacing(place) as first, replacing(place) as second:
        first.write_text("first")
        second.write_text("second")
        assert first.suffix == second.suffix == ".onnx"
        assert not place.exists()
    assert place.read_text() == "first"  # it ended last
    assert os.listdir(tmp_path) == ["x.onnx"]


def test_what_fails_leaves_the_place_as_it_was(tmp_path):
    place = tmp_path / "x.json"
    place.write_text("before")
    with pytest.raises(UnicodeEncodeError), replacing(place) as scratch:
        scratch.write_text("half\udc80", encoding="utf-8")
    assert place.read_text() == "before"
    assert os.listdir(tmp_path) == ["x.json"]


def test_what_a_kill_left_goes_a_day_later_and_not_while_it_may_be_written(tmp_path):
    old, young, of_another = (tmp_path / f".{name}.writing.json" for name in ("x.00000000", "x.11111111", "y.00000000"))
    for left in (old, young, of_another):
        left.touch()
    two_days_ago = time.time() - 2 * 24 * 3600
    for left in (old, of_another):
        os.utime(left, (two_days_ago, two_days_ago))
    with replacing(tmp_path / "x.json") as scratch:
        scratch.write_text("{}")
    assert sorted(os.listdir(tmp_path)) == [young.name, of_another.name, "x.json"]
