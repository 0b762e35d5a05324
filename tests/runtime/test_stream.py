"""A stream against `embed` of each window's samples, for a model that numbers tell apart."""

import numpy as np
import pytest
import soundfile
from test_runtime_model import Power, noise

from sondo.errors import SondoError


def fed(stream, sound, sizes):
    """Everything that a stream gives for a sound in pieces whose sizes go round."""
    found, start, turn = [], 0, 0
    while start < len(sound):
        size = sizes[turn % len(sizes)]
        found += stream.feed(sound[start : start + size])
        start, turn = start + size, turn + 1
    return found + stream.flush()


def windows(sound, rate, hop_s, window_s):
    """What the definition says: (end in samples, samples) of each window, the hops rounded from the start."""
    ends = [round(k * hop_s * rate) for k in range(1, int(len(sound) / rate / hop_s) + 1)]
    ends += [len(sound)] if not ends or ends[-1] != len(sound) else []
    size = round(window_s * rate)
    return [(end, sound[max(0, end - size) : end]) for end in ends if end >= 0.1 * rate]


@pytest.mark.parametrize("rate", [8000, 11025, 32000, 44100])
@pytest.mark.parametrize(("hop_s", "window_s"), [(0.5, 10.0), (0.3, 1.0), (2.0, 2.0)])
def test_each_vector_is_that_of_the_samples_of_its_window(rate, hop_s, window_s):
    model, sound = Power(), noise(12.3, rate)
    got = fed(model.stream(sample_rate=rate, hop_s=hop_s, window_s=window_s), sound, [1234])
    want = windows(sound, rate, hop_s, window_s)
    assert [time_s for time_s, _ in got] == pytest.approx([end / rate for end, _ in want], abs=1e-9)
    assert got[-1][0] == pytest.approx(len(sound) / rate)
    for (_, vector), (_, samples) in zip(got, want, strict=True):
        np.testing.assert_array_equal(vector, model.embed(samples, sample_rate=rate))


