"""What every model promises, shown on one whose embedding is a formula."""

import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr

from sondo.audio.decode import load_audio
from sondo.errors import SondoError
from sondo.runtime import Model


class Power(Model):
    """Embeds a window as (mean power, mean, samples in 10 s): easy to compute by hand."""

    at_once = 1

    def __init__(self):
        super().__init__(name="power", embedding_dim=3, space_id="power-1", licence="MIT")
        self.calls = []

    def _embed_windows(self, audio):
        self.calls.append(audio.shape)
        length = np.full(len(audio), audio.shape[1] / 320000)
        return np.stack([(audio**2).mean(axis=1), audio.mean(axis=1), length], axis=1).astype(np.float32)


def noise(seconds, rate, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)


def write(path, sound, rate):
    with soundfile.SoundFile(path, "w", rate, 1, subtype="FLOAT" if path.suffix == ".wav" else None) as file:
        for start in range(0, len(sound), 20000):
            file.write(sound[start : start + 20000])
    return path


def test_attributes():
    model = Power()
    assert (model.name, model.embedding_dim, model.sample_rate) == ("power", 3, 32000)
    assert (model.space_id, model.licence) == ("power-1", "MIT")


def test_windows_are_averaged_by_their_frames():
    model, sound = Power(), noise(25.0, 32000)
    parts = [sound[:320000], sound[320000:640000], sound[640000:]]
    segments = model.embed_segments(sound, sample_rate=32000)
    np.testing.assert_allclose(segments[:, 0], [np.mean(part**2) for part in parts], rtol=1e-4)
    np.testing.assert_allclose(segments[:, 2], [1.0, 1.0, 0.5])
    want = (624 * segments[0] + 624 * segments[1] + 311 * segments[2]) / (624 + 624 + 311)
    vector = model.embed(sound, sample_rate=32000)
    assert vector.shape == (3,)
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, want, rtol=1e-5)


@pytest.mark.parametrize(("extra_samples", "segments"), [(0, 1), (3071, 1), (3072, 2)])
def test_a_rest_counts_from_five_frames_on(extra_samples, segments):
    sound = noise(11.0, 32000)[: 320000 + extra_samples]
    assert Power().embed_segments(sound, sample_rate=32000).shape == (segments, 3)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 96000])
def test_windows_are_cut_at_the_native_rate_and_resampled_alone(rate):
    sound = noise(12.3, rate)
    parts = [soxr.resample(part, rate, 32000, quality="HQ") for part in (sound[: 10 * rate], sound[10 * rate :])]
    segments = Power().embed_segments(sound, sample_rate=rate)
    np.testing.assert_allclose(segments[:, 0], [np.mean(part**2) for part in parts], rtol=1e-4)
    assert segments[0, 2] == 1.0


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", pytest.param("mp3", marks=pytest.mark.slow)])
def test_a_file_and_its_samples_give_the_same_bits(tmp_path, extension):
    model, path = Power(), write(tmp_path / f"a.{extension}", noise(33.3, 44100), 44100)
    samples = load_audio(path)
    assert model.embed(path).tobytes() == model.embed(samples, sample_rate=44100).tobytes()
    assert model.embed_segments(path).tobytes() == model.embed_segments(samples, sample_rate=44100).tobytes()
    assert model.embed(str(path)).tobytes() == model.embed(path).tobytes()


def test_batches_and_lists(tmp_path):
    model = Power()
    batch = np.stack([noise(11.0, 16000, seed) for seed in range(18)])
    got = model.embed(batch, sample_rate=16000)
    assert got.shape == (18, 3)
    assert model.calls == [(16, 320000), (16, 32000), (2, 320000), (2, 32000)]
    np.testing.assert_allclose(got[17], model.embed(batch[17], sample_rate=16000), atol=1e-5)
    path = write(tmp_path / "a.wav", noise(0.7, 8000), 8000)
    mixed = model.embed([path, batch[0], str(path)], sample_rate=16000)
    np.testing.assert_array_equal(mixed, [model.embed(path), model.embed(batch[0], sample_rate=16000), mixed[0]])
    assert model.embed([]).shape == (0, 3)


def test_a_generator_is_taken_one_by_one(tmp_path):
    made, model = [], Power()

    def sounds():
        for seed in range(3):
            made.append(len(model.calls))
            yield noise(0.5, 16000, seed)

    got = model.embed(sounds(), sample_rate=16000)
    np.testing.assert_array_equal(got, [model.embed(noise(0.5, 16000, seed), sample_rate=16000) for seed in range(3)])
    assert made == [0, 1, 2]
    paths = [write(tmp_path / f"{seed}.wav", noise(0.5, 8000, seed), 8000) for seed in range(2)]
    np.testing.assert_array_equal(model.embed(path for path in paths), model.embed(paths))
    np.testing.assert_array_equal(model.embed(iter(np.array(paths, dtype=str))), model.embed(paths))
    assert model.embed(iter(())).shape == (0, 3)


class Several(Power):
    """Embeds two sounds at a time."""

    at_once = 2


class OfAnotherLibrary:
    """An array that numpy can look at, as a tensor of torch is."""

    def __init__(self, samples):
        self.samples, self.ndim, self.shape = samples, samples.ndim, samples.shape

    def __array__(self, dtype=None, copy=None):
        return self.samples


