"""A student behind the HEAR API: the API's own rules, and that each embedding is the one of its sound."""

import numpy as np
import pytest
import torch

import sondo
from sondo import hear
from sondo.errors import SondoError
from sondo.integrations import hear_checks
from sondo.runtime import Model
from sondo.students import save


class Loudness(Model):
    """Embeds sound as (mean power, samples in a second): easy to compute by hand, and run by no torch."""

    def __init__(self):
        super().__init__(name="loudness", embedding_dim=2, space_id="loudness-1", licence="MIT")

    def _embed_windows(self, audio):
        return np.stack([(audio**2).mean(1), np.full(len(audio), audio.shape[1] / 32_000)], 1).astype(np.float32)


def noise(*shape, seed=0):
    return torch.from_numpy((0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32))


@pytest.fixture
def folder(student, tmp_path):
    return save(student, tmp_path / "student")


@pytest.mark.parametrize("rate", [16_000, 22_050, 32_000, 44_100, 48_000])
def test_the_promises_of_the_api_are_kept_at_every_rate(rate):
    model = hear.HearModel(Loudness(), sample_rate=rate)
    assert model.sample_rate == rate
    assert hear_checks.check_model(hear, model) == []


@pytest.mark.slow
def test_a_student_keeps_the_promises_of_the_api(folder):
    model = hear.load_model(str(folder), sample_rate=22_050)
    assert model.sample_rate == 22_050
    assert hear_checks.check_model(hear, model) == []


@pytest.mark.slow
def test_the_checks_find_the_module_by_name(folder):
    assert hear_checks.check("sondo.hear", folder) == []
    assert hear.load_model(str(folder)).sample_rate == 32_000


def test_a_scene_embedding_is_that_of_sondo_load(folder):
    audio = noise(2, 44_100 * 2)
    found = hear.get_scene_embeddings(audio, hear.load_model(folder, sample_rate=44_100))
    expected = sondo.load(folder).embed(audio.numpy(), sample_rate=44_100)
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize(("rate", "samples", "last_ms"), [(44_100, 44_100 * 3, 3000), (22_050, 23_593, 1050)])
def test_timestamps_step_by_50_ms_to_the_end_of_the_sound(rate, samples, last_ms):
    model = hear.HearModel(Loudness(), sample_rate=rate)
    embeddings, times_ms = hear.get_timestamp_embeddings(noise(2, samples), model)
    assert embeddings.shape == (2, last_ms // 50 + 1, 2)
    np.testing.assert_array_equal(times_ms.numpy(), [np.arange(0, last_ms + 1, 50)] * 2)
    assert times_ms.dtype == embeddings.dtype == torch.float32


def test_a_timestamp_is_embedded_from_the_second_around_it():
    audio = noise(1, 96_000, seed=1)
    embeddings, _ = hear.get_timestamp_embeddings(audio, hear.HearModel(Loudness()))
    samples = audio[0].numpy()
    for index, (start, stop) in {0: (0, 16_000), 20: (16_000, 48_000), 60: (80_000, 96_000)}.items():
        power = np.square(samples[start:stop]).sum() / 32_000  # silence beyond the edges
        np.testing.assert_allclose(embeddings[0, index], [power, 1.0], rtol=1e-5)


def test_times_do_not_drift_in_long_sound():
    """At 22.05 kHz the step is 1102.5 samples: rounded before it is added up, a minute would be off by 27 ms."""
    rate, at_s = 22_050, 90.0
    audio = torch.zeros(1, 100 * rate)
    audio[:, round(at_s * rate) - 2205 : round(at_s * rate) + 2205] = 0.5
    embeddings, times_ms = hear.get_timestamp_embeddings(audio, hear.HearModel(Loudness(), sample_rate=rate))
    power = embeddings[0, :, 0].numpy()
    assert (times_ms[0].numpy() * power).sum() / power.sum() == pytest.approx(1000 * at_s, abs=1.0)


def test_the_student_moves_with_the_module_and_stays_in_evaluation(folder):
    model = hear.load_model(folder)
    assert sum(parameter.numel() for parameter in model.parameters()) == model.model.student.num_params
    model.train()
    assert not any(module.training for module in model.modules())
    assert model(noise(1, 32_000)).shape == (1, 96)


def test_what_cannot_be_loaded(tmp_path):
    with pytest.raises(SondoError, match="no default model"):
        hear.load_model()
    with pytest.raises(SondoError, match="no model at"):
        hear.load_model(str(tmp_path / "nothing"))
    with pytest.raises(SondoError, match="8000 Hz.*16000, 22050"):
        hear.HearModel(Loudness(), sample_rate=8000)


def test_audio_of_another_shape_is_refused():
    model = hear.HearModel(Loudness())
    for function in (hear.get_scene_embeddings, hear.get_timestamp_embeddings):
        with pytest.raises(SondoError, match=r"\(sounds, samples\)"):
            function(noise(32_000), model)
        with pytest.raises(SondoError, match=r"\(sounds, samples\), not \(0, 32000\)"):
            function(torch.zeros(0, 32_000), model)


@pytest.mark.parametrize(
    ("audio", "what"),
    [
        ([[0.0] * 32_000], "a list"),
        (np.zeros((1, 32_000), np.float32), "a ndarray"),
        (torch.zeros(1, 32_000, dtype=torch.int16), "a tensor"),
    ],
)
def test_audio_that_is_no_tensor_of_floats_is_refused(audio, what):
    model = hear.HearModel(Loudness())
    for function in (hear.get_scene_embeddings, hear.get_timestamp_embeddings):
        with pytest.raises(SondoError, match=f"floating-point samples .*, not {what}"):
            function(audio, model)
