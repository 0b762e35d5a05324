"""Functions and objects of the user as teachers."""

import sys
import textwrap

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sondo.errors import SondoError  # noqa: E402
from sondo.teachers import Teacher, create  # noqa: E402

CODE = """
from __future__ import annotations
import numpy as np
import torch

def in_torch(audio):
    return torch.stack([audio.mean(1), audio.abs().amax(1)], 1)

def in_numpy(audio):
    assert isinstance(audio, np.ndarray)
    return np.stack([audio.mean(1), np.abs(audio).max(1), audio.std(1)], 1).astype(np.float64)
in_numpy.sample_rate = 16000

def annotated(audio: np.ndarray) -> np.ndarray:
    return np.full((len(audio), 4), float(isinstance(audio, np.ndarray)))

def flat(audio): return audio.mean()
def no_batch(audio): return audio.mean(0)[:5]
def not_finite(audio): return audio[:, :3] * float("nan")
def broken(audio): raise RuntimeError("the needle broke")
def words(audio): return "many words"
def lazy(audio): return audio[:, : min(audio.shape[1], 32000)]
number = 3

class Object:
    name, sample_rate, embedding_dim = "its-own-name", 8000, 2
    licence, num_params, fingerprint = "CC0", 12, "abc"
    def embed(self, audio):
        return in_torch(audio)
ready = Object()

class Sized(Object):
    def __init__(self, checkpoint, size=2):
        self.embedding_dim, self.checkpoint = size, checkpoint
    def embed(self, audio):
        return torch.ones(len(audio), self.embedding_dim)

class Weighted:
    sample_rate, embedding_dim, embed = 8000, 2, lambda self, audio: in_torch(audio)
    def __init__(self, checkpoint): pass

def factory(): return Object()
def sad_factory(): raise ValueError("no weights today")
def network(): return torch.nn.Sequential(torch.nn.AdaptiveAvgPool1d(7))
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module `my_teachers_<n>` in the current folder, under a name not seen before."""
    name = f"my_teachers_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(CODE))
    monkeypatch.chdir(tmp_path)
    yield name
    sys.modules.pop(name, None)


AUDIO = torch.linspace(-1, 1, 3 * 500).reshape(3, 500)


def test_a_function_of_tensors(mine):
    before = list(sys.path)
    teacher = create(f"{mine}:in_torch")
    assert sys.path == before
    assert isinstance(teacher, Teacher)
    assert (teacher.name, teacher.sample_rate, teacher.embedding_dim) == (f"{mine}:in_torch", 32000, 2)
    torch.testing.assert_close(teacher.embed(AUDIO), torch.stack([AUDIO.mean(1), AUDIO.abs().amax(1)], 1))
    assert create(f"{mine}:in_torch", sample_rate=8000).sample_rate == 8000


def test_a_function_of_numpy_arrays(mine):
    teacher = create(f"{mine}:in_numpy")
    assert (teacher.sample_rate, teacher.embedding_dim) == (16000, 3)
    got = teacher.embed(AUDIO)
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got[:, 2], AUDIO.numpy().std(1), rtol=1e-5)


def test_an_annotation_decides(mine):
    torch.testing.assert_close(create(f"{mine}:annotated").embed(AUDIO), torch.ones(3, 4))


@pytest.mark.parametrize("what", ["ready", "Object", "factory"])
def test_an_object_a_class_and_a_factory(mine, what):
    teacher = create(f"{mine}:{what}")
    assert (teacher.name, teacher.sample_rate, teacher.embedding_dim) == (f"{mine}:{what}", 8000, 2)
    assert (teacher.licence, teacher.num_params, teacher.fingerprint) == ("CC0", 12, "abc")
    assert teacher.embed(AUDIO).shape == (3, 2)


def test_a_class_gets_checkpoint_and_options(mine):
    teacher = create(f"{mine}:Sized", checkpoint="w.pt", size=5)
    assert teacher.embed(AUDIO).shape == (3, 5)
    with pytest.raises(SondoError, match=r"needs checkpoint"):
        create(f"{mine}:Sized")
    with pytest.raises(SondoError, match=r"does not take colour; it takes checkpoint, size"):
        create(f"{mine}:Sized", checkpoint="w.pt", colour="red")


