"""Published heads: their layout, their names, and what is said where names are missing."""

import numpy as np
import pytest

import sondo
from sondo.classifier import load_head, probe
from sondo.classifier.published import BIAS, HEADS, WEIGHT, read_classes
from sondo.errors import SondoError

torch = pytest.importorskip("torch", reason="needs the extra train")


@pytest.fixture
def pth(tmp_path):
    """A head of three classes on three values, in the published layout."""
    generator = torch.Generator().manual_seed(0)
    state = {WEIGHT: torch.randn(3, 3, generator=generator), BIAS: torch.randn(3, generator=generator)}
    torch.save(state, tmp_path / "head.pth")
    return tmp_path / "head.pth", state


def test_it_is_a_linear_layer_on_the_embedding_as_it_is(pth):
    path, state = pth
    head = load_head(path, classes=["a", "b", "c"])
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    expected = torch.nn.functional.linear(vectors, state[WEIGHT], state[BIAS])
    assert head.logits(vectors.numpy()) == pytest.approx(expected.numpy(), abs=1e-6)
    assert not head.multi_label


def test_a_name_brings_the_file_its_classes_and_its_kind(monkeypatch, tmp_path):
    asked = []

    def fetch(reference):
        asked.append(reference)
        name = reference.rpartition("/")[2].removesuffix(".pth")
        torch.save({WEIGHT: torch.zeros(HEADS[name].num_classes, 960), BIAS: torch.zeros(HEADS[name].num_classes)},
                   tmp_path / f"{name}.pth")  # fmt: skip
        return tmp_path / f"{name}.pth"

    monkeypatch.setattr("sondo.classifier.published.fetch_hub", fetch)
    esc50 = load_head("esc50")
    # meta/esc50.csv of ESC-50: dog is 0, crickets 13, crying_baby 20, glass_breaking 39, hand_saw 49
    assert [esc50.classes[i] for i in (0, 13, 20, 39, 49)] == [
        "dog", "crickets", "crying_baby", "glass_breaking", "hand_saw",
    ]  # fmt: skip
    assert (len(esc50.classes), esc50.embedding_dim, esc50.multi_label) == (50, 960, False)
    openmic = load_head("openmic")
    # class-map.json of OpenMIC-2018: accordion is 0, cymbals 5, synthesizer 14, voice 19
    assert [openmic.classes[i] for i in (0, 5, 14, 19)] == ["accordion", "cymbals", "synthesizer", "voice"]
    assert openmic.multi_label
    assert asked == [f"hf://mohammedali2501/ssondo/heads/{name}.pth" for name in ("esc50", "openmic")]
    # vocabulary.csv of FSD50K: Accelerating… is 0, Bark 7, Harmonica 96, Zipper_(clothing) 199
    fsd50k = load_head("fsd50k")
    assert [fsd50k.classes[i] for i in (7, 96, 199)] == ["Bark", "Harmonica", "Zipper_(clothing)"]
    assert fsd50k.multi_label
    # the most frequent tags of MagnaTagATune: guitar, classical, slow; no vocals is 21, new age 37, choral the last
    tags = load_head("magna-tag-a-tune").classes
    assert [tags[i] for i in (0, 2, 21, 37, 49)] == ["guitar", "slow", "no vocals", "new age", "choral"]


def test_every_list_of_names_is_whole():
    for head in HEADS.values():
        assert len(head.classes) == len(set(head.classes)) == head.num_classes


@pytest.mark.parametrize(
    ("content", "classes", "message"),
    [
        ({WEIGHT: torch.zeros(2, 3)}, ["a", "b"], "no S-SONDO head: it lacks probe.linear_probe.bias"),
        ({WEIGHT: torch.zeros(2, 3), BIAS: torch.zeros(2)}, ["a"], "1 class names for a head of 2"),
        ({WEIGHT: torch.zeros(2, 3), BIAS: torch.zeros(3)}, ["a", "b"], "are no linear head"),
        ({WEIGHT: torch.zeros(2, 3), BIAS: torch.zeros(2)}, None, "names no classes"),
        ({WEIGHT: torch.nn.Linear(3, 2), BIAS: torch.zeros(2)}, ["a", "b"], "holds code"),
    ],
)
def test_files_that_are_no_such_head(tmp_path, content, classes, message):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(SondoError, match=message):
        load_head(tmp_path / "x.pth", classes=classes)


def test_a_head_that_is_nowhere():
    with pytest.raises(SondoError, match="no head at esc51.*esc50"):
        load_head("esc51")


def test_names_from_a_text_file(tmp_path):
    (tmp_path / "names.txt").write_text("\ufeffdog\n\n church bells \ncat\n", encoding="utf-8")
    assert read_classes(tmp_path / "names.txt") == ("dog", "church bells", "cat")
    with pytest.raises(SondoError, match="cannot be read as a list of names"):
        read_classes(tmp_path / "absent.txt")


def test_a_classifier_of_a_published_head(tiny_student, pth, tmp_path):
    pytest.importorskip("onnx", reason="needs the extra train")
    path, state = pth
    probe(tiny_student, head=str(path), classes=["a", "b", "c"], out=tmp_path / "c.onnx")
    model = sondo.load(tmp_path / "c.onnx")
    sound = np.linspace(-0.5, 0.8, 8000, dtype=np.float32)
    logits = state[WEIGHT].numpy() @ model.embed(sound, sample_rate=32000) + state[BIAS].numpy()
    odds = np.exp(logits - logits.max())
    assert model.probabilities(sound, sample_rate=32000) == pytest.approx(odds / odds.sum(), abs=1e-5)
