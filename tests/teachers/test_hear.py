"""HEAR modules as teachers."""

import sys

import pytest
import torch

from sondo.errors import SondoError
from sondo.teachers import create

SOURCE = """
import torch
__license__ = "BSD-3-Clause"

class Model(torch.nn.Module):
    sample_rate = 16000
    scene_embedding_size = 3
    timestamp_embedding_size = 3
    def __init__(self, scale):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale))

def load_model(path=""):
    return Model(float(open(path).read()) if path else 1.0)

def get_scene_embeddings(audio, model):
    return model.scale * torch.stack([audio.mean(1), audio.std(1), audio.abs().amax(1)], dim=1)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(source, name="my_hear"):
        sys.modules.pop(name, None)
        (tmp_path / f"{name}.py").write_text(source)
        return f"hear:{name}"

    yield write
    for name in [name for name in sys.modules if name.startswith("my_hear")]:
        sys.modules.pop(name)


def test_a_module_teaches_with_and_without_weights(module, tmp_path):
    name = module(SOURCE)
    (tmp_path / "scale.txt").write_text("2.5")
    plain, scaled = create(name), create(name, checkpoint=tmp_path / "scale.txt")
    audio = 0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    wanted = torch.stack([audio.mean(1), audio.std(1), audio.abs().amax(1)], dim=1)
    torch.testing.assert_close(plain.embed(audio), wanted)
    torch.testing.assert_close(scaled.embed(audio), 2.5 * wanted)
    assert (plain.name, plain.sample_rate, plain.embedding_dim, plain.num_params) == ("hear-my_hear", 16000, 3, 1)
    assert plain.licence == "BSD-3-Clause"
    assert plain.fingerprint != scaled.fingerprint


def test_folders_of_unlike_weights_are_unlike_teachers(module, tmp_path):
    name = module(SOURCE.replace("open(path)", "open(path + '/scale.txt')"))
    for scale in ("2.5", "3.5"):
        (tmp_path / scale).mkdir()
        (tmp_path / scale / "scale.txt").write_text(scale)
    folders = tmp_path / "2.5", tmp_path / "3.5"
    assert len({create(name, checkpoint=folder).fingerprint for folder in folders}) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def load_model", "def loads", "does not follow the HEAR API: it lacks load_model"),
        ("sample_rate = 16000", "sample_rate = 8000", "says sample_rate 8000"),
        ("scene_embedding_size = 3", "scene_embedding_size = 4", r"gave \(1, 3\) for 1 sounds: expected .*\(1, 4\)"),
        ("scene_embedding_size = 3", "size = 3", "says scene_embedding_size None"),
        ("return model.scale", "return 1 / 0, model.scale", "get_scene_embeddings fails .*ZeroDivisionError"),
        ("return Model(", "raise OSError('no weights')\n    return Model(", "load_model.* fails: OSError: no weights"),
    ],
)
def test_what_does_not_follow_the_api_is_named(module, old, new, message):
    with pytest.raises(SondoError, match=message):
        create(module(SOURCE.replace(old, new, 1)))


def test_no_such_module_or_file(module, tmp_path):
    with pytest.raises(SondoError, match="hear:my_hear_absent cannot be imported: ModuleNotFoundError"):
        create("hear:my_hear_absent")
    with pytest.raises(SondoError, match="no file of weights at"):
        create(module(SOURCE), checkpoint=tmp_path / "absent.pt")
