"""Compare an exported file with the student that it came from."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from sondo.errors import SondoError
from sondo.students import Student

THRESHOLD = 0.9999
ALONE_TOLERANCE = 1e-5
LENGTHS_S = (0.1, 0.5, 1.0, 3.7, 10.0, 25.0, 61.0)

_Audio = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class VerifyCase:
    """One comparison: clips of one length, in one call.

    Args:
        name: What the sound is.
        seconds: Its length.
        batch: Clips in the call.
        smallest_cosine: Of the clip that agrees least.
        mean_cosine: Over the clips.
        largest_difference: Of any value of any vector, absolute.
    """

    name: str
    seconds: float
    batch: int
    smallest_cosine: float
    mean_cosine: float
    largest_difference: float


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What `verify` found.

    Args:
        path: The exported file.
        space_id: Space of the student.
        threshold: The cosine that every clip must reach.
        passed: Whether every clip reaches it, and clips give the same vector alone and in a batch (1e-5).
        smallest_cosine: Over all cases.
        mean_cosine: Over all clips of all cases.
        largest_difference: Over all cases, absolute.
        alone_difference: Largest difference between a clip alone and the same clip in a batch, absolute.
        versions: Of the two sides.
        cases: The comparisons.
    """

    path: str
    space_id: str
    threshold: float
    passed: bool
    smallest_cosine: float
    mean_cosine: float
    largest_difference: float
    alone_difference: float
    versions: dict[str, str]
    cases: tuple[VerifyCase, ...]

    @property
    def json_path(self) -> Path:
        """Where the report lies: beside the file, with `.json` behind its name."""
        return Path(f"{self.path}.json")

    def save(self) -> Path:
        """Write the report to `json_path`, in one step."""
        scratch = self.json_path.with_name(f".{self.json_path.name}.writing")
        scratch.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")
        os.replace(scratch, self.json_path)
        return self.json_path


def verify(
    student: Student,
    path: str | Path,
    *,
    clips: Sequence[_Audio] | None = None,
    threshold: float = THRESHOLD,
    lengths_s: Sequence[float] = LENGTHS_S,
) -> VerifyReport:
    """Compare torch with an exported file, and write the report beside the file.

    Made sound of each length (noise, chirp, clicks, clipped, nearly silent) goes in as a batch of five and its first
    clip alone; then silence, a square wave of full scale, and the real clips.

    Args:
        student: The student in torch.
        path: The exported file.
        clips: Real sound, each (samples,) at the student's rate, at least 0.1 s.
        threshold: The cosine that every clip must reach.
        lengths_s: Lengths of the made sound in seconds.

    Raises:
        SondoError: The file cannot be opened, belongs to another student, or gives values that are not finite.
    """
    report = compare(student, path, clips=clips, threshold=threshold, lengths_s=lengths_s)
    report.save()
    return report


