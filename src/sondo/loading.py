"""`sondo.load`: whatever kind of model a path or a name means, as one object with `embed` and `embed_segments`.

May import: `sondo.runtime`; `sondo.students` and `sondo.weights` inside functions only, because they need torch.
"""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

from sondo.audio.windows import Compat
from sondo.errors import SondoError, near_path, require
from sondo.runtime import Model, OnnxModel
from sondo.runtime.files import FILES, open_file
from sondo.runtime.threads import checked_threads

_HUB, _EXPORTED = "hf://", "student.onnx"
_CHECKPOINTS = (".ckpt", ".pt", ".pth")
_SHORT_NAME = re.compile(r"(matpac|m2d)-[a-z0-9]+")
_KINDS = (
    "an .onnx, .tflite or .pte file, the folder of a student or of a run, a published .ckpt, "
    "a name such as matpac-mobilenetv3, or a repository of the Hugging Face hub (owner/name)"
)


def load(path: str | Path, *, threads: int | None = None, compat: Compat = None, allow_code: bool = False) -> Model:
    """Open a student.

    Args:
        path: An exported `.onnx`, `.tflite` (both need no torch) or `.pte` file; the folder of a student or of a run; a
            published S-SONDO checkpoint (`.ckpt`); its short name, such as `matpac-mobilenetv3`; a repository of the
            Hugging Face hub that `sondo push` filled, `hf://owner/name`, or `owner/name` where no such folder is here;
            or a file of one, `hf://owner/name/student.onnx`. Of a repository the weights are opened by torch, and where
            torch is not installed its `student.onnx`. `@revision` may stand behind; without one the commit of the first
            use stays.
        threads: Threads for an exported file; all cores by default. ExecuTorch (`.pte`) chooses its own.
        compat: `ssondo` gives the published behaviour: only full windows of 10 s count, what is left is dropped.
        allow_code: Import the module that a student's folder names, for a student that is a function of your own.

    Returns:
        A model with `embed`, `embed_segments`, `embedding_dim`, `sample_rate`, `space_id` and `licence`.

    Raises:
        SondoError: Nothing there, or nothing that sondo knows.

    Example:
        `sondo.load("student.onnx").embed("dog.wav")` gives an (embedding_dim,) float32 array.
    """
    name = str(path)
    path = Path(path)
    if not path.exists():
        from sondo.weights import located

        path = located(name)
    is_hub = name.startswith(_HUB) and not path.exists()  # then it names a file of a repository
    if is_hub and Path(name.partition("@")[0]).suffix.lower() in FILES:
        from sondo.weights import fetch_hub

        path, is_hub = fetch_hub(name), False
    if is_hub or path.suffix.lower() in _CHECKPOINTS or (not path.exists() and _SHORT_NAME.fullmatch(name)):
        return _published(name, compat)
    if not path.exists():
        raise SondoError(f"no model at {path}: {near_path(path) or f'give {_KINDS}'}")
    if path.is_file():
        if path.suffix.lower() not in FILES:
            raise SondoError(f"{path} is no model that sondo knows: expected {_KINDS}")
        _refuse_compat(compat, "an exported file keeps the behaviour that it was exported with")
        return open_file(path, threads=threads)
    folder = _student_folder(path)
    if not (folder / "config.json").is_file():
        raise SondoError(f"{path} holds no student (no config.json): is the run finished?")
    _refuse_compat(compat, "it is for published checkpoints")
    require("torch", extra="train", why=_why_torch(path, folder))
    from sondo.students import TorchModel

    return TorchModel.from_folder(folder, allow_code=allow_code)


def load_to_embed(
    path: str | Path, *, threads: int | None = None, compat: Compat = None, allow_code: bool = False
) -> Model:
    """Open a student as `load` does, for who wants its vectors and nothing else: of a run, its exported file.

    The file gives the same vectors, faster on a processor, and needs neither torch nor the code of a student of one's
    own.

    Args:
        path: As for `load`.
        threads: As for `load`.
        compat: As for `load`.
        allow_code: As for `load`.

    Raises:
        SondoError: As `load`.
    """
    exported = exported_of(Path(path), threads=threads) if compat is None else None
    return exported or load(path, threads=threads, compat=compat, allow_code=allow_code)


def exported_of(run: Path, *, threads: int | None = None) -> OnnxModel | None:
    """The `student.onnx` of a run or of a repository, where it is its student in float32; None elsewhere.

    Raises:
        SondoError: A number of threads that is none.
    """
    threads = checked_threads(threads)
    file, note = run / _EXPORTED, _student_folder(run) / "config.json"
    if not (file.is_file() and note.is_file()):
        return None
    try:
        return _of_the_student(file, note, threads)
    except SondoError:  # who opens the student says what is wrong
        return None


def _of_the_student(file: Path, note: Path, threads: int | None) -> OnnxModel:
    """A run's exported file, where it is of the student of this `config.json` and in float32.

    Raises:
        SondoError: It is not, or cannot be opened.
    """
    model = OnnxModel(file, threads=threads)
    try:
        space = json.loads(note.read_text(encoding="utf-8"))["space_id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SondoError(f"{note} is damaged ({error}): copy the student again") from error
    if model.space_id != space:
        raise SondoError(f"{file} is of another student than {note.parent}: export it again")
    if model.precision != "float32":
        raise SondoError(f"{file} is in {model.precision}: name the file to hear with it")
    return model


def _why_torch(run: Path, folder: Path) -> str:
    """What torch is needed for, and why the exported file that is there does not do without it."""
    loading, file = f"Loading the weights in {folder}", run / _EXPORTED
    if find_spec("torch") is not None or not file.is_file():
        return f"{loading} needs torch (an exported .onnx does not)"
    try:
        _of_the_student(file, folder / "config.json", None)
    except SondoError as error:
        return f"{str(error).rstrip('.')}. {loading} instead needs torch"
    return f"{loading} needs torch ({file} does not)"


def _student_folder(path: Path) -> Path:
    return path / "student" if (path / "student" / "config.json").is_file() else path


def _published(name: str, compat: Compat) -> Model:
    require("torch", extra="train", why=f"Loading {name} needs torch (export it once to .onnx to do without)")
    from sondo.catalogue import PUBLISHED
    from sondo.students import TorchModel
    from sondo.students.published import load_published

    if not name.startswith(_HUB) and Path(name).suffix.lower() not in _CHECKPOINTS and name not in PUBLISHED:
        raise SondoError(f"no model at {name}, and no published one has that name: there is {', '.join(PUBLISHED)}")
    student, _ = load_published(name, compat=compat)
    return TorchModel(student)


def _refuse_compat(compat: Compat, why: str) -> None:
    if compat is not None:
        raise SondoError(f"compat={compat!r} does not fit here: {why}")
