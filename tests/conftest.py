"""Small sound and small students for every test that needs some."""

import os
import runpy
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile


def tone(seconds: float, *, hz: float = 440.0, sample_rate: int = 32000, seed: int = 0) -> np.ndarray:
    """A tone in a little noise, float32."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * hz * time) + 0.02 * noise).astype(np.float32)


@pytest.fixture
def sound_folder(tmp_path: Path) -> Path:
    """Six files of unlike length, rate and pitch, one of them in a subfolder and longer than a window."""
    folder = tmp_path / "sound"
    (folder / "deep").mkdir(parents=True)
    for index, seconds in enumerate((0.5, 1.0, 1.5, 1.0, 0.7)):
        rate = 16000 if index == 2 else 32000
        wave = tone(seconds, hz=200.0 * (index + 1), sample_rate=rate, seed=index)
        soundfile.write(folder / f"{index}.wav", wave, rate)
    soundfile.write(folder / "deep" / "long.flac", tone(11.5, hz=90.0, seed=9), 32000)
    return folder


@pytest.fixture(scope="session")
def recipe() -> SimpleNamespace:
    """The functions of `tests/golden/student_recipe.py`."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "golden" / "student_recipe.py")))


@pytest.fixture(scope="session")
def make_student(recipe) -> Callable[[], Any]:
    """Makes students of width 0.1 with seeded weights: new weights give values too small to compare."""

    def make():
        import torch

        from sondo.students import create

        made = create("mobilenetv3", width_mult=0.1)
        shapes = {key: tuple(value.shape) for key, value in made.backbone.state_dict().items()}
        weights = {key: torch.from_numpy(value) for key, value in recipe.seeded_weights(shapes).items()}
        made.backbone.load_state_dict(weights)
        return made.eval()

    return make


@pytest.fixture
def student(make_student):
    """One of them."""
    return make_student()


@pytest.fixture(scope="session")
def exported(make_student, tmp_path_factory) -> SimpleNamespace:
    """One of them and its file, made once for all processes, for it takes seconds: change a copy."""
    import torch
    from filelock import FileLock

    from sondo.export import to_onnx

    student = make_student()
    student.info = {"teacher": {"name": "m2d", "fingerprint": "f", "licence": "NTT evaluation only"}}
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    path = root / "exported" / "student.onnx"
    with FileLock(root / "exported.lock"):
        if not path.exists():
            student.train()
            before = {key: value.clone() for key, value in student.state_dict().items()}
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                to_onnx(student, path)
            assert student.training, "exporting must leave the student as it was"
            assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())
    return SimpleNamespace(student=student.eval(), path=path)