def test_a_factory_of_a_network(mine):
    assert create(f"{mine}:network").embed(AUDIO).shape == (3, 7)


def test_other_code_is_another_teacher(mine, tmp_path):
    first = create(f"{mine}:in_torch").fingerprint
    assert create(f"{mine}:in_torch").fingerprint == first
    assert create(f"{mine}:in_numpy").fingerprint != first
    with (tmp_path / f"{mine}.py").open("a") as file:
        file.write("\n# changed\n")
    assert create(f"{mine}:in_torch").fingerprint != first


def test_a_function_of_a_notebook_has_no_fingerprint(mine, monkeypatch):
    """Its code cannot be read; a bank then goes by what it says, see `tests/distill/test_teach.py`."""
    assert create(f"{mine}:in_torch").fingerprint
    monkeypatch.delattr(sys.modules[mine], "__file__")
    teacher = create(f"{mine}:in_torch")
    assert (teacher.fingerprint, teacher.embed(AUDIO).shape) == ("", (3, 2))


@pytest.mark.parametrize("in_folder", [False, True])
def test_other_weights_at_the_same_place_are_another_teacher(mine, tmp_path, in_folder):
    def fingerprint(weights, place):
        file = tmp_path / place / "w.pt" if in_folder else tmp_path / place
        file.parent.mkdir(exist_ok=True)
        file.write_text(weights)
        return create(f"{mine}:Weighted", checkpoint=str(tmp_path / place)).fingerprint

    first = fingerprint("1 2 3", "here")
    assert fingerprint("4 5 6", "here") != first
    assert fingerprint("1 2 3", "elsewhere") == first


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("flat", r"shape \(\) for sound of shape \(2, 32000\): expected \(batch, dim\), here \(2, dim\)"),
        ("no_batch", r"shape \(5,\)"),
        ("not_finite", "not finite"),
        ("broken", "RuntimeError: the needle broke"),
        ("words", "gave str: expected an array"),
        ("number", "neither a function of sound nor a teacher"),
        ("sad_factory", "cannot be made: ValueError: no weights today"),
        ("absent", "has no absent; it has .*in_torch"),
    ],
)
def test_what_is_no_teacher_is_refused(mine, what, message):
    with pytest.raises(SondoError, match=message):
        create(f"{mine}:{what}")


def test_another_dimension_than_promised_is_refused(mine):
    teacher = create(f"{mine}:lazy")
    assert teacher.embedding_dim == 32000
    with pytest.raises(SondoError, match=r"shape \(3, 500\) for 3 sounds: expected \(3, 32000\)"):
        teacher.embed(AUDIO)


def test_options_that_a_function_cannot_take(mine):
    with pytest.raises(SondoError, match=r"cannot take checkpoint, size"):
        create(f"{mine}:in_torch", checkpoint="w.pt", size=3)
    with pytest.raises(SondoError, match=r"hears at 16000 Hz, and the option sample_rate says 8000"):
        create(f"{mine}:in_numpy", sample_rate=8000)


@pytest.mark.parametrize("name", [":f", "m:", "m:f()", "a b:f", "c:/x.py:f"])
def test_names_that_are_none(name):
    with pytest.raises(SondoError, match=r"write package.module:function"):
        create(name)


def test_modules_that_cannot_be_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sondo_test_broken.py").write_text("1 / 0")
    (tmp_path / "sondo_test_needy.py").write_text("import a_module_that_nobody_has")
    with pytest.raises(SondoError, match=r"there is no module nowhere_at_all.*neither installed nor in"):
        create("nowhere_at_all.deep:f")
    with pytest.raises(SondoError, match=r"cannot be imported: ZeroDivisionError"):
        create("sondo_test_broken:f")
    with pytest.raises(SondoError, match=r"needs a_module_that_nobody_has: install it"):
        create("sondo_test_needy:f")