def compare(
    student: Student,
    path: str | Path,
    *,
    clips: Sequence[_Audio] | None = None,
    threshold: float = THRESHOLD,
    lengths_s: Sequence[float] = LENGTHS_S,
) -> VerifyReport:
    """As `verify`, but nothing is written."""
    session, student = _open(student, Path(path)), copy.deepcopy(student).cpu().float().eval()
    cases: list[VerifyCase] = []
    cosines: list[float] = []
    alone_difference = 0.0
    for name, audio in _sounds(student.sample_rate, lengths_s, clips or ()):
        wanted, got = _torch_vectors(student, audio), _file_vectors(session, audio, name)
        for batch in [len(audio)] if len(audio) == 1 else [1, len(audio)]:
            found = got if batch == len(audio) else _file_vectors(session, audio[:1], name)
            if found is not got:
                alone_difference = max(alone_difference, float(np.abs(found[0] - got[0]).max()))
            each = _cosines(wanted[:batch], found)
            cosines += each.tolist()
            cases.append(
                VerifyCase(
                    name=name,
                    seconds=round(audio.shape[1] / student.sample_rate, 3),
                    batch=batch,
                    smallest_cosine=float(each.min()),
                    mean_cosine=float(each.mean()),
                    largest_difference=float(np.abs(found - wanted[:batch]).max()),
                )
            )
    smallest = min(cosines)
    return VerifyReport(
        path=str(path),
        space_id=student.space_id,
        threshold=threshold,
        passed=smallest >= threshold and alone_difference <= ALONE_TOLERANCE,
        smallest_cosine=smallest,
        mean_cosine=float(np.mean(cosines)),
        largest_difference=max(case.largest_difference for case in cases),
        alone_difference=alone_difference,
        versions={"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
        cases=tuple(cases),
    )


def _sounds(sample_rate: int, lengths_s: Sequence[float], clips: Sequence[_Audio]) -> Iterator[tuple[str, _Audio]]:
    """Names and batches (clips, samples)."""
    for seconds in lengths_s:
        yield f"made sound, {seconds:g} s", _made_sound(round(seconds * sample_rate), sample_rate)
    for seconds in (length for length in (0.1, 10.0) if length in lengths_s):
        num_samples = round(seconds * sample_rate)
        square = np.where(np.arange(num_samples) % 100 < 50, 1.0, -1.0).astype(np.float32)
        yield f"silence, {seconds:g} s", np.zeros((1, num_samples), dtype=np.float32)
        yield f"full scale, {seconds:g} s", square[None]
    for number, clip in enumerate(clips):
        clip = np.asarray(clip, dtype=np.float32)
        if clip.ndim != 1:
            raise SondoError(f"clip {number} to verify with has shape {clip.shape}: expected (samples,)")
        yield f"clip {number}", clip[None]


def _made_sound(num_samples: int, sample_rate: int) -> _Audio:
    """Five unlike sounds: noise, chirp, clicks, clipped noise, nearly silent noise."""
    random = np.random.default_rng(num_samples)
    time = np.arange(num_samples) / sample_rate
    noise = random.standard_normal((3, num_samples))
    chirp = 0.5 * np.sin(2 * np.pi * (100 * time + 0.5 * 7000 * time**2 / time[-1]))
    clicks = np.where(random.uniform(size=num_samples) < 20 / sample_rate, 0.9, 0.0)
    rows = [0.1 * noise[0], chirp, clicks, np.clip(2 * noise[1], -1, 1), 1e-4 * noise[2]]
    return np.stack(rows).astype(np.float32)


def _open(student: Student, path: Path) -> Any:
    if not path.is_file():
        raise SondoError(f"no exported file at {path}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen classes that share no base
        raise SondoError(f"{path}: onnxruntime cannot open it: {str(error).splitlines()[0]}") from error
    space = session.get_modelmeta().custom_metadata_map.get("sondo.space_id")
    if space != student.space_id:
        raise SondoError(f"{path} belongs to another student: its space is {space}, this one's {student.space_id}")
    return session


def _torch_vectors(student: Student, audio: _Audio) -> _Audio:
    """One thread: on a machine that others use too, small tensors wait longer for their threads than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            vectors: _Audio = student(torch.from_numpy(audio)).numpy()
    finally:
        torch.set_num_threads(threads)
    return vectors


def _file_vectors(session: Any, audio: _Audio, name: str) -> _Audio:
    (vectors,) = session.run(["embedding"], {"audio": audio})
    if not np.isfinite(vectors).all():
        raise SondoError(f"the exported file gives values that are not finite for {name}: its weights are damaged")
    return np.asarray(vectors, dtype=np.float32)


def _cosines(first: _Audio, second: _Audio) -> NDArray[np.float64]:
    """Cosine of each pair of rows; two vectors of zeros agree."""
    first64, second64 = first.astype(np.float64), second.astype(np.float64)
    norms = np.linalg.norm(first64, axis=1) * np.linalg.norm(second64, axis=1)
    same = (first64 == second64).all(axis=1)
    products = (first64 * second64).sum(axis=1)
    cosines = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return np.asarray(np.where(same, 1.0, cosines), dtype=np.float64)
