"""Laws of the modulation teacher, and its score on real sound."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from generic_sounds import generic_sounds  # noqa: E402

from sondo.audio.logmel import log_mel  # noqa: E402
from sondo.errors import SondoError  # noqa: E402
from sondo.teachers import Teacher, create  # noqa: E402
from sondo.teachers.modulation import FRONT_END, ModulationTeacher  # noqa: E402
from sondo.teachers.modulation_spectrum import (  # noqa: E402
    NUM_RATES,
    NUM_SCALES,
    band_statistics,
    modulation_spectrum,
    rate_centres_hz,
    scale_centres,
)

ESC10 = Path(__file__).resolve().parents[3] / "shared" / "data" / "esc10"
RATE = 32000


@pytest.fixture(scope="module")
def teacher() -> ModulationTeacher:
    return ModulationTeacher()


@pytest.fixture(scope="module")
def sounds() -> torch.Tensor:
    return torch.from_numpy(generic_sounds(8, seconds=2.0, seed=5))


def _noise(seconds: float, *, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)


def _modulated(rate_hz: float, seconds: float) -> torch.Tensor:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = _noise(seconds) * (1 + 0.9 * np.sin(2 * np.pi * rate_hz * time))
    return torch.from_numpy(wave.astype(np.float32))[None]


def _ripple(scale: float, rate_hz: float, *, frames: int = 400) -> torch.Tensor:
    """A log-mel whose bands swing together as a moving ripple: exact, without any sound."""
    band, time = np.arange(64)[:, None], np.arange(frames)[None] / 100
    return torch.from_numpy(np.cos(2 * np.pi * (scale * band + rate_hz * time)).astype(np.float32))[None]


def test_it_has_the_shape_of_a_teacher(teacher):
    assert isinstance(teacher, Teacher)
    assert (teacher.name, teacher.sample_rate, teacher.embedding_dim) == ("modulation", 32000, 544)
    assert teacher.num_params == 0
    assert teacher.licence == "MIT"
    assert teacher.fingerprint == create("modulation").fingerprint


def test_the_log_mel_is_the_one_of_sondo_audio(teacher):
    wave = _noise(0.7)
    ours = teacher._log_mel(torch.from_numpy(wave)[None])[0].numpy()
    np.testing.assert_allclose(ours, log_mel(wave, config=FRONT_END), atol=2e-4)


@pytest.mark.parametrize("rate_hz", [4.0, 9.9, 20.0])
@pytest.mark.parametrize("seconds", [1.0, 3.0])
def test_amplitude_modulated_noise_peaks_at_its_rate(teacher, rate_hz, seconds):
    _, spectrum = teacher.measure(_modulated(rate_hz, seconds))
    all_bands_together = spectrum[0, 0].numpy()
    peak = 2 + int(all_bands_together[2:].argmax())  # rates 0 and 1 hold the steady part
    assert peak == np.abs(teacher.rates_hz - rate_hz).argmin()


def test_a_ripple_peaks_at_its_scale_and_rate():
    scale, rate_hz = 8 / 64, 10 * 100 / 128
    spectrum = modulation_spectrum(_ripple(scale, rate_hz))[0].numpy()
    at_scale, at_rate = np.unravel_index(spectrum.argmax(), spectrum.shape)
    assert at_scale == np.abs(scale_centres(64) - scale).argmin()
    assert at_rate == np.abs(rate_centres_hz(100.0) - rate_hz).argmin()


def test_a_ripple_that_does_not_move_lies_at_rate_0():
    spectrum = modulation_spectrum(_ripple(8 / 64, 0.0))[0].numpy()
    assert spectrum.max(0).argmax() in (0, 1)
    assert spectrum[:, 5:].max() < np.log(1e-3) + 0.1  # the taper has a skirt


def test_up_and_down_are_the_same():
    down, up = _ripple(8 / 64, 6.0), _ripple(8 / 64, -6.0)
    torch.testing.assert_close(modulation_spectrum(down), modulation_spectrum(up), atol=1e-3, rtol=0)


def test_time_reversed_log_mel_has_the_same_modulation_spectrum():
    generator = torch.Generator().manual_seed(3)
    for frames in (30, 128, 320):
        mels = torch.randn(2, 64, frames, generator=generator)
        torch.testing.assert_close(modulation_spectrum(mels.flip(-1)), modulation_spectrum(mels), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_a_texture_has_the_same_density_whatever_its_length():
    mels = torch.randn(64, 64, 2000, generator=torch.Generator().manual_seed(1))
    density = [modulation_spectrum(mels[..., :frames]).mean(0) for frames in (40, 128, 2000)]
    for other in density[1:]:
        assert (other - density[0])[1:, 2:].abs().max() < 0.6  # nats; white ripples, a few averages each
        assert (other - density[0])[1:, 2:].abs().mean() < 0.3


def test_axes_reach_from_0_to_the_limit():
    rates, scales = rate_centres_hz(100.0), scale_centres(64)
    assert (len(rates), len(scales)) == (NUM_RATES, NUM_SCALES)
    assert rates[0] == scales[0] == 0
    assert rates[-1] == pytest.approx(50.0)
    assert scales[-1] == pytest.approx(0.5)
    assert rates[1] == pytest.approx(100 / 128, rel=1e-6)
    assert np.all(np.diff(rates, 2) > 0)


def test_band_statistics_of_numbers_by_hand():
    mels = torch.tensor([[[0.0, 2.0, 0.0, 2.0], [1.0, 1.0, 1.0, 5.0]]])
    want = torch.tensor([[[1.0, 2.0], [1.0, 3**0.5], [2.0, 5.0], [2.0, 4 / 3]]])
    torch.testing.assert_close(band_statistics(mels), want)


def test_gain_moves_level_by_its_logarithm_and_leaves_the_rest(teacher):
    wave = torch.from_numpy(_noise(2.0))[None] * 3  # far above the offset of the logarithm
    quiet, loud = teacher.measure(wave), teacher.measure(wave * 2)
    moved = (loud[0] - quiet[0])[0].numpy()
    np.testing.assert_allclose(moved[[0, 2]], 2 * np.log(2), atol=0.02)
    np.testing.assert_allclose(moved[[1, 3]], 0, atol=0.01)
    assert (loud[1] - quiet[1]).abs().max() < 0.05
    step = (teacher.embed(wave * 2) - teacher.embed(wave))[0]
    np.testing.assert_allclose(step[:64], np.log(2) / 1.08, atol=0.02)  # half the shift, by the deviation 1.08


def test_deterministic_and_alone_as_in_a_batch(teacher, sounds):
    together = teacher.embed(sounds)
    assert together.dtype == torch.float32
    assert not together.requires_grad
    torch.testing.assert_close(teacher.embed(sounds), together, atol=0, rtol=0)
    for index in (0, 3, 7):
        torch.testing.assert_close(teacher.embed(sounds[index : index + 1])[0], together[index], atol=1e-5, rtol=1e-5)


def test_the_number_of_threads_is_left_alone_and_does_not_matter(teacher, sounds):
    before, vectors = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            vectors.append(teacher.embed(sounds[:4]))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(vectors[0], vectors[1], atol=0, rtol=0)


@pytest.mark.parametrize("samples", [3200, 3201, 16000, 42_000, 330_000])
def test_every_length_from_a_tenth_of_a_second(teacher, samples):
    vector = teacher.embed(torch.from_numpy(_noise(11.0)[:samples])[None])
    assert vector.shape == (1, 544)
    assert torch.isfinite(vector).all()
    assert 1 < vector.norm() < 100


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0])
def test_silence_and_constants_have_a_vector(teacher, level):
    vector = teacher.embed(torch.full((1, 32000), level))
    assert torch.isfinite(vector).all()
    assert vector.norm() > 1


@pytest.mark.parametrize("shape", [(1, 3199), (32000,), (1, 1, 32000)])
def test_other_shapes_are_refused(teacher, shape):
    with pytest.raises(SondoError, match=r"3200 samples \(0\.1 s\)"):
        teacher.embed(torch.zeros(shape))


@pytest.mark.slow
def test_sound_in_general_is_centred_and_its_groups_weigh_alike(teacher):
    sounds = np.split(generic_sounds(48, seconds=2.0), 6)
    vectors = np.concatenate([teacher.embed(torch.from_numpy(part)) for part in sounds])
    groups = [vectors[:, start : start + 64] for start in range(0, 256, 64)] + [vectors[:, 256:]]
    for group in groups:
        assert np.sqrt(np.mean(group**2)) == pytest.approx(1, abs=0.3)  # within 0.07 for 200 sounds
        assert np.sqrt(np.mean(group.mean(0) ** 2)) < 0.35
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[~np.eye(len(unit), dtype=bool)]
    assert abs(cosines.mean()) < 0.1


@pytest.mark.slow
@pytest.mark.skipif(not ESC10.is_dir(), reason="ESC-10 is not beside the checkout")
def test_esc10_probe_reaches_88_percent(teacher):
    import csv

    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from sondo.audio.decode import load_audio

    with (ESC10 / "esc10.csv").open() as file:
        rows = list(csv.DictReader(file))
    waves = [load_audio(ESC10 / "audio" / row["filename"], sample_rate=RATE) for row in rows]
    vectors = np.concatenate([teacher.embed(torch.from_numpy(wave)[None]).numpy() for wave in waves])
    fold = np.array([int(row["fold"]) for row in rows])
    target = np.array([int(row["target"]) for row in rows])
    scores = []
    for each in range(1, 6):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        probe.fit(vectors[fold != each], target[fold != each])
        scores.append(probe.score(vectors[fold == each], target[fold == each]))
    assert np.mean(scores) >= 0.88
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (unit @ unit.T)[~np.eye(len(unit), dtype=bool)].mean() < 0.3
