"""One comparison of an exported file with torch, and which of its clips say something.

A network may amplify rounding: a DyMN does on loud noise such as it never heard, where its values reach 1e9. There
torch itself gives another vector in float32 than in float64, or another one again where its weights change in their
last bits, and no file can be held to any of them. Such a clip is left out of the judgement, and the report says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sondo.export.precision import LEAST_COSINE, ON_AVERAGE
from sondo.export.sounds import REAL, Audio
from sondo.export.verify_report import VerifyCase
from sondo.runtime.metadata import Precision
from sondo.students import Student
from sondo.students.front_end import LogMel

_TIMES_ROUNDING = 10.0
"""How far a file may be from float64, as an angle, in multiples of what rounding makes of the vector."""

LENGTH_TOLERANCE = 0.02
"""By what share of its length a vector may be longer or shorter than torch's, where every clip is judged."""

_SHAKEN, _LAST_BITS = 3, 8
"""How often weights are changed at random, and by how many of float32's last bits at most.

Eight are 1e-6, about what sums over some hundred terms lose in float32, in whatever order a runtime takes them. A
steady vector turns by 1e-4 then at most; an angle that fails is 0.014.
"""


@dataclass(frozen=True)
class Compared:
    """A comparison.

    Args:
        case: What the report says of it.
        cosines: Of each clip, (clips,).
        is_determined: Whether float32 determines the vector of each clip, (clips,).
        output: Of the file, which is compared.
        is_real: Whether the clips are real sound.
    """

    case: VerifyCase
    cosines: NDArray[np.float64]
    is_determined: NDArray[np.bool_]
    output: str
    is_real: bool


def compared(
    name: str,
    audio: Audio,
    wanted: Audio,
    found: Audio,
    student: Student,
    *,
    precision: Precision,
    of: Callable[[Student, Audio], Audio],
    output: str = "embedding",
) -> Compared:
    """Compare the vectors of a batch.

    Args:
        name: What the sound is.
        audio: The sound, (clips, samples).
        wanted: What torch gives in float32, (clips, ...).
        found: What the file gives, of the same shape.
        student: Whose vectors they are.
        precision: Of the file. Where real sound is judged on average, every clip is determined.
        of: Gives what torch gives; asked in float64 where a clip does not agree.
        output: Which output of the file it is.
    """
    rows = len(audio)
    each = _cosines(wanted.reshape(rows, -1), found.reshape(rows, -1))
    lengths = _length_differences(wanted, found)
    agrees = (each >= LEAST_COSINE["float32"]) & (lengths <= LENGTH_TOLERANCE)
    is_determined: NDArray[np.bool_] = np.ones(rows, dtype=np.bool_)
    if precision not in ON_AVERAGE and not agrees.all():
        is_determined = agrees | ~_is_rounding(wanted, found, student, lambda network: of(network, audio))
    case = VerifyCase(
        name=name if output == "embedding" else f"{output}, {name}",
        seconds=round(audio.shape[1] / student.sample_rate, 3),
        batch=rows,
        smallest_cosine=float(each.min()),
        mean_cosine=float(each.mean()),
        largest_difference=float(np.abs(found - wanted).max()),
        undetermined=int((~is_determined).sum()),
        judged_cosine=float(each[is_determined].min(initial=1.0)),
        length_difference=float(lengths[is_determined].max(initial=0.0)),
    )
    return Compared(case, each, is_determined, output, is_real=name.startswith(REAL))


def judge(found: Sequence[Compared], precision: Precision) -> tuple[str, float]:
    """What counts for a precision, and its cosine; -1 where nothing counts.

    Where real sound counts on average, each output does by itself, and the one that agrees least is told of.
    """
    if precision not in ON_AVERAGE:
        cosines = np.concatenate([each.cosines[each.is_determined] for each in found])
        return "every clip", float(cosines.min(initial=1.0)) if len(cosines) else -1.0
    counting = [each for each in found if each.is_real] or list(found)
    sound = "real clips" if counting[0].is_real else "all clips"
    means = {
        output: float(np.concatenate([each.cosines for each in counting if each.output == output]).mean())
        for output in dict.fromkeys(each.output for each in counting)
    }
    least = min(means, key=lambda output: means[output])
    return sound if least == "embedding" else f"{least}, {sound}", means[least]


