"""Compare any opened model with the student that its file came from."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch

from sondo.errors import SondoError
from sondo.export.compared import compared, judge, lengths_agree, of_torch
from sondo.export.precision import LEAST_COSINE
from sondo.export.sounds import Audio, sounds
from sondo.export.verify_report import VerifyReport
from sondo.runtime.one_window import OneWindowModel
from sondo.students import Student

LENGTHS_S = (0.1, 0.3, 1.0, 3.7, 10.0, 12.5)


def compare_model(
    student: Student,
    model: OneWindowModel,
    *,
    clips: Sequence[Audio],
    threshold: float | None = None,
    lengths_s: Sequence[float] = LENGTHS_S,
) -> VerifyReport:
    """Compare torch with an opened file, sound by sound.

    Args:
        student: The student in torch.
        model: The opened file.
        clips: Real sound, each (samples,) at the student's rate.
        threshold: The cosine that must be reached; what `LEAST_COSINE` asks of the file's precision when left out.
        lengths_s: Lengths of the made sound in seconds.

    Raises:
        SondoError: A file of another student, or values that are not finite.
    """
    if model.space_id != student.space_id:
        raise SondoError(
            f"{model.path} belongs to another student: its space is {model.space_id}, this one's {student.space_id}"
        )
    student = copy.deepcopy(student).cpu().float().eval()
    precision = model.precision
    found = []
    for name, audio in sounds(student.sample_rate, lengths_s, clips):
        wanted = of_torch(student, audio)
        vectors = model.embed(audio, sample_rate=student.sample_rate)
        if not np.isfinite(vectors).all():
            raise SondoError(f"the exported file gives values that are not finite for {name}")
        found.append(compared(name, audio, wanted, vectors, student, precision=precision, of=of_torch))
    cosines = np.concatenate([each.cosines for each in found])
    judged, judged_cosine = judge(found, precision)
    threshold = LEAST_COSINE[precision] if threshold is None else threshold
    cases = tuple(each.case for each in found)
    return VerifyReport(
        path=str(model.path),
        space_id=student.space_id,
        precision=precision,
        threshold=threshold,
        judged=judged,
        judged_cosine=judged_cosine,
        passed=judged_cosine >= threshold and lengths_agree(cases, precision),
        smallest_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        largest_difference=max(each.case.largest_difference for each in found),
        alone_difference=0.0,  # each sound is a call of its own
        versions={"torch": torch.__version__, **model.versions()},
        cases=cases,
    )
