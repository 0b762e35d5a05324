"""`sondo embed`: many files, some of them bad, and what an interruption leaves."""

import contextlib
import os

import numpy as np
import pytest

import sondo.embed
from sondo.embed import embed_files
from sondo.errors import SondoError
from sondo.runtime.write import write_embeddings


class Encoder:
    """Gives the number in a file's name, and stops at one of them."""

    embedding_dim = 1

    def __init__(self, stops_at=None, space_id="space", at_once=1, precision="float32"):
        self.heard, self.stops_at, self.space_id, self.at_once = [], stops_at, space_id, at_once
        self.precision = precision

    def embed(self, sound):
        number = int(sound.stem)
        self.heard.append(number)
        if number == self.stops_at:
            raise KeyboardInterrupt
        if number == 3:
            raise SondoError("3.wav is bad")
        return np.array([number], dtype=np.float32)


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Embed 1.wav to 5.wav into o.npz: what was heard, and the vectors by name."""
    sounds = [tmp_path / f"{number}.wav" for number in range(1, 6)]
    for sound in sounds:
        sound.write_bytes(b"sound")
        os.utime(sound, (1e9, 1e9))

    def embed(**options):
        encoder = Encoder(**options)
        monkeypatch.setattr(sondo.embed, "load_to_embed", lambda *_, **__: encoder)
        try:
            embed_files("m.onnx", sounds, tmp_path / "o.npz")
        except KeyboardInterrupt:
            return encoder.heard, None
        with np.load(tmp_path / "o.npz") as found:
            names = [os.path.basename(name) for name in found["names"]]
            return encoder.heard, dict(zip(names, found["embeddings"][:, 0].tolist(), strict=True))

    return embed


WHOLE = {"1.wav": 1.0, "2.wav": 2.0, "4.wav": 4.0, "5.wav": 5.0}


def test_an_interrupted_call_goes_on_and_leaves_nothing_behind(call, tmp_path):
    assert call(stops_at=4) == ([1, 2, 3, 4], None)
    assert not (tmp_path / "o.npz").exists()
    assert call() == ([3, 4, 5], WHOLE)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".wav") == ["o.npz"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_vectors_are_kept_where_the_file_cannot_be_written(call, monkeypatch, error):
    def write(path, *arguments, **options):
        if path.name == "o.npz":
            raise error
        return write_embeddings(path, *arguments, **options)

    with monkeypatch.context() as full:
        full.setattr(sondo.embed, "write_embeddings", write)
        with contextlib.suppress(OSError):
            call()
    assert call() == ([3], WHOLE)


def test_a_call_that_is_interrupted_early_keeps_what_the_one_before_did(call):
    call(stops_at=5)
    assert call(stops_at=3) == ([3], None)  # now 1, 2 and 4 are known; 4 lies behind the interruption
    assert call() == ([3, 5], WHOLE)


def test_several_at_once_land_in_order_beside_a_bad_one(call):
    heard, found = call(at_once=3)
    assert sorted(heard) == [1, 2, 3, 4, 5]
    assert found == WHOLE
    assert list(found) == list(WHOLE)


def test_a_file_that_changed_and_vectors_of_another_space_or_precision_are_made_anew(call, tmp_path):
    call(stops_at=5)
    (tmp_path / "2.wav").write_bytes(b"longer than before")
    os.utime(tmp_path / "2.wav", (1e9, 1e9))
    assert call(stops_at=5)[0] == [2, 3, 5]
    assert call(stops_at=5, precision="int8")[0] == [1, 2, 3, 4, 5]
    assert call(space_id="elsewhere") == ([1, 2, 3, 4, 5], WHOLE)


def test_what_is_done_is_kept_now_and_then(call, tmp_path, monkeypatch):
    monkeypatch.setattr(sondo.embed, "_SAVE_EVERY_S", 0.0)
    kept = []
    write = sondo.embed.write_embeddings

    def noting(path, names, *arguments, **options):
        kept.append((path.name, len(names)))
        return write(path, names, *arguments, **options)

    monkeypatch.setattr(sondo.embed, "write_embeddings", noting)
    call()
    assert kept == [(".o.npz.begun.npz", n) for n in (1, 2, 3, 4)] + [("o.npz", 4)]


def test_a_damaged_beginning_counts_for_nothing(call, tmp_path):
    (tmp_path / ".o.npz.begun.npz").write_bytes(b"PK\x03\x04 cut off")
    assert call() == ([1, 2, 3, 4, 5], WHOLE)


def test_what_another_process_has_written_meanwhile_stays(call, tmp_path, monkeypatch):
    def written_meanwhile(path):
        (tmp_path / "o.npz").write_bytes(b"of another process")
        return np.zeros(1, dtype=np.float32)

    monkeypatch.setattr(Encoder, "embed", lambda self, path: written_meanwhile(path))
    with pytest.raises(SondoError, match="is there already"):
        call()
    assert (tmp_path / "o.npz").read_bytes() == b"of another process"
