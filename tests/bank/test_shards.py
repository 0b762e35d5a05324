"""Parquet tables that hold the sound themselves: the same rows as from files, every label, resumed, bad rows aside."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from sondo.bank import Bank, ingest
from sondo.bank.shards import ShardReader
from sondo.distill.teach import teach
from sondo.errors import SondoError

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CONTENTS = ["clip_id", "uri", "offset_s", "duration_s", "split", "fold", "labels", "frames"]


def write_shard(path, sounds, *, rows_in_group=2, **columns):
    """A table in the layout of the hub's AudioSet copy: `video_id`, `audio`, `labels` (ids), `human_labels` (names)."""
    path.parent.mkdir(exist_ok=True)
    ids = [f"video{row:06}" for row in range(len(sounds))]
    table = pa.table({"video_id": ids, "audio": pa.array(sounds, AUDIO), **columns})
    pyarrow.parquet.write_table(table, path, row_group_size=rows_in_group)
    return path


def files_of(folder):
    """The sound of a folder in the order of an ingest, as rows."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [{"bytes": path.read_bytes(), "path": f"audio/{path.name}"} for path in files]


@pytest.fixture
def shards(sound_folder, tmp_path):
    """The six files of the sound folder in two tables; the one longer than a window is the last of the second."""
    sounds = files_of(sound_folder)
    write_shard(tmp_path / "shards" / "00.parquet", sounds[:4], rows_in_group=3)
    write_shard(tmp_path / "shards" / "01.parquet", sounds[4:])
    return tmp_path / "shards"


def rows(bank, columns=CONTENTS):
    return Bank(bank).read(columns).to_pylist()


def test_rows_are_those_of_the_same_files(shards, sound_folder, tmp_path):
    assert ingest(tmp_path / "a.lance", audio=shards).num_added == 7
    ingest(tmp_path / "b.lance", audio=sound_folder)
    same = ["offset_s", "duration_s", "frames", "logmel"]
    assert rows(tmp_path / "a.lance", same) == rows(tmp_path / "b.lance", same)
    first, second = (str((shards / name).resolve()) for name in ("00.parquet", "01.parquet"))
    expected = [*(f"{first}#{row}" for row in range(4)), f"{second}#0", f"{second}#1", f"{second}#1"]
    assert sorted(row["uri"] for row in rows(tmp_path / "a.lance")) == sorted(expected)


def test_every_label_of_a_row_is_kept_by_name(sound_folder, tmp_path):
    ids, names = [["/m/09x0r", "/t/dd00088"], ["/m/012xff"]], [["Speech", "Gush"], ["Toothbrush"]]
    shard = write_shard(tmp_path / "a.parquet", files_of(sound_folder)[:2], labels=ids, human_labels=names, fold=[1, 2])
    ingest(tmp_path / "a.lance", audio=shard)
    assert [(row["labels"], row["fold"]) for row in rows(tmp_path / "a.lance")] == [(names[0], 1), (names[1], 2)]
    shard = write_shard(tmp_path / "b.parquet", files_of(sound_folder)[:2], labels=ids, split=["eval", None])
    ingest(tmp_path / "b.lance", manifest=shard)
    assert [(row["labels"], row["split"]) for row in rows(tmp_path / "b.lance")] == [(ids[0], "eval"), (ids[1], None)]


@pytest.mark.parametrize("stop_after", [1, 3, 4, 5])
def test_an_interrupted_ingest_ends_with_the_same_rows(sound_folder, tmp_path, monkeypatch, stop_after):
    sounds = files_of(sound_folder)
    sounds.insert(2, sounds.pop())  # the one of two clips
    shard = write_shard(tmp_path / "a.parquet", sounds)
    ingest(tmp_path / "whole.lance", audio=shard)
    monkeypatch.setattr(sys.modules["sondo.bank.ingest"], "CLIPS_PER_COMMIT", 1)
    kept, appends = Bank.append, []

    def killed(self, clips):
        if len(appends) == stop_after:
            raise KeyboardInterrupt
        appends.append(len(clips))
        kept(self, clips)

    monkeypatch.setattr(Bank, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        ingest(tmp_path / "b.lance", audio=shard)
    monkeypatch.setattr(Bank, "append", kept)
    assert ingest(tmp_path / "b.lance", audio=shard).num_added == 7 - stop_after
    assert rows(tmp_path / "b.lance") == rows(tmp_path / "whole.lance")


def test_a_second_run_reads_no_sound_again_but_the_last(shards, tmp_path, monkeypatch):
    ingest(tmp_path / "b.lance", audio=shards)
    read, asked = ShardReader.read, []

    def noted(self, row):
        asked.append((self.shard.name, row))
        return read(self, row)

    monkeypatch.setattr(ShardReader, "read", noted)
    assert ingest(tmp_path / "b.lance", audio=shards).num_added == 0
    assert asked == [("00.parquet", 3), ("01.parquet", 1)]


def test_a_shard_in_the_hubs_cache_goes_by_the_name_of_its_link(sound_folder, tmp_path):
    """There a file is called by its hash, and a link to it has its name."""
    write_shard(tmp_path / "a.parquet", files_of(sound_folder)[:3]).rename(tmp_path / "0f343b09")
    (tmp_path / "snapshot").mkdir()
    link = tmp_path / "snapshot" / "a.parquet"
    link.symlink_to("../0f343b09")
    for _ in range(2):
        assert ingest(tmp_path / "b.lance", audio=tmp_path / "snapshot").rejected == {}
    assert [row["uri"] for row in rows(tmp_path / "b.lance")] == [f"{link}#{number}" for number in range(3)]


def test_bad_rows_are_set_aside_with_their_reason(sound_folder, tmp_path):
    good = files_of(sound_folder)[:4]
    bad = [
        {"bytes": b"this is no sound", "path": "x.flac"},
        {"bytes": None, "path": "audio/y.flac"},
        None,
        {"bytes": good[0]["bytes"][:2000], "path": "z.wav"},
    ]
    shard = write_shard(tmp_path / "a.parquet", [bad[0], good[0], bad[1], good[1], bad[2], good[2], bad[3], good[3]])
    with pytest.raises(SondoError, match=r"1 of 8 files cannot be read.*a\.parquet#0: not a sound file"):
        ingest(tmp_path / "few.lance", audio=shard)
    for _ in range(2):
        report = ingest(tmp_path / "b.lance", audio=shard, max_bad_share=0.5)
        reasons = {int(uri.rpartition("#")[2]): reason for uri, reason in report.rejected.items()}
        assert [row["uri"].rpartition("#")[2] for row in rows(tmp_path / "b.lance")] == ["1", "3", "5", "7"]
        assert set(reasons) == {0, 2, 4, 6}
        assert "not a sound file" in reasons[0]
        assert "only the name of a file, audio/y.flac" in reasons[2]
        assert reasons[4] == "holds no sound"
        assert "truncated" in reasons[6]


class Energy:
    """Mean square of each clip, and its number of samples."""

    name, sample_rate, embedding_dim, fingerprint, licence = "energy", 16000, 2, "v1", "CC0"

    def embed(self, audio):
        import torch

        return torch.stack([audio.square().mean(1), torch.full((len(audio),), audio.shape[1] / 16000)], dim=1)


def test_a_teacher_hears_what_it_hears_in_files(shards, sound_folder, tmp_path):
    found = []
    for name, audio in (("a", shards), ("b", sound_folder)):
        ingest(tmp_path / f"{name}.lance", audio=audio)
        column = teach(Bank(tmp_path / f"{name}.lance"), Energy())
        found.append(rows(tmp_path / f"{name}.lance", [column]))
    assert found[0] == found[1]


def test_a_shard_that_changed_or_went_is_named(shards, sound_folder, tmp_path):
    ingest(tmp_path / "b.lance", audio=shards)
    write_shard(shards / "01.parquet", files_of(sound_folder)[:1])
    with pytest.raises(SondoError, match=r"01\.parquet#0 has changed since it was ingested"):
        ingest(tmp_path / "b.lance", audio=shards)
    with pytest.raises(SondoError, match=r"01\.parquet#0 has changed since it was ingested"):
        teach(Bank(tmp_path / "b.lance"), Energy())
    (shards / "01.parquet").unlink()
    with pytest.raises(SondoError, match=r"01\.parquet#0 is gone"):
        teach(Bank(tmp_path / "b.lance"), Energy())


def test_a_pattern_names_some_shards(shards, sound_folder, tmp_path):
    assert ingest(tmp_path / "a.lance", audio=str(shards / "00*.parquet")).num_clips == 4
    with pytest.raises(SondoError, match="nothing matches"):
        ingest(tmp_path / "b.lance", audio=str(shards / "train-*.parquet"))
    pyarrow.parquet.write_table(pa.table({"path": ["0.wav"]}), shards / "list.parquet")
    with pytest.raises(SondoError, match=r"list\.parquet matches .*no Parquet file with sound"):
        ingest(tmp_path / "b.lance", audio=str(shards / "*.parquet"))


def test_sound_files_and_shards_of_a_folder_are_taken_and_other_tables_left(shards, sound_folder, tmp_path):
    (shards / "01.parquet").rename(sound_folder / "01.parquet")
    pyarrow.parquet.write_table(pa.table({"path": ["0.wav"]}), sound_folder / "list.parquet")
    assert ingest(tmp_path / "b.lance", audio=sound_folder).num_clips == 7 + 3


def test_a_damaged_shard_is_named_before_anything_is_done(shards, tmp_path):
    (shards / "01.parquet").write_bytes((shards / "01.parquet").read_bytes()[:-100])
    with pytest.raises(SondoError, match=r"01\.parquet cannot be read as Parquet.*Download it again"):
        ingest(tmp_path / "b.lance", audio=shards)
    assert not (tmp_path / "b.lance").exists()


def test_a_shard_damaged_inside_loses_the_rows_behind_the_damage(tmp_path, sound_folder):
    shard = write_shard(tmp_path / "a.parquet", files_of(sound_folder)[:6], rows_in_group=1)
    place = pyarrow.parquet.ParquetFile(shard).metadata.row_group(2).column(1)
    data = bytearray(shard.read_bytes())
    start = place.dictionary_page_offset or place.data_page_offset
    data[start : start + 16] = bytes(16)
    shard.write_bytes(bytes(data))
    report = ingest(tmp_path / "b.lance", audio=shard, max_bad_share=0.5)
    assert [uri.rpartition("#")[2] for uri in report.rejected] == ["2"]
    assert "damaged" in next(iter(report.rejected.values()))


def test_a_large_shard_is_never_in_memory_at_once(tmp_path):
    sounds = [{"bytes": np.random.default_rng(row).bytes(500_000), "path": "x.flac"} for row in range(80)]
    shard = write_shard(tmp_path / "a.parquet", sounds, rows_in_group=4)
    del sounds
    before, most = pa.total_allocated_bytes(), 0
    reader = ShardReader(shard)
    for row in range(80):
        assert len(reader.read(row).data) == 500_000
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 12_000_000  # of 40 MB: a row group has 2 MB, and buffers grow by doubling
