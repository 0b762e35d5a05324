"""A student as an encoder of MTEB: with mteb's own mock tasks where it is installed, and with its form of a batch."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Literal

import numpy as np
import pytest

import sondo
from sondo.errors import MissingExtraError, SondoError
from sondo.integrations.mteb import MtebEncoder, model_meta
from sondo.students import save


class Loader(list):
    """What `encode` uses of a DataLoader: the rows in batches, through a function that may be replaced."""

    def __init__(self, rows):
        super().__init__(rows)
        self.dataset, self.collate_fn = rows, None

    def __iter__(self):
        for start in range(0, len(self.dataset), 2):
            yield self.collate_fn(self.dataset[start : start + 2])


def item(samples, rate):
    return {"audio": {"array": samples, "sampling_rate": rate}, "label": None}


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.fixture
def folder(student, tmp_path):
    info = {"teacher": {"name": "some", "licence": "CC-BY-NC-4.0"}, "training": {"matryoshka": [96, 32, 8]}}
    return save(student, tmp_path / "student", info=info)


@pytest.fixture
def fake_mteb(monkeypatch):
    """The three modules of mteb that are used, as far as they are used, so that the rest is tested without mteb."""
    parts = {
        "mteb": {},
        "mteb.models": {"ModelMeta": SimpleNamespace},
        "mteb.types": {"Licenses": Literal["mit", "cc-by-nc-4.0", "not specified"]},
        "mteb.similarity_functions": {"cos_sim": lambda a, b: "all", "pairwise_cos_sim": lambda a, b: "pairs"},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


def encode(encoder, rows):
    task = SimpleNamespace(name="Task")
    return encoder.encode(Loader(rows), task_metadata=task, hf_split="test", hf_subset="default", batch_size=2)


def test_each_sound_is_embedded_whole_at_its_own_rate(folder, fake_mteb):
    sounds = [(noise(40_000), 16_000), (noise(2, 50_000, seed=1), 44_100), (noise(100, seed=2), 8000)]
    model = sondo.load(folder)
    found = encode(MtebEncoder(folder), [item(*sound) for sound in sounds])
    assert found.shape == (3, 96)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], model.embed(sounds[0][0], sample_rate=16_000))
    np.testing.assert_allclose(found[1], model.embed(sounds[1][0].mean(0), sample_rate=44_100), atol=1e-6)
    lengthened = np.concatenate([sounds[2][0], np.zeros(700, np.float32)])
    np.testing.assert_array_equal(found[2], model.embed(lengthened, sample_rate=8000))


def test_whole_numbers_are_scaled_however_quiet_they_are(folder, fake_mteb):
    samples = (1000 * noise(2, 40_000)).astype(np.int16)
    scaled = (samples / 32768).mean(0, dtype=np.float32)
    found = encode(MtebEncoder(folder), [item(samples, 16_000)])
    np.testing.assert_allclose(found[0], sondo.load(folder).embed(scaled, sample_rate=16_000), rtol=1e-4, atol=1e-6)


def test_vectors_can_be_cut(folder, fake_mteb):
    rows = [item(noise(40_000), 16_000)]
    whole, cut = encode(MtebEncoder(folder), rows), encode(MtebEncoder(folder, embed_dim=32), rows)
    np.testing.assert_array_equal(cut, whole[:, :32])
    with pytest.raises(SondoError, match="embed_dim is 97"):
        MtebEncoder(folder, embed_dim=97)


def test_a_task_without_sound_is_named(folder, fake_mteb):
    with pytest.raises(SondoError, match="Task test has an item without sound"):
        encode(MtebEncoder(folder), [{"text": "dog"}])


def test_the_entry_is_filled_from_the_card(folder, student, fake_mteb):
    meta = model_meta(folder, name="me/first", training_datasets={"ESC50"})
    assert meta.loader is MtebEncoder
    assert (meta.name, meta.loader_kwargs) == ("me/first", {"path": str(folder)})
    assert meta.revision == sondo.load(folder).space_id
    assert meta.license == "cc-by-nc-4.0"
    assert meta.embed_dim == [8, 32, 96]
    assert meta.n_parameters == student.num_params
    assert meta.memory_usage_mb == pytest.approx(student.num_params * 4 / 1024**2)
    assert (meta.modalities, meta.training_datasets) == (["audio"], {"ESC50"})


@pytest.mark.parametrize(("licence", "word"), [("MIT", "mit"), ("unknown", "not specified"), ("of NTT", None)])
def test_a_licence_is_named_in_the_words_of_mteb(student, tmp_path, fake_mteb, licence, word):
    save(student, tmp_path / "student", info={"teacher": {"name": "some", "licence": licence}})
    assert model_meta(tmp_path / "student").license == word
    assert model_meta(tmp_path / "student", license="https://example.org").license == "https://example.org"


def test_without_mteb_the_extra_is_named(folder, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "mteb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingExtraError, match=r"sondo\[mteb\]"):
        MtebEncoder(folder)


@pytest.mark.slow
def test_the_mock_tasks_of_mteb_pass(folder):
    mteb = pytest.importorskip("mteb", reason="needs the extra mteb, which is too large for development")
    pytest.importorskip("torchcodec", reason="mteb's mock tasks need torchcodec to decode their sound")
    encoder = MtebEncoder(folder)
    results = mteb.mock_run(encoder)
    ran = {name: status for name, status in results.items() if status is not None}
    assert len(ran) >= 5
    assert {name: type(status).__name__ for name, status in ran.items()} == dict.fromkeys(ran, "TaskResult")


@pytest.mark.slow
def test_mteb_takes_the_entry(folder):
    pytest.importorskip("mteb", reason="needs the extra mteb, which is too large for development")
    assert model_meta(folder, name="me/first").name == "me/first"
    with pytest.raises(SondoError, match="mteb does not take this model's entry.*organization/model_name"):
        model_meta(folder, name="first")
