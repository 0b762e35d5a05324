"""Teachers by name, and what is said when there is none."""

import subprocess
import sys

import pytest

from sondo.errors import SondoError
from sondo.teachers import TeacherInfo, available, create, label_of, published


def test_available_lists_each_with_licence_and_source():
    infos = available()
    assert [info.name for info in infos] == [
        "modulation",
        "matpac",
        "m2d",
        "onnx",
        "precomputed",
        "hf:MODEL",
        "hear:package.module",
        "package.module:function",
    ]
    assert all(isinstance(info, TeacherInfo) and info.licence and info.source and info.description for info in infos)


def test_what_is_listed_is_what_is_made():
    pytest.importorskip("torch")
    info, teacher = available()[0], create("modulation")
    assert (info.params, info.embedding_dim, info.sample_rate, info.licence) == (
        teacher.num_params,
        teacher.embedding_dim,
        teacher.sample_rate,
        teacher.licence,
    )


def test_listing_imports_no_torch():
    code = (
        "import sys, sondo.teachers as t; t.available(); sys.exit('torch' in sys.modules or 'pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("modulatoin", ["'modulatoin'", "did you mean modulation?", "onnx, precomputed", "package.module:function"]),
        ("Modulation", ["did you mean modulation?"]),
        ("zzz", ["no teacher is called 'zzz': there is m2d, matpac, modulation, onnx, precomputed; hf:MODEL"]),
        ("some/teacher.onnx", ["use teacher onnx with checkpoint some/teacher.onnx"]),
    ],
)
def test_an_unknown_name_names_the_known_ones(name, parts):
    with pytest.raises(SondoError) as caught:
        create(name)
    for part in parts:
        assert part in str(caught.value)


def test_an_unknown_option_names_the_known_ones():
    pytest.importorskip("torch")
    with pytest.raises(SondoError, match=r"teacher modulation has no option bands, rate; its options: sample_rate"):
        create("modulation", rate=1, bands=2)


def test_the_built_in_teacher_refuses_what_it_cannot_use():
    pytest.importorskip("torch")
    with pytest.raises(SondoError, match=r"no weights to load: leave the checkpoint x.pt out"):
        create("modulation", checkpoint="x.pt")
    with pytest.raises(SondoError, match=r"hears at 32000 Hz, not 16000"):
        create("modulation", sample_rate=16000)
    assert create("modulation", sample_rate=32000).sample_rate == 32000


@pytest.mark.parametrize("name", ["onnx", "precomputed"])
def test_a_teacher_from_a_file_needs_the_file(name, tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(SondoError, match=rf"teacher {name} needs a checkpoint"):
        create(name)
    with pytest.raises(SondoError, match=r"there is no .*gone"):
        create(name, checkpoint=tmp_path / "gone.npy")


def test_the_list_says_whether_downloaded_weights_are_here(tmp_path, monkeypatch):
    monkeypatch.setenv("SONDO_HOME", str(tmp_path))
    weights = {info.name: info.weights for info in available()}
    assert weights["modulation"] == ""
    assert weights["m2d"].startswith("not here yet; first use downloads https://github.com/nttcslab/m2d/")
    published.M2D.path.parent.mkdir(parents=True)
    published.M2D.path.write_bytes(b"weights")
    assert {info.name: info.weights for info in available()}["m2d"] == f"here, {published.M2D.path}"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("modulation", "modulation"),
        ("hf:MIT/ast-finetuned", "hf-MIT-ast-finetuned"),
        ("hf:/models/ast-tiny/", "hf-ast-tiny"),
        ("hf:./ast-tiny", "hf-ast-tiny"),
        ("hear:my.model", "hear-my.model"),
        ("my.module:make", "my.module:make"),
    ],
)
def test_names_without_a_label(name, label):
    assert label_of(name) == label


def test_a_label_names_the_teacher():
    pytest.importorskip("torch")
    assert create("modulation", label="second").name == "second"
