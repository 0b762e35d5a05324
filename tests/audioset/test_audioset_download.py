"""Downloads against a stand-in for YouTube: cut, kept, gone, failed, interrupted, and gone on with."""

import csv
import sys
import types

import numpy as np
import pytest
import soundfile
from stand_in import IDS, NAMES, FakeYouTube, video

from sondo.audioset import download, read_segments
from sondo.audioset.download import draw
from sondo.audioset.fetcher import FetchError, GoneError, YtDlp, reason_of
from sondo.bank import Bank, ingest
from sondo.cli import main
from sondo.errors import MissingExtraError, SondoError


@pytest.fixture
def get(server, tmp_path):
    """Download the four segments with a stand-in, by one worker so that the order is known."""

    def run(youtube, **options):
        return download("balanced_train", tmp_path / "out", fetcher=youtube, workers=1, **options)

    return run


def gone_table(folder):
    return {row["name"]: row for row in csv.DictReader((folder / "gone.csv").open())}


def flacs(folder):
    return sorted(path.stem for path in folder.glob("*.flac"))


def test_the_segment_is_cut_resampled_and_kept_as_flac(get, tmp_path):
    report = get(FakeYouTube())
    assert (report.num_asked, report.num_there, report.num_new, report.gone, report.failed) == (4, 4, 4, {}, {})
    assert flacs(tmp_path / "out") == sorted(NAMES)
    for name in NAMES:
        info = soundfile.info(tmp_path / "out" / f"{name}.flac")
        assert (info.samplerate, info.channels, info.subtype, info.frames) == (32000, 1, "PCM_16", 320000)
        sound, _ = soundfile.read(tmp_path / "out" / f"{name}.flac")
        start_s = float(name[12:])
        sign = np.sign(video(name[:11])[-1])
        middle = slice(1600, -1600)  # at its ends a ramp that is cut rings in the resampler
        expected = sign * (start_s + np.arange(320000) / 32000) / 100
        np.testing.assert_allclose(sound[middle], expected[middle], atol=2e-4)
    assert not (tmp_path / "out" / ".fetching").exists()


def test_its_manifest_feeds_a_bank_with_every_label(get, tmp_path):
    get(FakeYouTube(gone={IDS[1]: "private"}))
    ingest(tmp_path / "b.lance", manifest=tmp_path / "out" / "balanced_train.csv")
    rows = Bank(tmp_path / "b.lance").read(["uri", "labels", "split"]).to_pylist()
    expected = {
        NAMES[0]: ["Speech", "Gush"],
        NAMES[2]: ["Goat", "Music", "Speech"],
        NAMES[3]: ["Music", "Goat", "Speech"],
    }
    assert {row["uri"].rpartition("/")[2][:-5]: row["labels"] for row in rows} == expected


def test_what_is_there_or_gone_is_not_asked_for_again_unless_told(get, tmp_path):
    first = get(FakeYouTube(gone={IDS[0]: "private", IDS[1]: "removed"}, short=[IDS[3]]))
    assert (first.num_there, first.gone) == (1, {"private": 1, "removed": 1, "unusable": 1})
    table = gone_table(tmp_path / "out")
    reasons = {NAMES[0]: "private", NAMES[1]: "removed", NAMES[3]: "unusable"}
    assert {name: row["reason"] for name, row in table.items()} == reasons
    assert table[NAMES[3]]["detail"].startswith("0 s of sound from 2.5 s on")
    assert table[NAMES[0]]["detail"] == f"{IDS[0]}: said at length, in two lines"
    again = FakeYouTube()
    second = get(again)
    assert again.asked == []
    assert (second.num_there, second.num_new, second.gone) == (1, 0, first.gone)
    back = FakeYouTube(gone={IDS[1]: "blocked"})
    third = get(back, retry=True)
    assert sorted(back.asked) == sorted([IDS[0], IDS[1], IDS[3]])
    assert (third.num_there, third.num_new, third.gone) == (3, 2, {"blocked": 1})
    assert {name: row["reason"] for name, row in gone_table(tmp_path / "out").items()} == {NAMES[1]: "blocked"}


def test_what_failed_is_asked_for_by_the_next_run(get, tmp_path):
    report = get(FakeYouTube(failing=[IDS[2]]))
    assert (report.num_there, set(report.failed), report.gone) == (3, {NAMES[2]}, {})
    again = FakeYouTube()
    assert get(again).num_there == 4
    assert again.asked == [IDS[2]]


