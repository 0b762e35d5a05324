"""Files that only PyAV reads, and the message where it is missing."""

import sys

import numpy as np
import pytest

from sondo.audio.clips import plan_clips
from sondo.audio.decode import AudioError, load_audio, probe, read_clips
from sondo.audio.source_av import AvSource
from sondo.errors import MissingExtraError

KINDS = {
    "a.m4a": ("aac", None, "fltp", 44100),
    "a.webm": ("libopus", None, "flt", 48000),
    "a.mkv": ("aac", None, "fltp", 44100),
    "a.aac": ("aac", "adts", "fltp", 44100),
    "lossless.m4a": ("alac", None, "s16p", 44100),
    "a.mov": ("pcm_s16le", None, "s16", 16000),
}


def chirp(seconds, rate, channels=1):
    """A rising tone in some noise, (channels, samples)."""
    time = np.arange(round(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * (200 + 20 * time) * time)
    return (tone + 0.02 * np.random.default_rng(0).standard_normal((channels, len(time)))).astype(np.float32)


def write(path, sound, *, with_video=False, title=None):
    """Encode (channels, samples) as the name of the file says."""
    av = pytest.importorskip("av", reason="needs the extra av")
    codec, container_format, sample_format, rate = KINDS[path.name]
    layout = {1: "mono", 2: "stereo"}[len(sound)]
    if sample_format.startswith("s16"):
        sound = np.round(sound * 32767).astype(np.int16)
    with av.open(str(path), "w", format=container_format) as container:
        if title is not None:
            container.metadata["title"] = title
        if with_video:
            video = container.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout
        if with_video:
            for _ in range(80):
                picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
        for start in range(0, sound.shape[1], 1024):
            cut = np.ascontiguousarray(sound[:, start : start + 1024])
            packed = cut if sample_format.endswith("p") else np.ascontiguousarray(cut.T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(packed, format=sample_format, layout=layout)
            frame.rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_decoded_is_what_was_written(tmp_path, name, channels):
    rate = KINDS[name][3]
    sound = chirp(3.0, rate, channels)
    path = write(tmp_path / name, sound)
    info, got = probe(path), load_audio(path)
    assert (info.sample_rate, info.channels) == (rate, channels)
    assert abs(info.duration_s - 3.0) < 0.05
    assert abs(len(got) - info.num_samples) < 0.05 * rate
    assert info.is_estimated or len(got) == info.num_samples
    want = sound.mean(axis=0)
    # raw AAC has nowhere to say that its first frame is priming, and before FFmpeg 8.1 Matroska did not say it
    delays = {"a.aac": [1024], "a.mkv": [0, 1024]}.get(name, [0])
    errors = [got[delay:][: len(want)] - want[: len(got) - delay] for delay in delays]
    assert min(np.sqrt(np.mean(error**2) / np.mean(want**2)) for error in errors) < 0.15


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.mkv", "a.aac"])
def test_a_planned_last_clip_is_never_empty(tmp_path, name):
    rate = KINDS[name][3]
    path = write(tmp_path / name, chirp(11.0, rate))
    clips = plan_clips(probe(path).duration_s, window_s=1.0, min_remainder_s=0.1)
    lengths = [len(clip) / rate for clip in read_clips(path, clips, sample_rate=rate)]
    assert lengths[:11] == [1.0] * 10 + [pytest.approx(1.0, abs=0.05)]


@pytest.mark.parametrize(
    "name",
    ["a.m4a", *(pytest.param(name, marks=pytest.mark.slow) for name in ("a.webm", "a.mkv", "a.aac", "lossless.m4a"))],
)
@pytest.mark.slow
def test_a_far_clip_equals_the_same_part_of_the_whole(tmp_path, name):
    rate = KINDS[name][3]
    path = write(tmp_path / name, chirp(25.0, rate))
    whole = load_audio(path)
    for offset_s in (12.0, 18.123):
        (got,) = read_clips(path, [(offset_s, 5.0)], sample_rate=rate)
        start = round(offset_s * rate)
        np.testing.assert_allclose(got, whole[start : start + 5 * rate], atol=1e-3)
        landing = AvSource(path)._landing(start)
        assert 0 <= landing <= start
        assert (landing == 0) == (name == "a.aac")


def test_the_length_of_a_video_is_that_of_its_sound(tmp_path):
    path = write(tmp_path / "a.mkv", chirp(2.0, 44100), with_video=True)
    info = probe(path)
    assert info.duration_s == pytest.approx(2.0, abs=0.05)
    assert len(load_audio(path)) == info.num_samples
    assert not info.is_estimated


@pytest.mark.parametrize("content", [b"no sound\n" * 100, b"", b"\0\0\0\x20ftypM4A " + b"\0" * 500])
def test_what_is_no_sound(tmp_path, content):
    pytest.importorskip("av")
    path = tmp_path / "bad.m4a"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"bad\.m4a: "):
        probe(path)


@pytest.mark.parametrize("name", ["a.m4a", "a.webm"])
def test_truncated_files(tmp_path, name):
    path = write(tmp_path / name, chirp(20.0, KINDS[name][3]))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"truncated|not a sound file"):
        load_audio(path)


def test_a_video_without_sound(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match=r"silent\.mp4: has no audio track"):
        probe(path)


def test_without_pyav_the_message_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "talk.m4a"
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        MissingExtraError, match=r'talk\.m4a.*PyAV.*pip install "sondo\[av\]" \(from a clone: pip install "\.\[av\]"\)'
    ):
        probe(path)


def test_a_tag_that_is_not_utf8_is_no_hindrance(tmp_path):
    path = write(tmp_path / "a.m4a", chirp(1.0, 44100), title="caf~")
    wanted, content = load_audio(path), path.read_bytes()
    assert content.count(b"caf~") == 1
    path.write_bytes(content.replace(b"caf~", b"caf\xe9"))  # as Latin-1 has it
    assert np.array_equal(load_audio(path), wanted)
