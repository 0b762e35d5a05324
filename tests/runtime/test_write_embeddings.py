"""Embeddings in files."""

import csv
import json
import os
import sys

import numpy as np
import pytest

from sondo.errors import MissingExtraError, SondoError
from sondo.runtime import SpaceMismatchError, check_same_space, write_embeddings
from sondo.runtime.write import check_writable

NAMES = ["a, b.wav", "ünï.flac", 'quoted "c".mp3']
VECTORS = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)


def test_npz(tmp_path):
    path = write_embeddings(tmp_path / "e.npz", NAMES, VECTORS, space_id="space-1")
    with np.load(path, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["embeddings"], VECTORS)
        assert stored["names"].tolist() == NAMES
        assert str(stored["space_id"]) == "space-1"


def test_npy_with_json_beside(tmp_path):
    path = write_embeddings(tmp_path / "e.npy", NAMES, VECTORS, space_id="space-1")
    np.testing.assert_array_equal(np.load(path), VECTORS)
    assert json.loads((tmp_path / "e.json").read_text("utf-8")) == {"space_id": "space-1", "names": NAMES}


def test_csv_reads_back_exactly(tmp_path):
    path = write_embeddings(tmp_path / "e.csv", NAMES, VECTORS, space_id="space-1")
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["name", "space_id", "e0", "e1", "e2", "e3", "e4"]
    assert [row[0] for row in rows] == NAMES
    assert {row[1] for row in rows} == {"space-1"}
    np.testing.assert_array_equal(np.array([row[2:] for row in rows], dtype=np.float32), VECTORS)


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra train")
    path = write_embeddings(tmp_path / "e.parquet", NAMES, VECTORS, space_id="space-1")
    table = parquet.read_table(path)
    assert table.column("name").to_pylist() == NAMES
    np.testing.assert_array_equal(np.array(table.column("embedding").to_pylist(), np.float32), VECTORS)
    assert table.schema.metadata[b"space_id"] == b"space-1"


def test_nothing_is_left_beside_and_an_older_file_is_replaced(tmp_path):
    for _ in range(2):
        write_embeddings(tmp_path / "e.npz", NAMES, VECTORS, space_id="s")
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


def test_unknown_extension_and_missing_folder(tmp_path):
    with pytest.raises(SondoError, match=r"e\.txt.*\.npz, \.npy, \.csv, \.parquet"):
        write_embeddings(tmp_path / "e.txt", NAMES, VECTORS, space_id="s")
    with pytest.raises(SondoError, match="no folder"):
        write_embeddings(tmp_path / "gone" / "e.npz", NAMES, VECTORS, space_id="s")
    with pytest.raises(SondoError, match="2 names and vectors of shape"):
        write_embeddings(tmp_path / "e.npz", NAMES[:2], VECTORS, space_id="s")


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'pip install "sondo\[train\]"'):
        check_writable(tmp_path / "e.parquet")


def test_what_is_there_is_not_replaced_unasked(tmp_path):
    write_embeddings(tmp_path / "e.npy", NAMES, VECTORS, space_id="s")
    (tmp_path / "e.npy").unlink()
    with pytest.raises(SondoError, match=r"e\.json is there already.*--overwrite .in Python overwrite=True"):
        check_writable(tmp_path / "e.npy")
    check_writable(tmp_path / "e.npy", overwrite=True)


def test_spaces():
    check_same_space("a", "a")
    with pytest.raises(SpaceMismatchError, match="two spaces, 'a' and 'b'"):
        check_same_space("a", "b")
    for pair in (("", "a"), ("", "")):
        with pytest.raises(SpaceMismatchError, match="no space id"):
            check_same_space(*pair)


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are there on Linux alone")
def test_names_that_are_not_utf_8_are_written_where_that_can_be(tmp_path):
    place = tmp_path / os.fsdecode(b"o\xff")
    for extension in (".npz", ".npy", ".csv"):
        assert write_embeddings(place.with_suffix(extension), NAMES, VECTORS, space_id="space-1").exists()
    with pytest.raises(SondoError, match=r"o\\xff.parquet: its name is not UTF-8, name another place"):
        check_writable(place.with_suffix(".parquet"))
