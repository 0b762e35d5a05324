"""The official files: every label of a segment, and what is wrong said with its place."""

import json

import pytest

from sondo.audioset import Segment, read_labels, read_segments
from sondo.audioset.lists import fetch_labels, fetch_segments
from sondo.errors import SondoError


def test_every_label_of_a_segment_is_read(files, capsys):
    segments = read_segments(files / "balanced_train_segments.csv")
    assert segments[0] == Segment("--PJHxphWEs", 30.0, 40.0, ("/m/09x0r", "/t/dd00088"))
    assert [len(segment.mids) for segment in segments] == [2, 1, 3, 3]
    assert (segments[3].start_s, segments[3].end_s) == (2.5, 12.5)
    assert capsys.readouterr().err == ""  # as many as the list promises at its top


def test_a_list_that_is_not_whole_is_told(files, capsys):
    path = files / "balanced_train_segments.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert len(read_segments(path)) == 3
    assert "promises 4 segments with 9 labels; 3 with 6 are there" in capsys.readouterr().err


def test_the_spelling_of_copies_is_read_too(tmp_path):
    (tmp_path / "eval.csv").write_text(
        'YTID,start_seconds,end_seconds,positive_labels\n-0mjrMposBM,80,90,"/m/a,/m/b"\n'
    )
    assert read_segments(tmp_path / "eval.csv") == [Segment("-0mjrMposBM", 80.0, 90.0, ("/m/a", "/m/b"))]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("#NAME?,30,40,/m/09x0r", "line 2: a spreadsheet has put #NAME"),
        ("--PJHxphWEs, 30, 40, /m/09x0r,/t/dd00088", "line 2: 5 fields"),
        ("PJHxphWEs, 30, 40, /m/09x0r", "line 2: 'PJHxphWEs' is no name of a video"),
        ("--PJHxphWEs, 30, soon, /m/09x0r", "line 2: '30' to 'soon' are no seconds"),
        ("--PJHxphWEs, 30, 30, /m/09x0r", "line 2: no part of a video goes from 30 s to 30 s"),
        ("--PJHxphWEs, 30, inf, /m/09x0r", "line 2: no part of a video"),
        ('--PJHxphWEs, 30, 40, ""', "line 2: has no label"),
        ("# YTID", "lists no segment"),
    ],
)
def test_a_line_that_is_no_segment_is_named(tmp_path, line, message):
    (tmp_path / "eval.csv").write_text(f"# a comment\n{line}\n")
    with pytest.raises(SondoError, match=message):
        read_segments(tmp_path / "eval.csv")


def test_labels_have_names_and_indices(files, tmp_path):
    labels = read_labels(files / "class_labels_indices.csv")
    assert (labels["/t/dd00088"].name, labels["/t/dd00088"].index) == ("Gush", 451)
    (tmp_path / "ontology.json").write_text(json.dumps([{"id": "/m/0dgw9r", "name": "Human sounds", "child_ids": []}]))
    label = read_labels(tmp_path / "ontology.json")["/m/0dgw9r"]
    assert (label.name, label.index) == ("Human sounds", None)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "id,name\n1,x\n", "expected the columns index, mid, display_name"),
        ("a.csv", "index,mid,display_name\n0,/m/a,A\n1,/m/a,B\n", "line 3: /m/a is there twice"),
        ("a.csv", "index,mid,display_name\nx,/m/a,A\n", "line 2: expected an index"),
        ("a.csv", "index,mid,display_name\n", "has no label"),
        ("a.json", '{"id": "/m/a"}', "not AudioSet's ontology"),
        ("a.json", "[", "not AudioSet's ontology"),
    ],
)
def test_labels_that_are_none_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(SondoError, match=message):
        read_labels(tmp_path / name)


def test_the_official_lists_are_downloaded_once(server, files):
    for _ in range(2):
        assert fetch_segments("balanced_train").read_bytes() == (files / "balanced_train_segments.csv").read_bytes()
        assert fetch_labels().read_bytes() == (files / "class_labels_indices.csv").read_bytes()
    assert server.asked == ["/v1/csv/balanced_train_segments.csv", "/v1/csv/class_labels_indices.csv"]
    with pytest.raises(SondoError, match=r"eval_segments\.csv could not be downloaded.*HTTP 404"):
        fetch_segments("eval")
