"""The work in an exported file: counted by hand for a small network, and the same as torch's own counter says."""

import numpy as np
import pytest

from sondo.bench.onnx_file import count_macs, count_parameters, front_end_share

AUDIO = (0.1 * np.random.default_rng(0).standard_normal((1, 3200))).astype(np.float32)


def test_multiply_accumulates_are_those_counted_by_hand(network):
    macs = count_macs(network, AUDIO)
    assert macs.front_end == 100 * 16 * 32
    plane = 50 * 8  # the map of 100 x 16 after strides of 2
    first, grouped, pointwise = plane * 4 * 9, plane * 4 * 9, plane * 6 * 4
    assert macs.network == first + grouped + pointwise + 6 * 5 + 5 * 7


def test_parameters_are_the_weights_outside_the_front_end(network):
    assert count_parameters(network) == 4 * 9 + 4 * 9 + 6 * 4 + 6 * 5 + 7 * 5 + 7


def test_the_front_ends_share_is_a_share(network):
    share = front_end_share(network, AUDIO)
    assert share is not None
    assert 0 < share < 1


@pytest.mark.slow
def test_the_networks_work_in_a_file_is_that_in_torch(student, tmp_path):
    torch_student = pytest.importorskip("sondo.bench.torch_student", reason="needs the extra train")
    from sondo.export import to_onnx

    path = to_onnx(student, tmp_path / "student.onnx")
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, 320_000))).astype(np.float32)
    in_torch = torch_student.count_macs(student, audio)
    assert count_macs(path, audio).network == pytest.approx(in_torch.network, rel=0.01)
