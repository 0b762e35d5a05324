"""One window of a student in plain operators: the same log-mel, the same vectors, and the student as it was."""

import numpy as np
import pytest
import torch

from sondo.audio.logmel import LogMelConfig, log_mel
from sondo.errors import SondoError
from sondo.export.plain import MatrixLogMel, plain_student
from sondo.students import create


@pytest.mark.parametrize("n_fft", [512, 1024, 2048])
def test_the_front_end_is_that_of_numpy(n_fft):
    config = LogMelConfig(n_fft=n_fft, hop=n_fft // 2, num_mels=64)
    audio = (0.1 * np.random.default_rng(n_fft).standard_normal((1, 20 * n_fft))).astype(np.float32)
    audio[:, : 4 * n_fft] = 0
    found = MatrixLogMel(config)(torch.from_numpy(audio)).numpy()
    np.testing.assert_allclose(found, log_mel(audio, config=config), atol=1e-4)


def test_a_hop_that_is_not_half_the_fft_is_refused():
    with pytest.raises(SondoError, match="half the FFT"):
        MatrixLogMel(LogMelConfig(n_fft=1024, hop=320))


@pytest.mark.parametrize(("kind", "width"), [("mobilenetv3", 0.1), ("dymn", 0.1), ("eres2net", 0.25)])
def test_it_gives_the_students_vector_and_changes_nothing(kind, width, recipe):
    student = create(kind, width_mult=width, readout="multilevel_stats").eval()
    shapes = {key: tuple(value.shape) for key, value in student.backbone.state_dict().items()}
    student.backbone.load_state_dict({k: torch.from_numpy(v) for k, v in recipe.seeded_weights(shapes).items()})
    before = {key: value.clone() for key, value in student.state_dict().items()}
    plain = plain_student(student)
    for hops in (6, 100):
        audio = torch.from_numpy(
            (0.1 * np.random.default_rng(hops).standard_normal((1, 512 * hops))).astype(np.float32)
        )
        with torch.inference_mode():
            wanted, found = student(audio).numpy(), plain(audio).numpy()
        assert np.abs(wanted).max() > 0.1
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())
    assert all(parameter.requires_grad for parameter in student.parameters())
