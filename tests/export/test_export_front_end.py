"""The exported front-end against the numpy one."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sondo.audio.logmel import LogMelConfig, log_mel
from sondo.errors import SondoError
from sondo.export.front_end import front_end_graph


def run(config, audio):
    nodes, constants = front_end_graph(config, audio="audio", log_mel="log_mel")
    graph = helper.make_graph(
        nodes,
        "front_end",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [1, "samples"])],
        [helper.make_tensor_value_info("log_mel", TensorProto.FLOAT, [1, config.num_mels, "frames"])],
        [numpy_helper.from_array(np.array(value, order="C"), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"audio": audio[None]})[0][0]


@pytest.mark.parametrize(("n_fft", "num_mels"), [(16, 7), (256, 40), (512, 40), (1024, 128), (1024, 3), (1024, 1)])
@pytest.mark.parametrize("num_frames", [1, 2, 39])
def test_it_is_the_numpy_front_end(n_fft, num_mels, num_frames):
    config = LogMelConfig(n_fft=n_fft, hop=n_fft // 2, num_mels=num_mels)
    num_samples = (num_frames + 1) * config.hop
    audio = (0.3 * np.random.default_rng(0).standard_normal(num_samples)).astype(np.float32)
    np.testing.assert_allclose(run(config, audio), log_mel(audio, config=config), atol=2e-5)


def test_tones_in_every_part_of_the_spectrum_are_found():
    config = LogMelConfig()
    for hz in (60.0, 500.0, 992.0, 8000.0, 15900.0):
        audio = np.sin(2 * np.pi * hz * np.arange(8192) / 32000).astype(np.float32)
        wanted, found = log_mel(audio), run(config, audio)
        assert (wanted.argmax(axis=0) == found.argmax(axis=0)).all()
        np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_frames_keep_to_their_own_samples():
    config = LogMelConfig()
    audio = np.zeros(8 * config.hop, dtype=np.float32)
    audio[3 * config.hop : 4 * config.hop] = 0.5
    loud = run(config, audio).max(axis=0) > np.log(config.log_offset) + 1
    assert loud.tolist() == [False, False, True, True, False, False, False]


def test_a_hop_of_another_length_is_refused():
    with pytest.raises(SondoError, match="hop"):
        front_end_graph(LogMelConfig(hop=320), audio="a", log_mel="b")
