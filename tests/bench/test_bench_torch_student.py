"""The work of a student in torch: that of its convolutions and linear layers, each looked at as it runs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")


def test_multiply_accumulates_are_those_of_the_layers(student):
    from sondo.bench.torch_student import count_macs

    layers = [layer for layer in student.modules() if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    counted = []
    hooks = [
        # each number that a layer gives is a sum over one row of its weight
        layer.register_forward_hook(lambda layer, _, out: counted.append(out.numel() * layer.weight[0].numel()))
        for layer in layers
    ]
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, 32_000))).astype(np.float32)
    with torch.inference_mode():
        student(torch.from_numpy(audio))
    for hook in hooks:
        hook.remove()
    macs = count_macs(student, audio)
    assert macs.network == sum(counted) > 1e6
    assert macs.front_end == 128 * 61 * 513  # mels x frames of 1 s x bins; an FFT is no matrix product


def test_the_front_ends_share_is_a_share_and_threads_stay_as_they_were(student):
    from sondo.bench.torch_student import front_end_share

    before = torch.get_num_threads()
    share = front_end_share(student, np.ones((1, 6400), dtype=np.float32))
    assert share > 0
    assert torch.get_num_threads() == before