def test_a_file_in_the_way_is_named_before_anything_is_asked_for(get, tmp_path):
    (tmp_path / "out").touch()
    youtube = FakeYouTube()
    with pytest.raises(SondoError, match=r"out is a file, name another place"):
        get(youtube)
    assert youtube.asked == []


def test_one_failure_after_the_other_stops_the_job(get, monkeypatch):
    monkeypatch.setattr(sys.modules["sondo.audioset.download"], "FAILURES_IN_A_ROW", 3)
    youtube = FakeYouTube(failing=IDS)
    with pytest.raises(SondoError, match=r"one download after the other failed.*429"):
        get(youtube)
    assert youtube.stopped


def test_a_job_too_small_to_be_stopped_fails_where_nothing_was_had(get, tmp_path):
    with pytest.raises(SondoError, match=r"one download after the other failed.*429"):
        get(FakeYouTube(gone={IDS[0]: "private"}, failing=IDS[1:]))
    assert set(gone_table(tmp_path / "out")) == {NAMES[0]}


def test_an_interruption_keeps_what_was_done_and_the_next_run_goes_on(get, tmp_path):
    youtube = FakeYouTube(interrupt_at=3)
    with pytest.raises(KeyboardInterrupt):
        get(youtube)
    assert youtube.stopped
    done = flacs(tmp_path / "out")
    ids = {name[:11] for name in done}
    assert set(youtube.asked[:2]) <= ids < set(IDS)  # what was underway may have been finished
    listed = [row["path"] for row in csv.DictReader((tmp_path / "out" / "balanced_train.csv").open())]
    assert sorted(listed) == [f"{name}.flac" for name in done]
    rest = FakeYouTube()
    assert get(rest).num_there == 4
    assert sorted(rest.asked) == sorted(set(IDS) - ids)


def test_a_table_of_what_is_gone_that_a_kill_cut_short_is_mended(get, tmp_path):
    get(FakeYouTube(gone=dict.fromkeys(IDS[:2], "private")))
    table = tmp_path / "out" / "gone.csv"
    table.write_text(table.read_text()[:-5])
    youtube = FakeYouTube(gone=dict.fromkeys(IDS[:2], "private"))
    assert get(youtube).gone == {"private": 2}
    assert len(youtube.asked) == 1
    assert set(gone_table(tmp_path / "out")) == set(NAMES[:2])
    table.write_text("a,b\n1,2\n")
    with pytest.raises(SondoError, match=r"gone\.csv is not the table of a download"):
        get(youtube)


@pytest.mark.parametrize("theirs", ["my notes, without an end of line", "videos\nthat I like"])
def test_a_foreign_table_stays_as_it_is(get, tmp_path, theirs):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "gone.csv").write_text(theirs)
    with pytest.raises(SondoError, match=r"gone\.csv is not the table of a download"):
        get(FakeYouTube())
    assert (tmp_path / "out" / "gone.csv").read_text() == theirs


def test_a_table_that_a_spreadsheet_saved_keeps_its_lines(get, tmp_path):
    get(FakeYouTube(gone=dict.fromkeys(IDS[:2], "private")))
    table = tmp_path / "out" / "gone.csv"
    table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n"))
    youtube = FakeYouTube()
    assert get(youtube).gone == {"private": 2}
    assert table.read_bytes().endswith(b"\r\n")


def test_a_letter_that_was_cut_short_is_no_error(get, tmp_path):
    get(FakeYouTube(gone=dict.fromkeys(IDS[:2], "private")))
    table = tmp_path / "out" / "gone.csv"
    table.write_bytes(table.read_bytes() + "x_1,private,é".encode()[:-1])
    assert get(FakeYouTube()).gone == {"private": 2}


def test_several_workers_get_the_same(server, tmp_path):
    assert download("balanced_train", tmp_path / "out", fetcher=FakeYouTube(), workers=4).num_there == 4
    assert flacs(tmp_path / "out") == sorted(NAMES)


def test_a_smaller_draw_is_within_a_larger(files):
    segments = read_segments(files / "balanced_train_segments.csv") * 25
    few, many = draw(segments, 10, seed=3), draw(segments, 60, seed=3)
    assert few == many[:10]
    assert few != draw(segments, 10, seed=4)
    assert sorted(map(str, draw(segments, None, seed=0))) == sorted(map(str, segments))
    with pytest.raises(SondoError, match="101 segments cannot be drawn: there are 100"):
        draw(segments, 101, seed=0)
    with pytest.raises(SondoError, match="the seed of the draw is -1: expected at least 0"):
        draw(segments, 10, seed=-1)