@pytest.mark.parametrize("sizes", [[1000000], [160], [1, 7, 30000, 0, 441], [22050]])
def test_the_sizes_of_the_pieces_change_nothing(sizes):
    model, sound = Power(), noise(3.3, 44100)
    got = fed(model.stream(sample_rate=44100, window_s=2.0), sound, sizes)
    vectors, times_s = model.embed_sliding(sound, sample_rate=44100, window_s=2.0)
    assert len(got) == 7
    assert np.stack([vector for _, vector in got]).tobytes() == vectors.tobytes()
    assert [time_s for time_s, _ in got] == times_s.tolist() == pytest.approx([0.5, 1, 1.5, 2, 2.5, 3, 3.3])


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3"])
def test_a_file_slides_as_its_samples_do(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    soundfile.write(path, noise(23.7, 16000), 16000)
    samples, _ = soundfile.read(path, dtype="float32")
    got, want = Power().embed_sliding(path), Power().embed_sliding(samples, sample_rate=16000)
    if extension != "mp3":  # its decoder's rounding depends on how much is read at once
        assert got[0].tobytes() == want[0].tobytes()
    np.testing.assert_allclose(got[0], want[0], atol=1e-5)
    np.testing.assert_array_equal(got[1], want[1])
    assert len(got[1]) == 48


def test_one_window_of_ten_seconds_is_what_embed_gives():
    model, sound = Power(), noise(10.0, 48000)
    vectors, times_s = model.embed_sliding(sound, sample_rate=48000, hop_s=10.0)
    assert times_s.tolist() == [10.0]
    np.testing.assert_array_equal(vectors[0], model.embed(sound, sample_rate=48000))


def test_windows_begin_at_a_tenth_of_a_second():
    got = fed(Power().stream(hop_s=0.04), noise(0.3, 32000), [500])
    assert [time_s for time_s, _ in got] == pytest.approx([0.12, 0.16, 0.2, 0.24, 0.28, 0.3])
    short = Power().stream()
    assert short.feed(noise(0.09, 32000)) == []
    assert short.flush() == []


def test_the_end():
    stream = Power().stream(hop_s=0.5)
    assert [time_s for time_s, _ in stream.feed(noise(1.25, 32000))] == [0.5, 1.0]
    assert [time_s for time_s, _ in stream.flush()] == [1.25]
    assert stream.flush() == []
    with pytest.raises(SondoError, match="flushed, which ends it"):
        stream.feed(noise(1.0, 32000))
    whole = Power().stream(hop_s=0.5)
    assert len(whole.feed(noise(1.0, 32000))) == 2
    assert whole.flush() == []


def test_integers_are_scaled_and_pieces_are_copied():
    sound = np.round(noise(1.0, 32000) * 32767).astype(np.int16)
    ((_, whole),) = Power().stream(hop_s=1.0).feed(sound / np.float32(32768))
    stream, device = Power().stream(hop_s=1.0), np.empty(16000, np.int16)
    device[:] = sound[:16000]
    assert stream.feed(device) == []
    device[:] = sound[16000:]  # a sound card fills the same memory again
    ((_, vector),) = stream.feed(device)
    np.testing.assert_array_equal(vector, whole)
    floats, memory = Power().stream(hop_s=1.0), (sound / 32768).astype(np.float32)
    floats.feed(memory[:16000])
    memory[:16000] = 0.9
    np.testing.assert_array_equal(floats.feed(memory[16000:])[0][1], whole)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.full(100, np.nan), "not finite"),
        (np.array([0.0, np.inf]), "not finite"),
        (np.zeros(100, np.int64), "int64"),
        (np.full(100, 3000.0), "integers that were only cast"),
        (np.zeros((2, 100), np.float32), r"one channel, not an array of shape \(2, 100\)"),
        (np.float32(0.5), "not an array of shape"),
        ("a.wav", "dtype"),
    ],
)
def test_a_bad_piece_is_refused_and_leaves_the_stream_as_it_was(samples, message):
    sound = noise(1.0, 32000)
    stream = Power().stream(hop_s=1.0)
    stream.feed(sound[:20000])
    with pytest.raises(SondoError, match=message):
        stream.feed(samples)
    ((time_s, vector),) = stream.feed(sound[20000:])
    assert time_s == 1.0
    np.testing.assert_array_equal(vector, Power().embed(sound, sample_rate=32000))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop_s": 0}, "hop_s=0 does not fit"),
        ({"hop_s": -0.5}, "does not fit"),
        ({"hop_s": float("nan")}, "does not fit"),
        ({"hop_s": 3.0, "window_s": 2.0}, r"to a window \(2 s\)"),
        ({"window_s": 0.05}, r"at least 0\.1 s"),
        ({"hop_s": "1"}, "hop_s is '1': expected a number of seconds"),
        ({"hop_s": None}, "hop_s is None"),
        ({"window_s": "2"}, "window_s is '2'"),
        ({"window_s": float("inf")}, "cannot be embedded"),
        ({"sample_rate": 44.1}, "whole number"),
        ({"sample_rate": 16}, "is it in kHz"),
    ],
)
def test_settings_that_make_no_stream(settings, message):
    with pytest.raises(SondoError, match=message):
        Power().stream(**settings)


def test_a_model_of_full_windows_waits_for_one():
    model = Power()
    model.compat = "ssondo"
    vectors, times_s = model.embed_sliding(noise(11.0, 32000), sample_rate=32000)
    assert times_s.tolist() == [10.0, 10.5, 11.0]
    assert (vectors[:, 2] == 1).all()
    with pytest.raises(SondoError, match="shorter than 10 s"):
        model.embed_sliding(noise(9.9, 32000), sample_rate=32000)
    with pytest.raises(SondoError, match="at least 10 s"):
        model.stream(window_s=5.0)
