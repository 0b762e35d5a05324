"""What every student promises: one vector for one sound, however it comes in."""

import numpy as np
import pytest
import torch

from sondo.audio.logmel import LogMelConfig, log_mel
from sondo.errors import SondoError
from sondo.students import LogMel, available, create


def noise(*shape, seed=0):
    return torch.from_numpy((0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32))


def embed(student, *arguments):
    with torch.inference_mode():
        return student(*arguments)


def test_the_torch_front_end_agrees_with_numpy():
    audio = noise(2, 3, 20_000)
    found = LogMel()(audio)
    assert found.shape == (2, 3, 128, 1 + (20_000 - 1024) // 512)
    np.testing.assert_allclose(found.numpy(), log_mel(audio.numpy()), atol=1e-4)


def test_the_front_end_stays_in_float32_under_autocast():
    audio = noise(1, 8000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = LogMel()(audio)
    assert found.dtype == torch.float32
    assert torch.equal(found, LogMel()(audio))


def test_the_front_end_follows_its_settings_and_is_no_part_of_the_weights():
    front_end = LogMel(LogMelConfig(sample_rate=16000, n_fft=512, hop=160, num_mels=40, f_max_hz=8000.0))
    assert front_end(noise(1, 1600)).shape == (1, 40, 1 + (1600 - 512) // 160)
    assert front_end.state_dict() == {}
    with pytest.raises(SondoError, match="512"):
        front_end(noise(1, 500))


@pytest.mark.parametrize("samples", [3200, 31_999, 320_000, 321_000])
def test_any_length_gives_one_vector(student, samples):
    vectors = embed(student, noise(2, samples))
    assert vectors.shape == (2, student.embedding_dim) == (2, 96)
    assert vectors.dtype == torch.float32
    assert torch.isfinite(vectors).all()


def test_windows_are_averaged_by_their_frames(student):
    audio = noise(1, 320_000 + 64_000, seed=1)
    audio[:, 320_000:] *= 20
    first, rest = embed(student, audio[:, :320_000]), embed(student, audio[:, 320_000:])
    expected = (624 * first + 124 * rest) / 748
    torch.testing.assert_close(embed(student, audio), expected, rtol=1e-4, atol=1e-5)


def test_a_rest_below_a_tenth_of_a_second_does_not_count(student):
    audio = noise(1, 320_000 + 3071, seed=2)
    torch.testing.assert_close(embed(student, audio), embed(student, audio[:, :320_000]))


def test_padded_rows_give_the_vectors_that_they_give_alone(student):
    lengths = [40_000, 3200, 330_000, 40_100]
    clips = [noise(length, seed=length) for length in lengths]
    padded = torch.full((4, 330_000), 0.7)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    together = embed(student, padded, torch.tensor(lengths))
    for vector, clip in zip(together, clips, strict=True):
        torch.testing.assert_close(vector, embed(student, clip[None])[0], rtol=1e-4, atol=1e-5)


def test_more_windows_than_go_at_once_are_all_counted(student):
    audio = noise(1, 3200, seed=3).repeat(40, 1)
    vectors = embed(student, audio)
    assert vectors.shape == (40, 96)
    torch.testing.assert_close(vectors[39], vectors[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("audio", "lengths", "message"),
    [
        (torch.zeros(3199), None, r"\(batch, samples\)"),
        (torch.zeros(1, 3071), None, "too short"),
        (torch.zeros(2, 8000), [8000], "lengths"),
        (torch.zeros(2, 8000), [8000, 8001], "lengths"),
        (torch.zeros(2, 8000), [8000, 100], "too short"),
    ],
)
def test_sound_that_does_not_fit_is_refused(student, audio, lengths, message):
    with pytest.raises(SondoError, match=message):
        student(audio, lengths)


def test_embedding_a_log_mel_is_what_forward_does_to_a_window(student):
    audio = noise(2, 32_000)
    with torch.inference_mode():
        torch.testing.assert_close(student.embed_log_mel(student.front_end(audio)), student(audio))


def test_training_reaches_every_weight(student):
    student.train()
    projector = student.make_projector(10)
    projector(student.embed_log_mel(noise(2, 128, 40))).square().sum().backward()
    assert all(parameter.grad is not None for parameter in [*student.parameters(), *projector.parameters()])


def test_the_list_tells_the_truth():
    listed = [info for info in available() if ":" not in info.name]
    assert [info.name for info in listed] == ["mobilenetv3", "dymn", "eres2net"]
    for info in listed:
        student = create(info.name)
        assert info.params == student.num_params
        assert info.embedding_dim == student.embedding_dim
        assert info.sample_rate == student.sample_rate


def test_unknown_names_and_options_are_answered_with_those_that_exist():
    with pytest.raises(SondoError, match="mobilenetv3"):
        create("mobilenet")
    with pytest.raises(SondoError, match="width_mult"):
        create("mobilenetv3", width=0.4)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.bool, torch.complex64])
def test_samples_that_are_no_floats_are_refused(student, dtype):
    audio = torch.ones(1, 32_000, dtype=dtype)
    for ask in (student, student.frames):
        with pytest.raises(SondoError, match=rf"takes floats in \[-1, 1\], not {dtype}: divide"):
            ask(audio)
    assert embed(student, audio.real.half()).dtype == torch.float32


@pytest.mark.parametrize(("dtype", "least"), [(torch.bfloat16, 0.999), (torch.float16, 0.9999)])
def test_half_the_numbers_give_the_vector_and_the_front_end_keeps_its_own(make_student, dtype, least):
    student, audio = make_student(), 0.1 * noise(1, 32_000)
    whole, (columns, _) = student(audio), student.frames(audio)
    window, filters = student.front_end.window.clone(), student.front_end.filters.clone()
    student.to(dtype)
    assert {parameter.dtype for parameter in student.parameters()} == {dtype}
    assert torch.equal(student.front_end.window, window)
    assert torch.equal(student.front_end.filters, filters)
    half, (half_columns, _) = student(audio), student.frames(audio)
    assert half.dtype == half_columns.dtype == torch.float32
    assert torch.cosine_similarity(whole, half).min() > least
    assert torch.cosine_similarity(columns, half_columns, dim=-1).min() > least
    student.to("meta")
    assert student.front_end.window.device.type == "meta"