@pytest.mark.parametrize("kind", [np.asarray, OfAnotherLibrary])
def test_a_generator_may_fill_the_same_array_again(kind):
    def sounds():
        samples = np.empty(16000, dtype=np.float32)
        for level in range(1, 9):
            samples[:] = level / 10
            yield kind(samples)

    np.testing.assert_allclose(Several().embed(sounds(), sample_rate=32000)[:, 1], np.arange(1, 9) / 10, rtol=1e-5)


def test_a_long_array_is_left_at_its_window_when_its_list_has_failed():
    class Slow(Several):
        begun = threading.Event()

        def _embed_windows(self, audio):
            if audio.shape[1] < 320000:
                assert self.begun.wait(10)
                raise SondoError("the first fails while the second is at work")
            self.begun.set()
            time.sleep(0.005)
            return super()._embed_windows(audio)

    model = Slow()
    with pytest.raises(SondoError, match="item 0"):
        model.embed([np.zeros(32000), np.zeros(40 * 320000, np.float32)], sample_rate=32000)
    assert len(model.calls) < 30


@pytest.mark.parametrize("rate", [16000.0, np.int64(16000), np.float32(16000)])
def test_a_rate_may_be_of_any_type_of_number(rate):
    sound = noise(0.5, 16000)
    np.testing.assert_array_equal(Power().embed(sound, sample_rate=rate), Power().embed(sound, sample_rate=16000))


def test_integers_are_scaled():
    sound = np.round(noise(1.0, 32000) * 32767).astype(np.int16)
    model = Power()
    scaled = model.embed(sound / 32768.0, sample_rate=32000)
    np.testing.assert_array_equal(model.embed(sound, sample_rate=32000), scaled)


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (np.zeros(32000, np.float32), None, "needs its sample rate"),
        (np.zeros(32000, np.float32), 0, "0 Hz is not one of sound"),
        (np.zeros(32000, np.float32), -16000, "-16,000 Hz is not one of sound"),
        (np.zeros(32000, np.float32), 48, "is it in kHz"),
        (np.zeros(32000, np.float32), 8e9, "from 1,000 to 10,000,000 Hz"),
        (np.zeros(32000, np.float32), 16000.5, "whole number"),
        (np.zeros(32000, np.float32), float("nan"), "whole number"),
        (np.zeros(32000, np.float32), float("inf"), "whole number"),
        (np.zeros(32000, np.float32), "16000", "whole number of Hz, such as 16000, not '16000'"),
        (np.zeros(32000, np.float32), True, "whole number"),
        (np.zeros(32000, np.int64), 32000, "int64"),
        (np.full(32000, 20000.0), 32000, "integers that were only cast"),
        (np.zeros(0, np.float32), 32000, r"^0 s of sound"),
        (np.full(32000, np.nan), 32000, "not finite"),
        (np.zeros(3000, np.float32), 32000, r"at least 0\.1 s"),
        (np.zeros((32000, 2), np.float32), 32000, "Average the channels"),
        (np.zeros((0, 32000), np.float32), 32000, "shape"),
        (np.zeros((1, 2, 32000), np.float32), 32000, "shape"),
        ([np.zeros((2, 32000))], 32000, r"item 0 \(counted from 0\): neither"),
        ([0.1, 0.2], 32000, r"item 0 \(counted from 0\): neither"),
        ([np.zeros(32000), np.zeros(32000), np.zeros(100)], 32000, r"^item 2 \(counted from 0\): 0\.003125 s of sound"),
        (
            iter([np.zeros(32000), np.full(32000, np.nan)]),
            32000,
            r"^item 1 \(counted from 0\): 32,000 of .* not finite",
        ),
        ([np.zeros(32000), "nowhere.wav"], 32000, "^nowhere.wav: no such file"),
        ("nowhere.wav", None, "nowhere.wav: no such file"),
    ],
)
def test_what_cannot_be_embedded(sound, rate, message):
    with pytest.raises(SondoError, match=message):
        Power().embed(sound, sample_rate=rate)


@pytest.mark.parametrize("sound", [["a.wav"], iter(["a.wav"]), np.zeros((2, 32000), np.float32)])
def test_segments_are_those_of_one_sound(sound):
    with pytest.raises(SondoError, match="embed_segments takes one sound"):
        Power().embed_segments(sound, sample_rate=32000)
    with pytest.raises(SondoError, match="embed_sliding takes one sound"):
        Power().embed_sliding(sound, sample_rate=32000)


def test_a_wrong_shape_from_a_subclass_is_named():
    model = Power()
    model.embedding_dim = 4
    with pytest.raises(SondoError, match=r"power gave vectors of shape \(1, 3\)"):
        model.embed(noise(1.0, 32000), sample_rate=32000)


@pytest.mark.slow
def test_a_long_file_is_streamed(tmp_path):
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for minute in range(20):
            file.write(noise(60.0, 8000, minute))
    model = Power()
    model.embed(path)
    model.calls.clear()
    tracemalloc.start()
    model.embed(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(model.calls) == 120
    assert peak < 12e6  # the whole sound is 38 MB at 8 kHz, 154 MB at 32 kHz


def test_importing_brings_nothing_heavy():
    code = (
        "import sys, sondo.runtime; "
        "print([name for name in ('torch', 'onnx', 'pyarrow', 'av', 'lance', 'scipy', 'onnxruntime') "
        "if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
