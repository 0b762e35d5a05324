"""Files that libsndfile reads: what is decoded, streamed, and refused."""

import numpy as np
import pytest
import soundfile
import soxr

from sondo.audio import source as source_module
from sondo.audio.decode import AudioError, load_audio, probe, read_clips, read_windows
from sondo.audio.source import SoundfileSource

LOSSLESS = ["wav", "flac", "aiff", "w64", "caf"]
LOSSY = ["mp3", "ogg", "opus"]


def noise(seconds, rate, channels=1, seed=0):
    """Low-passed noise, so that lossy codecs keep it, (samples, channels)."""
    draw = np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))
    smooth = np.apply_along_axis(np.convolve, 0, draw, np.hanning(16) / 8, "same")
    return (0.1 * smooth).astype(np.float32)


def write(path, sound, rate, **options):
    """Write in pieces: libsndfile's Vorbis encoder overflows the stack on one long piece."""
    if path.suffix == ".opus":
        options = {"format": "OGG", "subtype": "OPUS"}
    with soundfile.SoundFile(path, "w", rate, sound.shape[1], **options) as file:
        for start in range(0, len(sound), 20000):
            file.write(sound[start : start + 20000])
    return path


@pytest.mark.parametrize("extension", LOSSLESS + LOSSY)
def test_every_format_gives_what_was_written(tmp_path, extension):
    rate = 48000 if extension == "opus" else 44100
    sound = noise(2.5, rate, channels=2)
    path = write(tmp_path / f"a.{extension}", sound, rate)
    info = probe(path)
    assert (info.sample_rate, info.channels, info.is_estimated) == (rate, 2, False)
    assert info.num_samples == len(sound)
    assert info.duration_s == 2.5
    got, want = load_audio(path), sound.mean(axis=1)
    assert got.dtype == np.float32
    assert got.shape == want.shape
    error = np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))
    assert error < (1e-3 if extension in LOSSLESS else 0.3)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channel_count(tmp_path, rate, channels):
    sound = noise(0.4, rate, channels)
    path = write(tmp_path / "a.wav", sound, rate, subtype="FLOAT")
    want = soxr.resample(sound.mean(axis=1), rate, 32000, quality="HQ")
    got = load_audio(path, sample_rate=32000)
    assert got.shape == (12800,)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_a_clip_is_its_own_samples_resampled_by_themselves(tmp_path):
    sound = noise(25.3, 44100)
    path = write(tmp_path / "a.wav", sound, 44100, subtype="FLOAT")
    clips = [(0.0, 10.0), (10.0, 10.0), (20.0, 5.3)]
    for (offset_s, duration_s), got in zip(clips, read_clips(path, clips, sample_rate=32000), strict=True):
        native = sound[round(offset_s * 44100) : round((offset_s + duration_s) * 44100), 0]
        np.testing.assert_array_equal(got, soxr.resample(native, 44100, 32000, quality="HQ"))


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_clips_do_not_depend_on_how_they_are_asked_for(tmp_path, extension):
    path = write(tmp_path / f"a.{extension}", noise(50.0, 16000), 16000)
    whole = load_audio(path)
    clips = [(0.0, 10.0), (3.0, 4.0), (3.5, 0.2), (45.0, None), (44.0, 1.0), (0.1, 0.3), (12.0, 31.0)]
    tolerance = 1e-6 if extension == "mp3" else 0.0
    for (offset_s, duration_s), got in zip(clips, read_clips(path, clips, sample_rate=16000), strict=True):
        stop = None if duration_s is None else round((offset_s + duration_s) * 16000)
        np.testing.assert_allclose(got, whole[round(offset_s * 16000) : stop], rtol=0, atol=tolerance)
    windows = list(read_windows(path, sample_rate=16000))
    assert [len(window) for window in windows] == [160000] * 5
    np.testing.assert_array_equal(np.concatenate(windows), whole)


def test_many_short_clips_cost_one_pass_and_little_memory(tmp_path, monkeypatch):
    path = write(tmp_path / "a.flac", noise(120.0, 16000), 16000)
    decoded, largest = [], []
    blocks = SoundfileSource.blocks

    def counted(self, start):
        for block in blocks(self, start):
            decoded.append(len(block))
            yield block

    read = source_module.Cursor.read

    def measured(self, start, stop):
        out = read(self, start, stop)
        largest.append(len(self._held))
        return out

    monkeypatch.setattr(SoundfileSource, "blocks", counted)
    monkeypatch.setattr(source_module.Cursor, "read", measured)
    clips = [(0.1 * index, 0.2) for index in range(1190)]
    assert sum(1 for _ in read_clips(path, clips, sample_rate=16000)) == 1190
    assert sum(decoded) == 120 * 16000
    assert max(largest) <= 2 * source_module.BLOCK_SAMPLES


