"""A student as an encoder of X-ARES: what its checker asks, and that the frames follow each other evenly."""

import numpy as np
import pytest
import torch

from sondo.errors import SondoError
from sondo.integrations import xares
from sondo.runtime import Model
from sondo.students import save

CHUNK = 19 * 16_384  # as many whole frames of 32 * 512 samples as fit into 10 s at 32 kHz


def noise(*shape, seed=0):
    return torch.from_numpy((0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32))


@pytest.fixture(scope="module")
def encoder(make_student, tmp_path_factory):
    folder = save(make_student(), tmp_path_factory.mktemp("xares") / "student")

    class FirstEncoder(xares.StudentEncoder):
        def __init__(self):
            super().__init__(folder)

    return FirstEncoder()


def test_it_passes_what_the_checker_of_xares_checks(encoder):
    assert type(encoder).__name__.endswith("Encoder")
    assert isinstance(encoder, torch.nn.Module)
    encoded = encoder(torch.randn(2, 50_000, generator=torch.Generator().manual_seed(0)))
    assert isinstance(encoded, torch.Tensor)
    assert encoded.ndim == 3
    assert (encoded.shape[0], encoded.shape[2]) == (2, encoder.output_dim)
    assert (encoder.sampling_rate, encoder.output_dim) == (32_000, 96)
    assert encoder.hop_size_in_ms == pytest.approx(512)


def test_xares_finds_one_class_in_the_file_of_the_docstring():
    """X-ARES refuses a file in which more than one name ends with Encoder; importing the module adds none."""
    assert [name for name in vars(xares) if name.endswith("Encoder")] == ["StudentEncoder"]


@pytest.mark.parametrize("samples", [1, 3000, 16_384, 16_385, 50_000, CHUNK, CHUNK + 1, CHUNK + 20_000, 3 * CHUNK - 1])
def test_there_is_a_frame_for_every_hop_that_has_begun(encoder, samples):
    assert encoder(noise(1, samples)).shape == (1, -(-samples // 16_384), 96)


def test_one_sound_needs_no_batch(encoder):
    audio = noise(40_000)
    torch.testing.assert_close(encoder(audio), encoder(audio[None]))


def test_frames_are_those_of_the_student_and_long_sound_goes_on_evenly(encoder, student):
    audio = noise(2, 2 * CHUNK + 60_000, seed=1)
    found = encoder(audio)
    with torch.inference_mode():
        parts = [student.frames(audio[:, start : start + CHUNK]) for start in (0, CHUNK, 2 * CHUNK)]
    expected = torch.cat([vectors for vectors, _ in parts], dim=1)
    times_s = np.concatenate([index * CHUNK / 32_000 + times[0].numpy() for index, (_, times) in enumerate(parts)])
    np.testing.assert_allclose(np.diff(times_s), encoder.hop_size_in_ms / 1000, atol=1e-9)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_rest_below_a_second_is_heard_with_silence_behind_it(encoder, student):
    audio = noise(1, CHUNK + 10_000, seed=2)
    padded = torch.nn.functional.pad(audio[:, CHUNK:], (0, 22_000))
    with torch.inference_mode():
        expected, _ = student.frames(padded)
    torch.testing.assert_close(encoder(audio)[:, 19:], expected[:, :1], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_ten_minutes_are_taken(encoder):
    assert encoder(noise(1, 600 * 32_000)).shape == (1, 1172, 96)


def test_what_does_not_fit_is_refused(encoder):
    with pytest.raises(SondoError, match=r"\(batch, samples\)"):
        encoder(noise(1, 1, 32_000))
    with pytest.raises(SondoError, match=r"\(batch, samples\)"):
        encoder(torch.zeros(1, 0))
    with pytest.raises(SondoError, match=r"\(batch, samples\).*\(0, 32000\)"):
        encoder(torch.zeros(0, 32_000))
    with pytest.raises(SondoError, match="not a list"):
        encoder([[0.0] * 32_000])

    class Mean(Model):
        def _embed_windows(self, audio):
            return audio.mean(1, keepdims=True)

    with pytest.raises(SondoError, match="no frames"):
        xares.StudentEncoder(Mean(name="mean", embedding_dim=1, space_id="mean-1", licence="MIT"))
