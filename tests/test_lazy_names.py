"""What `import sondo` offers before anything is loaded, and what it says where a library is not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sondo
from sondo.errors import how_to_install, import_own


def said_without(library, statement):
    """What a statement says of what is missing, in a Python of its own that has no such library."""
    code = (
        f"import sys; sys.modules[{library!r}] = None\nimport sondo\n"
        f"try: {statement}\nexcept sondo.SondoError as error: print(type(error).__name__, error)"
    )
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("library", "statement", "what"),
    [
        ("torch", "sondo.students", "sondo.students"),
        ("torch", "from sondo import students", "sondo.students"),
        ("torch", "sondo.hear", "sondo.hear"),
        ("torch", "sondo.teachers.create('modulation')", "teacher modulation"),
        ("torch", "sondo.push_to_hub", "sondo.push_to_hub"),
        ("torch", "sondo.distill(audio='clips', out='run')", "sondo.distill"),
        ("lightning", "sondo.distill(audio='clips', out='run')", "sondo.distill"),
        ("lance", "sondo.bank", "sondo.bank"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(library, statement, what):
    said = said_without(library, statement)
    assert said.startswith(f"MissingExtraError {what} needs {library}, which is not installed: ")
    assert 'pip install "sondo[train]"' in said


def test_a_python_that_training_does_not_run_on_is_named(monkeypatch):
    assert "Python" not in how_to_install("train")
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    assert ", with Python 3.11 or newer; this is " in how_to_install("train")
    assert "Python" not in how_to_install("search")


def test_the_students_are_listed_without_torch():
    said = said_without("torch", "from sondo.cli import main; main(['students'])")
    assert "mobilenetv3  params 2,971,664" in said
    assert "matpac-dymn  params 8,643,312" in said
    assert "mn10_as" in said


def test_a_module_of_our_own_that_is_missing_stays_what_it_is():
    with pytest.raises(ModuleNotFoundError, match="sondo.nowhere"):
        import_own("sondo.nowhere", what="sondo.nowhere")


def test_only_what_is_offered_is_listed():
    assert not {"Any", "TYPE_CHECKING", "annotations", "importlib"} & set(dir(sondo))
    assert set(sondo.__all__) <= set(dir(sondo))


SETTINGS = """[mypy]
strict = true
follow_imports = skip
[mypy-sondo,sondo.distill]
follow_imports = silent
"""


@pytest.mark.parametrize(("call", "finding"), [("out='runs/first'", "Success"), ("audio='clips'", '"out"')])
@pytest.mark.slow
def test_a_type_checker_knows_what_distill_takes(tmp_path, call, finding):
    pytest.importorskip("mypy", reason="needs the extra dev")
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    (tmp_path / "script.py").write_text(f"import sondo\nsondo.distill({call})\n")
    place = os.environ | {"MYPYPATH": str(Path(sondo.__file__).parents[1])}
    check = [sys.executable, "-m", "mypy", "--cache-dir", os.devnull, "script.py"]
    shown = subprocess.run(check, cwd=tmp_path, env=place, capture_output=True, text=True)
    assert finding in shown.stdout