def lengths_agree(cases: Sequence[VerifyCase], precision: Precision) -> bool:
    """Whether vectors are as long as torch's: a cosine does not see a factor, a classifier's head does."""
    return precision in ON_AVERAGE or all(case.length_difference <= LENGTH_TOLERANCE for case in cases)


def of_torch(student: Student, audio: Audio) -> Audio:
    """What torch gives.

    On one thread: on a machine that others use too, small tensors wait longer for their threads than they compute.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            vectors: Audio = student(torch.from_numpy(audio)).numpy()
    finally:
        torch.set_num_threads(threads)
    return vectors


def _length_differences(wanted: Audio, found: Audio) -> NDArray[np.float64]:
    """By what share of its length each vector is longer or shorter; 1 where torch's is zero and the file's is not."""
    first, second = (np.linalg.norm(each.reshape(len(each), -1).astype(np.float64), axis=1) for each in (wanted, found))
    differences = np.abs(second - first)
    shares = np.divide(differences, first, out=(differences > 0).astype(np.float64), where=first > 0)
    return np.asarray(shares, dtype=np.float64)


def _in_double(student: Student) -> Student:
    """A copy of a student that computes in float64, its front-end too."""
    exact = copy.deepcopy(student).cpu().double().eval()
    exact.front_end = _ExactLogMel(student.front_end)  # type: ignore[assignment]
    return exact


class _ExactLogMel(nn.Module):
    """`LogMel`, which is in float32 whatever it is asked for, in float64."""

    window: Tensor
    filters: Tensor

    def __init__(self, front_end: LogMel) -> None:
        super().__init__()
        self.config = front_end.config
        self.register_buffer("window", front_end.window.double())
        self.register_buffer("filters", front_end.filters.double())

    def forward(self, audio: Tensor) -> Tensor:
        size, hop = self.config.n_fft, self.config.hop
        spectrum = torch.stft(audio.double(), size, hop, window=self.window, center=False, return_complex=True)
        log_mel: Tensor = torch.log(self.filters @ spectrum.abs().square() + self.config.log_offset)
        return log_mel


def _is_rounding(wanted: Audio, found: Audio, student: Student, of: Callable[[Student], Audio]) -> NDArray[np.bool_]:
    """Whether a file is about as close to float64 as rounding leaves torch's float32, or weights rounded otherwise."""
    exact = _in_double(student)
    try:
        truth = of(exact)
    except RuntimeError:  # someone's own network that holds on to float32: all of it counts
        return np.zeros(len(wanted), dtype=np.bool_)
    truth, found, *others = (
        each.reshape(len(each), -1) for each in (truth, found, wanted, *(of(_shaken(exact, s)) for s in range(_SHAKEN)))
    )
    turned = np.max([_angles(truth, other) for other in others], axis=0)
    stretched = np.max([_length_differences(truth, other) for other in others], axis=0)
    is_turned = _angles(truth, found) <= _TIMES_ROUNDING * turned
    is_stretched = _length_differences(truth, found) <= np.maximum(_TIMES_ROUNDING * stretched, LENGTH_TOLERANCE)
    return np.asarray(is_turned & is_stretched)


def _shaken(exact: Student, seed: int) -> Student:
    """A copy with each weight moved at random by up to `_LAST_BITS`."""
    shaken, generator = copy.deepcopy(exact), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in (*shaken.parameters(), *shaken.buffers()):
            if values.dtype == torch.float64:
                change = 2 * torch.rand(values.shape, generator=generator, dtype=torch.float64) - 1
                values.mul_(1 + _LAST_BITS * torch.finfo(torch.float32).eps * change)
    return shaken


def _angles(first: Audio, second: Audio) -> NDArray[np.float64]:
    """Angle between each pair of rows, in radians."""
    return np.asarray(np.arccos(np.clip(_cosines(first, second), -1.0, 1.0)))


def _cosines(first: Audio, second: Audio) -> NDArray[np.float64]:
    """Cosine of each pair of rows; two vectors of zeros agree."""
    first64, second64 = first.astype(np.float64), second.astype(np.float64)
    norms = np.linalg.norm(first64, axis=1) * np.linalg.norm(second64, axis=1)
    same = (first64 == second64).all(axis=1)
    products = (first64 * second64).sum(axis=1)
    cosines = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return np.asarray(np.where(same, 1.0, cosines), dtype=np.float64)
