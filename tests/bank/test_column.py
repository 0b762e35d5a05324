"""Columns that stages add: resumed, replaced only on request, never mixed."""

import multiprocessing
import threading
import time

import numpy as np
import pyarrow as pa
import pytest

from sondo.bank import Bank, ColumnWriter, ingest
from sondo.errors import SondoError

KIND = pa.list_(pa.float16(), 2)


@pytest.fixture
def bank(sound_folder, tmp_path):
    ingest(tmp_path / "b.lance", audio=sound_folder)
    return Bank(tmp_path / "b.lance")


def fill(bank, writer, value, *, stop=None):
    """Append `value` for the rows that lack one, one row a step."""
    ids = bank.read(["clip_id"]).column(0).combine_chunks()
    for row in range(writer.done, len(bank) if stop is None else stop):
        vector = pa.FixedSizeListArray.from_arrays(pa.array(np.full(2, value, np.float16)), 2)
        writer.append(ids.slice(row, 1), vector)


def values(bank, column):
    return [entry[0] for entry in bank.read([column]).column(0).to_pylist()]


def test_a_column_is_read_by_its_dotted_name(bank):
    writer = ColumnWriter(bank, "teacher.a", KIND, {"fingerprint": "1"})
    fill(bank, writer, 1)
    writer.publish()
    assert values(bank, "teacher.a") == [1.0] * 7
    assert bank.columns("teacher") == ["teacher.a"]
    assert bank.origin("teacher.a") == {"fingerprint": "1"}
    assert bank.num_missing("teacher.a") == 0


def test_an_interrupted_column_goes_on_where_it_stopped(bank):
    fill(bank, ColumnWriter(bank, "teacher.a", KIND, {"f": "1"}), 1, stop=3)
    assert not bank.has_column("teacher.a")
    again = ColumnWriter(Bank(bank.path), "teacher.a", KIND, {"f": "1"})
    assert again.done == 3
    fill(bank, again, 2)
    again.publish()
    assert values(again.bank, "teacher.a") == [1.0] * 3 + [2.0] * 4


def test_an_unfinished_column_of_other_settings_is_dropped(bank):
    fill(bank, ColumnWriter(bank, "teacher.a", KIND, {"f": "1"}), 1, stop=3)
    assert ColumnWriter(bank, "teacher.a", KIND, {"f": "2"}).done == 0


def test_a_stale_column_is_named_and_replaced_only_on_request(bank):
    writer = ColumnWriter(bank, "teacher.a", KIND, {"f": "old"})
    fill(bank, writer, 1)
    writer.publish()
    with pytest.raises(
        SondoError, match=r"teacher\.a is stale: f was 'old', is now 'new'.*--overwrite.*--teacher\.label"
    ):
        ColumnWriter(bank, "teacher.a", KIND, {"f": "new"})
    writer = ColumnWriter(bank, "teacher.a", KIND, {"f": "new"}, overwrite=True)
    fill(bank, writer, 5)
    writer.publish()
    assert values(bank, "teacher.a") == [5.0] * 7
    assert bank.origin("teacher.a") == {"f": "new"}


def test_new_rows_get_values_and_old_ones_stay(bank, sound_folder):
    writer = ColumnWriter(bank, "teacher.a", KIND, {"f": "1"})
    fill(bank, writer, 1)
    writer.publish()
    (sound_folder / "copy.wav").write_bytes((sound_folder / "1.wav").read_bytes())
    ingest(bank.path, audio=sound_folder)
    bank.refresh()
    assert bank.num_missing("teacher.a") == 1
    writer = ColumnWriter(bank, "teacher.a", KIND, {"f": "1"})
    assert writer.done == 7
    fill(bank, writer, 3)
    writer.publish()
    assert values(bank, "teacher.a") == [1.0] * 7 + [3.0]


def test_two_columns_stand_beside_each_other(bank):
    for name, value in (("teacher.a", 1), ("teacher.b", 2), ("cluster.a.50", 3)):
        writer = ColumnWriter(bank, name, KIND, {"f": name})
        fill(bank, writer, value)
        writer.publish()
    assert values(bank, "teacher.a")[0] == 1.0
    assert values(bank, "cluster.a.50")[0] == 3.0
    assert bank.columns("teacher") == ["teacher.a", "teacher.b"]


def _hold(path, held, release):
    with Bank(path).lock():
        held.set()
        release.wait(20)


@pytest.mark.slow
def test_a_second_writer_waits_and_says_who_holds_the_bank(bank, capsys):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(bank.path, held, release))
    holder.start()
    assert held.wait(20)
    start = time.monotonic()
    releaser = threading.Timer(0.5, release.set)
    releaser.start()
    with bank.lock():
        waited = time.monotonic() - start
    holder.join()
    releaser.join()
    assert waited >= 0.4
    assert f"process {holder.pid}" in capsys.readouterr().err
