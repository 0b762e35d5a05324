"""Compare any opened model with the student that its file came from, and leave no file that does not agree."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from sondo.errors import SondoError
from sondo.export.sounds import Audio, sounds
from sondo.export.verify import VerifyCase, VerifyReport, _cosines
from sondo.runtime.one_window import OneWindowModel
from sondo.students import Student, TorchModel

INT8_THRESHOLD = 0.99
"""The cosine to torch in float32 that the mean over the clips must reach where the network is in int8."""
LENGTHS_S = (0.1, 0.3, 1.0, 3.7, 10.0, 12.5)


def compare_model(
    student: Student,
    model: OneWindowModel,
    *,
    clips: Sequence[Audio],
    threshold: float,
    versions: Mapping[str, str],
    lengths_s: Sequence[float] = LENGTHS_S,
    only_clips: bool = False,
) -> VerifyReport:
    """Compare torch with an opened file, sound by sound.

    Args:
        student: The student in torch.
        model: The opened file.
        clips: Real sound, each (samples,) at the student's rate.
        threshold: The cosine that the mean must reach where only clips count, else that of each sound.
        versions: Of the runtime and its tools.
        lengths_s: Lengths of the made sound in seconds.
        only_clips: Compare on the clips alone. A network in int8 is made for sound such as it was calibrated with:
            silence and clicks say nothing about it.

    Raises:
        SondoError: A file of another student, or values that are not finite.
    """
    if model.space_id != student.space_id:
        raise SondoError(
            f"{model.path} belongs to another student: its space is {model.space_id}, this one's {student.space_id}"
        )
    reference = TorchModel(student)
    cases, cosines = [], []
    for name, audio in sounds(student.sample_rate, () if only_clips else lengths_s, clips):
        wanted = reference.embed(audio, sample_rate=student.sample_rate)
        found = model.embed(audio, sample_rate=student.sample_rate)
        if not np.isfinite(found).all():
            raise SondoError(f"the exported file gives values that are not finite for {name}")
        each = _cosines(wanted, found)
        cosines += each.tolist()
        cases.append(
            VerifyCase(
                name=name,
                seconds=round(audio.shape[1] / student.sample_rate, 3),
                batch=len(audio),
                smallest_cosine=float(each.min()),
                mean_cosine=float(each.mean()),
                largest_difference=float(np.abs(found - wanted).max()),
            )
        )
    mean = float(np.mean(cosines))
    return VerifyReport(
        path=str(model.path),
        space_id=student.space_id,
        threshold=threshold,
        passed=(mean if only_clips else min(cosines)) >= threshold,
        smallest_cosine=min(cosines),
        mean_cosine=mean,
        largest_difference=max(case.largest_difference for case in cases),
        alone_difference=0.0,  # each sound is a call of its own
        versions={"torch": torch.__version__, **versions},
        cases=tuple(cases),
    )


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
    scratch = path.with_name(f".{path.stem}.writing{path.suffix}")
    try:
        scratch.write_bytes(content)
        report = dataclasses.replace(compare(scratch), path=str(path))
        if not report.passed:
            worst = min(report.cases, key=lambda case: case.smallest_cosine)
            raise SondoError(
                f"{path} was not written: it does not agree with torch. The smallest cosine is "
                f"{report.smallest_cosine:.6f} ({worst.name}), the mean {report.mean_cosine:.6f}; "
                f"at least {report.threshold} is asked for"
            )
        report.save()
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return path
