"""A file in memory is read as the file itself is."""

import numpy as np
import pytest
import soundfile

from sondo.audio.decode import AudioError, probe, read_clips
from sondo.audio.sound_bytes import SoundBytes


def noise(seconds, rate):
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate))).astype(np.float32)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_bytes_give_the_samples_of_the_file(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    with soundfile.SoundFile(path, "w", 44100, 1) as file:
        for block in np.array_split(noise(3.0, 44100), 10):
            file.write(block)
    sound = SoundBytes("row 3", path.read_bytes(), path.suffix)
    assert probe(sound) == probe(path)
    cuts = [(0.25, 1.0), (1.5, None)]
    for ours, files in zip(
        read_clips(sound, cuts, sample_rate=32000), read_clips(path, cuts, sample_rate=32000), strict=True
    ):
        assert np.array_equal(ours, files)


def test_what_only_pyav_reads(tmp_path):
    av = pytest.importorskip("av", reason="needs the extra av")
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(noise(2.0, 44100)[None], format="fltp", layout="mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    ours, file = (
        next(read_clips(sound, [(0.5, 1.0)], sample_rate=32000))
        for sound in (SoundBytes("row 3", path.read_bytes(), ".m4a"), path)
    )
    assert np.array_equal(ours, file)


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "row 3: the file is empty"), (b"this is no sound", "row 3: not a sound file")]
)
def test_what_is_no_sound_is_named(data, message):
    with pytest.raises(AudioError, match=message):
        probe(SoundBytes("row 3", data))


def test_a_truncated_wav_file_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(1.0, 16000), 16000)
    with pytest.raises(AudioError, match="row 3: truncated"):
        probe(SoundBytes("row 3", (tmp_path / "a.wav").read_bytes()[:-5000]))