def test_a_far_clip_is_reached_by_a_seek(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", noise(100.0, 8000), 8000, subtype="FLOAT")
    starts = []
    blocks = SoundfileSource.blocks
    monkeypatch.setattr(SoundfileSource, "blocks", lambda self, start: starts.append(start) or blocks(self, start))
    whole = noise(100.0, 8000)[:, 0]
    got = list(read_clips(path, [(1.0, 2.0), (90.0, 2.0)], sample_rate=8000))
    assert starts == [0, 720000]
    np.testing.assert_array_equal(got[0], whole[8000:24000])
    np.testing.assert_array_equal(got[1], whole[720000:736000])


def test_a_clip_past_the_end_is_as_long_as_the_sound(tmp_path):
    path = write(tmp_path / "a.wav", noise(2.0, 8000), 8000)
    (got,) = read_clips(path, [(1.5, 10.0)], sample_rate=8000)
    assert len(got) == 4000
    with pytest.raises(AudioError, match=r"a\.wav: 0\.05 s of sound from 1\.95 s on"):
        list(read_clips(path, [(1.95, 10.0)], sample_rate=8000))
    for offset_s in (2.0, 5.0, 500.0):
        with pytest.raises(AudioError, match=r": 0 s of sound"):
            list(read_clips(path, [(offset_s, 1.0)], sample_rate=8000))


@pytest.mark.parametrize("clip", [(-1.0, 2.0), (1.0, -0.5)])
def test_impossible_clips(tmp_path, clip):
    path = write(tmp_path / "a.wav", noise(2.0, 8000), 8000)
    with pytest.raises(AudioError, match="no part of a sound"):
        list(read_clips(path, [clip], sample_rate=8000))


def test_shortest_sound(tmp_path):
    assert len(load_audio(write(tmp_path / "ok.wav", noise(0.1, 11025), 11025), sample_rate=32000)) >= 3198
    short = write(tmp_path / "short.wav", noise(0.09, 11025), 11025)
    assert probe(short).num_samples == 992
    for read in (load_audio, lambda path: list(read_windows(path, sample_rate=32000))):
        with pytest.raises(AudioError, match=r"short\.wav: 0\.08998 s of sound.*0\.1 s"):
            read(short)


def flac_that_says(path, num_samples, sound):
    """A FLAC with another length in its header: the last 36 bits of its bytes 18 to 25 (RFC 9639, section 8.2)."""
    content = bytearray(write(path, sound, 32000).read_bytes())
    field = int.from_bytes(content[18:26], "big")
    content[18:26] = ((field >> 36 << 36) | num_samples).to_bytes(8, "big")
    path.write_bytes(content)
    return path


def test_a_flac_of_unknown_length_is_read_to_its_end(tmp_path):
    sound = noise(3.3, 32000)
    path = flac_that_says(tmp_path / "a.flac", 0, sound)  # as a stream leaves it
    assert probe(path).num_samples == len(sound)
    np.testing.assert_allclose(load_audio(path), sound[:, 0], atol=2**-15)


def test_a_flac_that_promises_more_than_it_can_hold_is_refused_before_it_is_read(tmp_path):
    path = flac_that_says(tmp_path / "a.flac", 2**36 - 1, noise(0.5, 32000))
    with pytest.raises(
        AudioError, match=r"damaged, its header promises 2,147,484 s of sound, which [\d,]+ bytes cannot"
    ):
        probe(path)
    silence = write(tmp_path / "b.flac", np.zeros((320_000, 1), dtype=np.float32), 32000)
    assert probe(silence).num_samples == 320_000  # of fewer bytes than any other sound
    path = flac_that_says(tmp_path / "c.flac", 32000, noise(0.5, 32000))
    with pytest.raises(AudioError, match=r"truncated, it promises 1\.00 s of sound and ends after 0\.50 s"):
        load_audio(path)


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3", "ogg"])
@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"this is no sound at all\n" * 50, "not a sound file")]
)
def test_what_is_no_sound(tmp_path, extension, content, reason):
    path = tmp_path / f"bad.{extension}"
    path.write_bytes(content)
    for read in (probe, load_audio):
        with pytest.raises(AudioError, match=rf"bad\.{extension}: .*{reason}") as caught:
            read(path)
        assert "not exist" not in str(caught.value)


def test_missing_file_folder_and_header_without_sound(tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav: no such file"):
        probe(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="not a file"):
        probe(tmp_path)
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 8000)
    with pytest.raises(AudioError, match=r"none\.wav: holds no sound"):
        probe(tmp_path / "none.wav")


def test_a_header_with_a_rate_that_no_sound_has_is_refused(tmp_path):
    soundfile.write(tmp_path / "slow.wav", np.zeros(4000, np.float32), 7)
    for read in (probe, load_audio):
        with pytest.raises(AudioError, match=r"slow\.wav: a sample rate of 7 Hz, which sound has not"):
            read(tmp_path / "slow.wav")


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3"])
def test_truncated_files_are_refused_by_whoever_reads_the_end(tmp_path, extension):
    path = write(tmp_path / f"cut.{extension}", noise(30.0, 16000), 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for read in (load_audio, lambda path: list(read_windows(path, sample_rate=16000))):
        with pytest.raises(AudioError, match=rf"cut\.{extension}: .*truncated"):
            read(path)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_whose_length_was_never_filled_in_is_fine(tmp_path, size):
    path = write(tmp_path / "live.wav", noise(1.0, 8000), 8000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)
    if size:
        assert len(load_audio(path)) == 8000
    else:
        with pytest.raises(AudioError, match=r": 0 s of sound"):
            load_audio(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite(tmp_path, value):
    sound = noise(12.0, 8000)
    sound[90000] = value
    path = write(tmp_path / "nan.wav", sound, 8000, subtype="FLOAT")
    assert len(next(read_clips(path, [(0.0, 2.0)], sample_rate=8000))) == 16000
    with pytest.raises(AudioError, match=r"nan\.wav: .*not a finite number, at 11\.250 s"):
        load_audio(path)


def test_integers_that_were_written_as_floats_are_not_taken_for_sound(tmp_path):
    sound = noise(2.0, 8000) / 10
    sound[12000] = 300.0
    with pytest.raises(AudioError, match=r"i\.wav: holds a sample of 300, at 1\.500 s, where full scale is 1"):
        load_audio(write(tmp_path / "i.wav", sound, 8000, subtype="FLOAT"))
    sound[12000] = 4.0  # far too loud, and sound all the same
    assert load_audio(write(tmp_path / "loud.wav", sound, 8000, subtype="FLOAT"))[12000] == pytest.approx(4.0, abs=0.01)
