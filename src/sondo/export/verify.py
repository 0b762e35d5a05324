"""Compare an exported file with the student that it came from."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from sondo.audio.windows import average_windows, window_frames
from sondo.errors import SondoError
from sondo.export.compared import Compared, compared, judge, lengths_agree, of_torch
from sondo.export.precision import LEAST_COSINE
from sondo.export.sounds import LENGTHS_S, Audio, made_sound
from sondo.export.sounds import sounds as _sounds
from sondo.export.verify_report import VerifyReport
from sondo.runtime.metadata import Precision, read_precision
from sondo.runtime.onnx import open_session
from sondo.students import Projector, Student

ALONE_TOLERANCE = 1e-5
_PADDED_S, _OTHERS_S = (1.0, 3.7, 12.5), (0.5, 12.5)


def verify(
    student: Student,
    path: str | Path,
    *,
    clips: Sequence[Audio] | None = None,
    threshold: float | None = None,
    lengths_s: Sequence[float] = LENGTHS_S,
    projector: Projector | None = None,
) -> VerifyReport:
    """Compare torch with an exported file, and write the report beside the file.

    Made sound of each length (noise, chirp, clicks, clipped, nearly silent) goes in as a batch of five and its first
    clip alone; then silence, a square wave of full scale, and the real clips. Where the file has them, its frames are
    compared and judged likewise, and its vectors in the teacher's space.

    Args:
        student: The student in torch.
        path: The exported file.
        clips: Real sound, each (samples,) at the student's rate, at least 0.1 s.
        threshold: The cosine that must be reached; what `LEAST_COSINE` asks of the file's precision when left out.
        lengths_s: Lengths of the made sound in seconds.
        projector: The mapping head that `teacher_space` is compared with; that output is passed over without.

    Raises:
        SondoError: The file cannot be opened, belongs to another student, fails, or gives values that are not finite.
    """
    report = compare(student, path, clips=clips, threshold=threshold, lengths_s=lengths_s, projector=projector)
    report.save()
    return report


def compare(
    student: Student,
    path: str | Path,
    *,
    clips: Sequence[Audio] | None = None,
    threshold: float | None = None,
    lengths_s: Sequence[float] = LENGTHS_S,
    projector: Projector | None = None,
) -> VerifyReport:
    """As `verify`, but nothing is written."""
    session, student = _open(student, Path(path)), copy.deepcopy(student).cpu().float().eval()
    precision = read_precision(Path(path), session.get_modelmeta().custom_metadata_map)
    found: list[Compared] = []
    alone_difference = 0.0
    for name, audio in _sounds(student.sample_rate, lengths_s, clips or ()):
        wanted, got = of_torch(student, audio), _of_file(session, "embedding", audio, name)
        if len(audio) > 1:
            alone = _of_file(session, "embedding", audio[:1], name)
            alone_difference = max(alone_difference, float(np.abs(alone[0] - got[0]).max()))
            found.append(compared(name, audio[:1], wanted[:1], alone, student, precision=precision, of=of_torch))
        found.append(compared(name, audio, wanted, got, student, precision=precision, of=of_torch))
    found += list(_other_outputs(student, session, projector, precision, clips or ()))
    padded_difference = _padded_difference(session, student.sample_rate) if _takes_lengths(session) else None
    cosines = np.concatenate([each.cosines for each in found])
    judged, judged_cosine = judge(found, precision)
    threshold = LEAST_COSINE[precision] if threshold is None else threshold
    differences = [alone_difference, *([] if padded_difference is None else [padded_difference])]
    cases = tuple(each.case for each in found)
    return VerifyReport(
        path=str(path),
        space_id=student.space_id,
        precision=precision,
        threshold=threshold,
        judged=judged,
        judged_cosine=judged_cosine,
        passed=judged_cosine >= threshold and max(differences) <= ALONE_TOLERANCE and lengths_agree(cases, precision),
        smallest_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        largest_difference=max(each.case.largest_difference for each in found),
        alone_difference=alone_difference,
        padded_difference=padded_difference,
        versions={"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
        cases=cases,
    )


def _other_outputs(
    student: Student, session: Any, projector: Projector | None, precision: Precision, clips: Sequence[Audio]
) -> Iterator[Compared]:
    outputs: dict[str, Callable[[Student, Audio], Audio]] = {"frames": _frames}
    if projector is not None:
        outputs["teacher_space"] = functools.partial(_in_teacher_space, projector)
    for output in [output.name for output in session.get_outputs() if output.name in outputs]:
        of = outputs[output]
        for name, audio in _sounds(student.sample_rate, _OTHERS_S, clips, output=output):
            wanted, found = of(student, audio), _of_file(session, output, audio, f"{output}, {name}")
            yield compared(name, audio, wanted, found, student, precision=precision, of=of, output=output)


def _frames(student: Student, audio: Audio) -> Audio:
    with torch.inference_mode():
        frames: Audio = student.frames(torch.from_numpy(audio))[0].numpy()
    return frames


def _in_teacher_space(projector: Projector, student: Student, audio: Audio) -> Audio:
    """Each window's vector through the mapping head, averaged as embeddings are."""
    windows = window_frames(audio.shape[1], config=student.front_end.config)
    head = copy.deepcopy(projector).cpu().float().eval()
    with torch.inference_mode():
        mapped = [head(torch.from_numpy(of_torch(student, audio[:, start:stop]))).numpy() for start, stop, _ in windows]
    return average_windows(np.stack(mapped), [frames for _, _, frames in windows])


def _takes_lengths(session: Any) -> bool:
    return "lengths" in {item.name for item in session.get_overridable_initializers()}


def _padded_difference(session: Any, sample_rate: int) -> float:
    """Clips of several lengths in one batch, noise behind them, against each clip alone."""
    lengths = np.array([round(seconds * sample_rate) for seconds in _PADDED_S], dtype=np.int64)
    audio = made_sound(int(lengths.max()), sample_rate)[: len(lengths)]
    (together,) = session.run(["embedding"], {"audio": audio, "lengths": lengths})
    rows = [
        _of_file(session, "embedding", row[None, :length], "padded sound")
        for row, length in zip(audio, lengths, strict=True)
    ]
    difference = float(np.abs(together - np.concatenate(rows)).max())
    return difference if np.isfinite(difference) else float("inf")


def _open(student: Student, path: Path) -> Any:
    if not path.is_file():
        raise SondoError(f"no exported file at {path}")
    session = open_session(path, None)
    space = session.get_modelmeta().custom_metadata_map.get("sondo.space_id")
    if space != student.space_id:
        raise SondoError(f"{path} belongs to another student: its space is {space}, this one's {student.space_id}")
    return session


def _of_file(session: Any, output: str, audio: Audio, name: str) -> Audio:
    try:
        (values,) = session.run([output], {"audio": audio})
    except Exception as error:  # onnxruntime raises a dozen classes that share no base
        raise SondoError(
            f"the exported file fails for {name} of {audio.shape[1]} samples ({str(error).splitlines()[0]}): its "
            "network must be the same graph for any number of frames, as adaptive pooling to several frames is not"
        ) from error
    if not np.isfinite(values).all():
        raise SondoError(f"the exported file gives values that are not finite for {name}: its weights are damaged")
    return np.asarray(values, dtype=np.float32)
