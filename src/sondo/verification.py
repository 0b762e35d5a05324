"""`sondo verify`: an exported file checked by itself, and compared with torch where its student is at hand.

May import: `sondo.runtime`, `sondo.weights`; `sondo.exporting` and `sondo.export` inside functions only, because they
need torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sondo.errors import SondoError, near_path, require
from sondo.runtime.files import open_file
from sondo.runtime.one_window import OneWindowModel
from sondo.runtime.self_check import Check, self_check
from sondo.screen import say
from sondo.weights import fetch_hub, located
from sondo.weights.hub import HUB

if TYPE_CHECKING:
    from sondo.export import VerifyReport


def verify_file(
    path: str | Path,
    *,
    against: str | Path | None = None,
    sounds: Sequence[Path] = (),
    threshold: float | None = None,
    allow_code: bool = False,
) -> tuple[list[Check], VerifyReport | None]:
    """Check an exported file.

    Args:
        path: The file; a repository of the hub whose `student.onnx` it is, `owner/name` or `hf://owner/name`; or a file
            of one, `hf://owner/name/student.int8.onnx`.
        against: Folder of the run or of the student that it was exported from; a published checkpoint, or its name.
            When left out, the folder that the file lies in, or the repository, where that holds the student and torch
            is installed.
        sounds: Real sound to compare on besides that of the run's bank: files, or folders of them.
        threshold: The cosine to torch that must be reached; that of the file's precision by default.
        allow_code: Import the module that the folder names, for a student that is a function of your own.

    Returns:
        What the file was checked for by itself, and the comparison with torch, which also lies beside the file where
        it can be written there and the file is not of the hub.

    Raises:
        SondoError: No such file, or no such student; sound that cannot be read; a file of another student.
    """
    named = Path(path)
    path, repository = _here(path)
    checks = self_check(path)
    if against is None:
        beside, is_asked = repository or _student_beside(path), bool(sounds) or threshold is not None
        if beside is None and is_asked:
            raise SondoError(f"the student of {path} does not lie beside it: name it, or its run (--against)")
        if beside is None or (find_spec("torch") is None and not is_asked):
            return checks, None
        against = beside
    require("torch", extra="train", why=f"Comparing {path} with torch")
    from sondo.export.verify import compare
    from sondo.export.verify_model import compare_model
    from sondo.exporting import read_source, sound_of_files

    source, model = read_source(against, allow_code=allow_code), open_file(path)
    student, kept = source.student, _kept if path == named else _of_the_hub
    clips = source.sound.to_compare(model.precision)
    if sounds:
        clips += sound_of_files(sounds, student.sample_rate).all()
    if isinstance(model, OneWindowModel):
        return checks, kept(compare_model(student, model, clips=clips, threshold=threshold))
    teacher = str((model.mapped_to or {}).get("name", ""))
    projector = source.projectors.get(teacher, next(iter(source.projectors.values()), None))
    return checks, kept(compare(student, path, clips=clips, threshold=threshold, projector=projector))


def _here(file: str | Path) -> tuple[Path, str | None]:
    """The file on this machine, and the repository of the hub whose file it is where one was named as a whole."""
    path, name = located(file, exported=True), str(file)
    if path == Path(file) and name.startswith(HUB):
        return fetch_hub(name), None
    if not path.exists():
        guess = near_path(path)
        raise SondoError(f"no such model file: {path}{f'; {guess}' if guess else ''}")
    if path.is_dir():
        raise SondoError(f"{path} is a folder: name an exported file, such as {path / 'student.onnx'}")
    return path, None if path == Path(file) else name


def _of_the_hub(report: VerifyReport) -> VerifyReport:
    say("the report is not kept: the file lies in the cache of the hub")
    return report


def _kept(report: VerifyReport) -> VerifyReport:
    """The report, on disk where there is a place for it: a file that passed has passed without one."""
    try:
        report.save()
    except OSError as error:
        say(f"the report is not kept: {report.json_path} cannot be written ({error.strerror})")
    return report


def _student_beside(path: Path) -> Path | None:
    """The folder of the file, where it holds its student."""
    homes = (path.parent / "student", path.parent)
    return path.parent if any((home / "config.json").is_file() for home in homes) else None
