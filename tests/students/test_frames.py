"""Frames of a student: how many, when, and what they have to do with its embedding."""

import numpy as np
import pytest
import torch

from sondo.errors import SondoError
from sondo.students import TorchModel, create

WINDOW = 320_000


def noise(*shape, seed=0):
    return torch.from_numpy((0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32))


def frames(student, *arguments):
    with torch.inference_mode():
        return student.frames(*arguments)


# The strides are those of the papers' tables: five of two for MobileNetV3 and DyMN, four for ERes2Net.
@pytest.mark.parametrize(
    ("name", "readout", "dim", "stride", "hop_s"),
    [
        ("mobilenetv3", "last", 96, 32, 0.512),
        ("mobilenetv3", "stats", 96, 32, 0.512),
        ("mobilenetv3", "multilevel", 96, 32, 0.512),
        ("dymn", "last", 96, 32, 0.512),
        ("eres2net", "last", 8 * 8, 16, 0.256),
        ("eres2net", "stats", 8, 16, 0.256),
    ],
)
def test_number_size_and_step_of_the_frames(name, readout, dim, stride, hop_s):
    student = create(name, width_mult=0.1, readout=readout).eval()
    assert (student.frame_dim, student.frame_stride) == (dim, stride)
    assert student.frame_hop_s == pytest.approx(hop_s, abs=1e-12)
    vectors, times_s = frames(student, noise(2, 64_000))
    log_mel_frames = 1 + (64_000 - 1024) // 512
    assert vectors.shape == (2, -(-log_mel_frames // stride), dim)
    assert vectors.dtype == torch.float32
    assert times_s.shape == vectors.shape[:2]
    np.testing.assert_allclose(np.diff(times_s.numpy()), hop_s, atol=1e-9)


def test_asking_for_the_step_changes_no_statistics():
    student = create("mobilenetv3", width_mult=0.1).train()
    before = {key: value.clone() for key, value in student.state_dict().items()}
    assert student.frame_stride == 32
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())


def test_the_mean_of_the_frames_is_the_embedding(student):
    audio = noise(2, 100_000, seed=1)
    vectors, _ = frames(student, audio)
    with torch.inference_mode():
        torch.testing.assert_close(vectors.mean(1), student(audio), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "readout"), [("mobilenetv3", "stats"), ("eres2net", "last")])
def test_the_mean_of_the_frames_is_the_first_half_of_statistics(name, readout):
    student = create(name, width_mult=0.1, readout=readout).eval()
    audio = noise(2, 100_000, seed=1)
    vectors, _ = frames(student, audio)
    with torch.inference_mode():
        expected = student(audio)[:, : student.frame_dim]
    torch.testing.assert_close(vectors.mean(1), expected, rtol=1e-4, atol=1e-6)


def test_a_frame_is_timed_where_its_sound_is(student):
    """The column that a click moves most is the one whose time is nearest to the click."""
    quiet = noise(1, WINDOW, seed=2)
    for at_s in (2.0, 5.3, 8.1):
        clicked = quiet.clone()
        at = round(at_s * 32_000)
        clicked[:, at - 800 : at + 800] += noise(1, 1600, seed=3) * 30
        (before, times_s), (after, _) = frames(student, quiet), frames(student, clicked)
        moved = (after - before).square().sum(2)[0]
        assert abs(float(times_s[0, moved.argmax()]) - at_s) <= student.frame_hop_s / 2 + 0.032


def test_windows_of_long_sound_follow_each_other_with_their_own_times(student):
    audio = noise(1, 2 * WINDOW + 64_000, seed=4)
    vectors, times_s = frames(student, audio)
    per_window = -(-624 // 32)
    assert vectors.shape[1] == 2 * per_window + -(-124 // 32)
    in_window = 0.016 + 0.512 * np.arange(per_window)
    expected = np.concatenate([in_window, 10 + in_window, 20 + in_window[:4]])
    np.testing.assert_allclose(times_s[0].numpy(), expected, atol=1e-9)
    for window, first in enumerate((0, per_window, 2 * per_window)):
        alone, _ = frames(student, audio[:, window * WINDOW : (window + 1) * WINDOW])
        torch.testing.assert_close(vectors[:, first : first + alone.shape[1]], alone, rtol=1e-4, atol=1e-5)


def test_no_frame_lies_beyond_the_sound(student):
    for samples in (3200, 17_500, 32_001, 318_000, 320_000, 325_000):
        _, times_s = frames(student, noise(1, samples))
        assert 0 < float(times_s.max()) < samples / 32_000


def test_a_rest_below_a_tenth_of_a_second_has_no_frames(student):
    audio = noise(1, WINDOW + 3071, seed=5)
    torch.testing.assert_close(frames(student, audio), frames(student, audio[:, :WINDOW]))


def test_padded_rows_have_the_frames_that_they_have_alone_and_nothing_behind(student):
    lengths = [40_000, 3200, 330_000]
    clips = [noise(length, seed=length) for length in lengths]
    padded = torch.full((3, 330_000), 0.7)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    vectors, times_s = frames(student, padded, torch.tensor(lengths))
    for row, clip in enumerate(clips):
        alone, alone_s = frames(student, clip[None])
        count = alone.shape[1]
        torch.testing.assert_close(vectors[row, :count], alone[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(times_s[row, :count], alone_s[0])
        assert torch.isnan(vectors[row, count:]).all()
        assert torch.isnan(times_s[row, count:]).all()


def test_frames_can_be_trained_through(student):
    student.train()
    vectors, _ = student.frames(noise(2, 32_000))
    vectors.square().sum().backward()
    assert all(parameter.grad is not None for parameter in student.backbone.parameters())


def test_a_model_gives_the_frames_of_a_file_and_of_an_array_at_any_rate(student, tmp_path):
    import soundfile

    model = TorchModel(student)
    audio = noise(int(12.5 * 32_000), seed=6).numpy()
    vectors, times_s = model.frames(audio, sample_rate=32_000)
    expected, expected_s = frames(student, torch.from_numpy(audio)[None])
    np.testing.assert_allclose(vectors, expected[0].numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(times_s, expected_s[0].numpy(), atol=1e-9)
    soundfile.write(tmp_path / "sound.wav", audio, 32_000, subtype="FLOAT")
    from_file, from_file_s = model.frames(tmp_path / "sound.wav")
    np.testing.assert_array_equal(from_file, vectors)
    np.testing.assert_array_equal(from_file_s, times_s)
    _, times_at_44_s = model.frames(noise(int(12.5 * 44_100)).numpy(), sample_rate=44_100)
    np.testing.assert_allclose(times_at_44_s, times_s, atol=1e-9)


def test_students_without_maps_say_so(monkeypatch, tmp_path):
    (tmp_path / "own_vectors.py").write_text(
        "import torch\n"
        "class Mean(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x.mean((1, 3))\n"
        "def make():\n"
        "    return Mean()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    student = create("own_vectors:make")
    with pytest.raises(SondoError, match="no frames"):
        student.frames(noise(1, 32_000))
