"""Tables of sounds and labels: what is no CSV is said so, wherever in the file that shows."""

import pytest

from sondo.bank import ingest
from sondo.csv_rows import read_columns, read_rows
from sondo.errors import SondoError

NOT_UTF8 = r"m\.csv: not a CSV file in UTF-8 .*Save it again"


@pytest.mark.parametrize("rows_before", [0, 5000])  # at the top, and behind what is decoded at once
def test_another_encoding_is_named_and_what_to_do(tmp_path, rows_before):
    table = tmp_path / "m.csv"
    table.write_bytes(b"path,label\n" + b"a.wav,cat\n" * rows_before + "b.wav,Käuzchen\n".encode("latin-1"))
    for read in (lambda: read_rows(table, needed=("path",)), lambda: ingest(tmp_path / "b.lance", manifest=table)):
        with pytest.raises(SondoError, match=NOT_UTF8):
            read()
    assert not (tmp_path / "b.lance").exists()


def test_a_cell_without_end_is_no_csv(tmp_path):
    (tmp_path / "m.csv").write_text("path,label\na.wav," + "x" * 200_000)
    with pytest.raises(SondoError, match=NOT_UTF8):
        read_rows(tmp_path / "m.csv", needed=())


def test_an_empty_file_has_no_columns_and_no_rows(tmp_path):
    (tmp_path / "m.csv").touch()
    assert read_columns(tmp_path / "m.csv") == ()
    with pytest.raises(SondoError, match="no rows"):
        read_rows(tmp_path / "m.csv", needed=())


def test_blank_lines_of_a_spreadsheet_are_no_rows(tmp_path):
    (tmp_path / "m.csv").write_text("path,label\na.wav,cat\n,\n , \n\n")
    assert read_rows(tmp_path / "m.csv", needed=("path",)) == [{"path": "a.wav", "label": "cat"}]


@pytest.mark.parametrize("second", ["label", "Label "])
def test_a_column_that_is_there_twice_is_refused(tmp_path, second):
    (tmp_path / "m.csv").write_text(f"path,label,,{second},\na.wav,cat,,dog,\n")
    with pytest.raises(SondoError, match="the column label is there 2 times: keep one"):
        read_rows(tmp_path / "m.csv", needed=("path",))


@pytest.mark.parametrize(("mark", "named"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_of_columns_are_named(tmp_path, mark, named):
    (tmp_path / "m.csv").write_text(f"path{mark}label\na.wav{mark}cat\n")
    with pytest.raises(SondoError, match=f"no column path, label; .* It looks separated by {named}"):
        read_rows(tmp_path / "m.csv", needed=("path", "label"))
