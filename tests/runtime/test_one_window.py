"""What the files for phones have in common: one window in a call, and metadata that is checked."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sondo.audio.logmel import LogMelConfig
from sondo.errors import SondoError
from sondo.runtime.one_window import OneWindowModel

METADATA = {
    "sondo.format": "1",
    "sondo.name": "fake",
    "sondo.space_id": "fake.2d",
    "sondo.sample_rate": "32000",
    "sondo.embedding_dim": "2",
    "sondo.licence": "MIT",
    "sondo.front_end": json.dumps(LogMelConfig().to_dict()),
}


class Fake(OneWindowModel):
    """Gives the samples of each window, and their sum."""

    def __init__(self, **changes):
        super().__init__(Path("fake.pte"), {key: value for key, value in (METADATA | changes).items() if value})
        self.lengths = []

    def versions(self):
        return {}

    def _embed_window(self, audio):
        assert audio.dtype == np.float32
        assert audio.flags.c_contiguous
        self.lengths.append(audio.shape)
        return np.array([[audio.shape[1], audio.sum()]], dtype=np.float32)


def test_each_row_and_window_is_a_call_of_whole_hops():
    model = Fake()
    # 10 s and 0.25 s: 625 hops and 15 (7,680 of 8,000 samples), so 624 and 14 log-mel frames
    vectors = model.embed(np.ones((2, 328_000)), sample_rate=32000)
    assert model.lengths == [(1, 320_000)] * 2 + [(1, 7_680)] * 2
    mean = (624 * 320_000 + 14 * 7_680) / 638
    np.testing.assert_allclose(vectors, np.full((2, 2), mean), rtol=1e-6)


def test_sound_shorter_than_a_tenth_of_a_second_is_refused():
    with pytest.raises(SondoError, match="at least 0.1 s"):
        Fake().embed(np.zeros(3_071), sample_rate=32000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sondo.format": "2"}, "written in format 2"),
        ({"sondo.licence": ""}, "lacks sondo.licence"),
        ({"sondo.embedding_dim": "many"}, "cannot be read"),
        ({"sondo.front_end": "{}x"}, "cannot be read"),
        ({"sondo.sample_rate": "16000"}, "contradicts itself"),
    ],
)
def test_metadata_that_cannot_be_is_refused(changes, message):
    with pytest.raises(SondoError, match=message):
        Fake(**changes)


def test_threads_that_share_a_model_wait_for_each_other():
    class Busy(Fake):
        inside = most = 0

        def _embed_window(self, audio):
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.001)
            self.inside -= 1
            return super()._embed_window(audio)

    model = Busy()
    sounds = [np.full(6_400 * k, 1.0 / k) for k in (1, 2, 3, 4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda sound: model.embed(sound, sample_rate=32000), sounds * 5))
    assert model.most == 1
    assert [int(vector[0]) for vector in found[:4]] == [6_144, 12_800, 18_944, 25_600]