def test_the_command(server, tmp_path, capsys, monkeypatch):
    youtube = FakeYouTube(gone=dict.fromkeys(IDS[:2], "private"))
    monkeypatch.setattr(sys.modules["sondo.audioset.download"], "YtDlp", lambda: youtube)
    main(["audioset", "download", "--n", "3", "--seed", "1", "--out", str(tmp_path / "out")])
    said = capsys.readouterr()
    drawn = [segment.ytid for segment in draw(read_segments(server.folder / "balanced_train_segments.csv"), 3, 1)]
    num_gone = len(set(drawn) & set(IDS[:2]))
    assert "3 segments of 4, drawn at random with seed 1" in said.err
    assert f"{3 - num_gone} of 3 segments are there ({3 - num_gone} new)" in said.out
    assert f"gone.csv: {num_gone} private" in said.out
    assert f"sondo ingest --manifest {tmp_path / 'out' / 'balanced_train.csv'}" in said.out


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Private video. Sign in if you've been granted access to this video", "private"),
        ("Video unavailable. This video has been removed by the uploader", "removed"),
        (
            "Video unavailable. This video is no longer available because the YouTube account associated with this "
            "video has been terminated.",
            "account closed",
        ),
        ("The uploader has not made this video available in your country", "blocked"),
        ("Video unavailable. This video contains content from X, who has blocked it on copyright grounds", "blocked"),
        ("Sign in to confirm your age. This video may be inappropriate for some users.", "age-restricted"),
        ("Join this channel to get access to members-only content like this video", "members only"),
        ("Video unavailable", "unavailable"),
        ("Sign in to confirm you\u2019re not a bot. This helps protect our community", None),
        ("Unable to download webpage: HTTP Error 429: Too Many Requests", None),
        (
            "Video unavailable. This content isn't available, try again later. The session has been rate-limited",
            None,
        ),
        ("Requested format is not available. Use --list-formats for a list of available formats", None),
        ("Unable to download webpage: <urlopen error timed out>", None),
    ],
)
def test_what_is_said_of_a_video_becomes_a_reason(said, reason):
    assert reason_of(f"[youtube] abcdefghijk: {said}") == reason


def test_yt_dlp_gets_a_file_as_it_is(server, files, tmp_path):
    """The library itself, against a server of our own instead of YouTube."""
    pytest.importorskip("yt_dlp", reason="needs the extra audioset")
    soundfile.write(files / "a.flac", video(IDS[0], seconds=2.0), 16000)
    (tmp_path / "50% of it").mkdir()
    fetched = YtDlp(f"{server.address}/{{}}.flac").fetch("a", tmp_path / "50% of it")
    assert fetched.parent == tmp_path / "50% of it"
    assert fetched.read_bytes() == (files / "a.flac").read_bytes()
    with pytest.raises(FetchError, match="404"):
        YtDlp(f"{server.address}/{{}}.flac").fetch("absent", tmp_path)
    stopped = YtDlp(f"{server.address}/{{}}.flac")
    stopped.stop()
    with pytest.raises(FetchError):
        stopped.fetch("a", tmp_path)


def test_yt_dlp_s_errors_are_told_apart(tmp_path, monkeypatch):
    class YoutubeDLError(Exception):
        pass

    class YoutubeDL:
        def __init__(self, options):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def extract_info(self, address, download):
            raise YoutubeDLError(f"ERROR: [youtube] {address.rpartition('=')[2]}")

    utils = types.SimpleNamespace(YoutubeDLError=YoutubeDLError)
    monkeypatch.setitem(sys.modules, "yt_dlp", types.SimpleNamespace(YoutubeDL=YoutubeDL, utils=utils))
    with pytest.raises(GoneError, match=r"^\[youtube\] Private video$") as told:
        YtDlp().fetch("Private video", tmp_path)
    assert told.value.reason == "private"
    with pytest.raises(FetchError, match="Unable to connect"):
        YtDlp().fetch("Unable to connect", tmp_path)
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    with pytest.raises(MissingExtraError, match=r"sondo\[audioset\]"):
        YtDlp()
