"""Small sound and small students for every test that needs some."""

import gc
import hashlib
import os
import runpy
import shutil
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

os.environ.pop("SONDO_PROGRESS", None)  # who has no progress shown at work wants the tests to pass too


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what was imported: it is much, and stays."""
    gc.freeze()


def tone(seconds: float, *, hz: float = 440.0, sample_rate: int = 32000, seed: int = 0) -> np.ndarray:
    """A tone in a little noise, float32."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * hz * time) + 0.02 * noise).astype(np.float32)


@pytest.fixture(scope="session")
def two_classes() -> Callable[[Path], None]:
    """Makes a folder of two classes that are told apart by their level, eight short clips each."""

    def make(folder: Path) -> None:
        generator = np.random.default_rng(0)
        for label, level in (("loud", 0.5), ("quiet", 0.01)):
            (folder / label).mkdir(parents=True)
            for index in range(8):
                wave = level * generator.standard_normal(16000 + 500 * index)
                soundfile.write(folder / label / f"{index}.wav", wave.clip(-1, 1), 32000)

    return make


@pytest.fixture(scope="session")
def six_files(tmp_path_factory) -> Path:
    """What `sound_folder` is a copy of."""
    folder = tmp_path_factory.mktemp("six") / "sound"
    (folder / "deep").mkdir(parents=True)
    for index, seconds in enumerate((0.5, 1.0, 1.5, 1.0, 0.7)):
        rate = 16000 if index == 2 else 32000
        wave = tone(seconds, hz=200.0 * (index + 1), sample_rate=rate, seed=index)
        soundfile.write(folder / f"{index}.wav", wave, rate)
    soundfile.write(folder / "deep" / "long.flac", tone(11.5, hz=90.0, seed=9), 32000)
    return folder


@pytest.fixture
def sound_folder(six_files: Path, tmp_path: Path) -> Path:
    """Six files of unlike length, rate and pitch, one of them in a subfolder and longer than a window."""
    return Path(shutil.copytree(six_files, tmp_path / "sound"))


@pytest.fixture
def closed_folder(tmp_path, monkeypatch):
    """A folder that another user may open alone."""

    def scandir(folder):
        if os.fspath(folder) == os.fspath(tmp_path / "in" / "closed"):
            raise PermissionError(13, "Permission denied", os.fspath(folder))
        return really(folder)

    really = os.scandir
    (tmp_path / "in" / "closed").mkdir(parents=True)
    (tmp_path / "in" / "closed" / "a.wav").touch()
    monkeypatch.setattr(os, "scandir", scandir)
    return tmp_path / "in" / "closed"


@pytest.fixture(scope="session")
def recipe() -> SimpleNamespace:
    """The functions of `tests/golden/student_recipe.py`."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "golden" / "student_recipe.py")))


@pytest.fixture(scope="session")
def make_student(recipe) -> Callable[[], Any]:
    """Makes students of width 0.1 with seeded weights: new weights give values too small to compare."""

    import torch

    from sondo.students import create

    shapes = {
        key: tuple(value.shape) for key, value in create("mobilenetv3", width_mult=0.1).backbone.state_dict().items()
    }
    weights = {key: torch.from_numpy(value) for key, value in recipe.seeded_weights(shapes).items()}

    def make():
        made = create("mobilenetv3", width_mult=0.1)
        made.backbone.load_state_dict(weights)
        return made.eval()

    return make


@pytest.fixture
def student(make_student):
    """One of them."""
    return make_student()


@pytest.fixture(scope="session")
def of_all_processes(tmp_path_factory) -> Path:
    """A folder for what is made once for all processes."""
    root = tmp_path_factory.getbasetemp()
    root = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "of_all_processes"
    root.mkdir(exist_ok=True)
    return root


@pytest.fixture(scope="session")
def networks_once(of_all_processes) -> Callable[[], Any]:
    """A context in which torch, which takes seconds for it, turns each network into ONNX once for all processes."""
    import onnx
    import torch
    from filelock import FileLock

    export = torch.onnx.export

    def remembered(network, *arguments, **options):
        content = hashlib.sha256(f"{network} {network.with_frames} {options}".encode())
        for name, value in network.state_dict().items():
            content.update(name.encode() + value.numpy().tobytes())
        path = of_all_processes / f"{content.hexdigest()}.onnx"
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                onnx.save(export(network, *arguments, **options).model_proto, path)
        return SimpleNamespace(model_proto=onnx.load(path))

    @contextmanager
    def remembering():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.onnx, "export", remembered)
            yield

    return remembering


@pytest.fixture(scope="session")
def half_a_second() -> Callable[[], Any]:
    """A context in which exported files are compared with torch on half a second of made sound alone."""

    @contextmanager
    def comparing():
        from sondo.export import onnx_file

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(onnx_file.compare, "__kwdefaults__", onnx_file.compare.__kwdefaults__ | {"lengths_s": (0.5,)})
            yield

    return comparing


@pytest.fixture(scope="session")
def exported(make_student, networks_once, of_all_processes) -> SimpleNamespace:
    """One of them and its file, made once for all processes, for it takes seconds: change a copy."""
    import torch
    from filelock import FileLock

    from sondo.export import to_onnx

    student = make_student()
    student.info = {"teacher": {"name": "m2d", "fingerprint": "f", "licence": "NTT evaluation only"}}
    path = of_all_processes / "exported" / "student.onnx"
    with FileLock(of_all_processes / "exported.lock"):
        if not path.exists():
            student.train()
            before = {key: value.clone() for key, value in student.state_dict().items()}
            with networks_once(), warnings.catch_warnings():
                warnings.simplefilter("error")
                to_onnx(student, path, frames=True)
            assert student.training, "exporting must leave the student as it was"
            assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())
    return SimpleNamespace(student=student.eval(), path=path)
