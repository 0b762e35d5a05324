"""Where an exported file goes, and that none is left which does not agree with torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from sondo.errors import SondoError, check_places, check_utf8
from sondo.export.compared import LENGTH_TOLERANCE
from sondo.export.precision import ON_AVERAGE
from sondo.export.verify_report import VerifyReport
from sondo.scratch import replacing
from sondo.screen import say
from sondo.students import Student

_ADVICE = {
    "int8": ". Calibrate on more sound like that of your use (name files or folders behind the run), leave further "
    "outputs out, or stay with float32, whose weights an ONNX file can keep in int8 (--weights int8)",
    "int8_weights": ". Keep the weights in float16 (--weights float16)",
}
"""What to do about a file that was refused."""


def checked_target(path: str | Path, student: Student, *, suffix: str, overwrite: bool) -> Path:
    """The file to write, looked at before the work begins.

    Args:
        path: The file.
        student: What will be in it.
        suffix: What its name must end in.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        SondoError: Another ending, something in the way, or a student in a mode that no file has.
    """
    path = Path(path)
    check_utf8(path)
    check_places(path)
    if path.suffix != suffix:
        raise SondoError(f"{path}: the file is named something{suffix}; --format chooses another kind")
    if path.is_dir() or (path.exists() and not overwrite):
        raise SondoError(
            f"{path} is there already: name another file, or allow it with --overwrite (in Python overwrite=True)"
        )
    if student.compat is not None:
        raise SondoError(f"an exported file has no compat={student.compat!r}: load the student without it")
    return path


def write_verified(path: Path, content: bytes, compare: Callable[[Path], VerifyReport]) -> Path:
    """Write a file where a comparison passes; nothing is left where it does not.

    Args:
        path: The file; its report goes beside it, as `<path>.json`.
        content: Its bytes.
        compare: Compares the scratch file that it is given.

    Raises:
        SondoError: The file does not agree with torch.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as scratch:
        scratch.write_bytes(content)
        report = dataclasses.replace(compare(scratch), path=str(path))
        if not report.passed:
            raise SondoError(_refusal(report))
        report.save()  # last: no work may lie between a report and its file, or another process could come between
    if report.undetermined:
        say(f"{path}: {report.undetermined}")
    return path


def _refusal(report: VerifyReport) -> str:
    if report.judged_cosine >= report.threshold and report.length_difference > LENGTH_TOLERANCE:
        worst = max(report.cases, key=lambda case: case.length_difference)
        return (
            f"{report.path} was not written: its vectors have torch's direction and another length, by "
            f"{100 * worst.length_difference:.0f} % ({worst.name}, {worst.seconds:g} s). Its network must be the same "
            "graph for any number of frames"
        )
    if report.judged_cosine >= report.threshold:
        return (
            f"{report.path} was not written: a clip alone and in a batch differ by {report.alone_difference:.2g}, "
            f"alone and padded by {report.padded_difference or 0.0:.2g}. "
            "This is a fault of the exported graph: please report it with the student's name"
        )
    worst = min(report.cases, key=lambda case: case.judged_cosine)
    where = f"the mean over {report.judged}" if report.precision in ON_AVERAGE else worst.name
    return (
        f"{report.path} was not written: it does not agree with torch. The cosine is {report.judged_cosine:.6f} "
        f"({where}), at least {report.threshold} is asked for{_ADVICE.get(report.precision, '')}"
    )
