"""A comparison that passes leaves the file and its report; one that does not leaves neither."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from phone_sounds import noise, own
from torch import nn

from sondo.errors import SondoError
from sondo.export.metadata import metadata
from sondo.export.verify_model import compare_model
from sondo.export.written import write_verified
from sondo.runtime.one_window import OneWindowModel

pytestmark = pytest.mark.slow


class Other(OneWindowModel):
    """The student itself with something added to its vectors."""

    def __init__(self, student, added=0.0, **changes):
        super().__init__(Path("other.pte"), metadata(student, frames=False, projector=None) | changes)
        self.student, self.added = student, added

    def versions(self):
        return {"runtime": "1"}

    def _embed_window(self, audio):
        with torch.inference_mode():
            return self.student(torch.from_numpy(audio)).numpy() + np.float32(self.added)


def compared(student, model, **options):
    defaults = {
        "lengths_s": (0.1, 0.3),
        "clips": [np.full(6_400, 0.1, dtype=np.float32)],
    }
    return compare_model(student, model, **{**defaults, **options})


def test_a_file_that_agrees_passes(student):
    report = compared(student, Other(student))
    assert report.passed
    assert report.smallest_cosine > 0.999999
    assert {case.seconds for case in report.cases} == {0.1, 0.2, 0.3}
    assert report.versions["runtime"] == "1"


def test_one_that_does_not_fails_and_in_int8_the_mean_over_the_clips_counts(student):
    off = compared(student, Other(student, added=1.0))
    assert (off.threshold, off.judged, off.passed) == (0.9999, "every clip", False)
    assert off.judged_cosine == off.smallest_cosine
    assert off.largest_difference == pytest.approx(1.0, abs=1e-3)
    int8 = compared(student, Other(student, **{"sondo.precision": "int8"}))
    (clip,) = [case for case in int8.cases if case.name == "clip 0"]
    assert (int8.threshold, int8.judged, int8.judged_cosine) == (0.99, "real clips", clip.mean_cosine)


class Amplifying(nn.Module):
    """The mean of each mel band; of loud sound, all but its whole numbers is lost in float32."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, log_mel):
        bands = self.scale * log_mel.mean((1, 3))
        lost = (bands + 1e7) - 1e7
        return torch.where(bands.mean(1, keepdim=True) > -7, lost, bands)


class Exact(Other):
    """What `Amplifying` would give without rounding; with something added, the sign is wrong."""

    def _embed_window(self, audio):
        with torch.inference_mode():
            bands = self.student.front_end(torch.from_numpy(audio)).mean(2).numpy()
        return bands * (-1 if self.added else 1)


class Balanced(nn.Module):
    """The mean of each mel band; for loud sound with what a weight for each is off from one, 300,000 times."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.ones(128))

    def forward(self, log_mel):
        bands = log_mel.mean((1, 3))
        loud = (bands.mean(1, keepdim=True) > -5).to(bands.dtype)
        return bands + loud * 3e5 * (self.weights - 1)


class Rounded(Other):
    """`Balanced` with every other weight two last bits larger; with something added, the sign is wrong too."""

    def _embed_window(self, audio):
        with torch.inference_mode():
            bands = self.student.front_end(torch.from_numpy(audio)).mean(2).numpy()
        if bands.mean() > -5:
            bands[:, ::2] += np.float32(3e5 * 2**-22)
        return bands * (-1 if self.added and bands.mean() > -5 else 1)


@pytest.mark.parametrize(
    ("network", "file"),
    [
        pytest.param(Amplifying, Exact, id="float32 and float64 differ"),
        pytest.param(Balanced, Rounded, id="they agree: only other last bits of the weights show it"),
    ],
)
def test_sound_whose_vector_rounding_decides_is_not_judged_but_errors_beyond_rounding_are(network, file):
    student = own(network())
    loud = [noise(6_400), 1e-3 * noise(6_400)]
    report = compared(student, file(student), clips=loud)
    assert (report.passed, report.judged_cosine > 0.9999, report.smallest_cosine < 0.9999) == (True, True, True)
    assert "clip 0" in report.undetermined
    assert "clip 1" not in report.undetermined
    assert not compared(student, file(student, added=1.0), clips=loud).passed


def test_a_file_of_another_student_or_without_numbers_is_refused(student):
    with pytest.raises(SondoError, match="belongs to another student"):
        compared(student, Other(student, **{"sondo.space_id": "elsewhere"}))
    with pytest.raises(SondoError, match="not finite"):
        compared(student, Other(student, added=np.nan))


def test_only_what_passes_is_written(student, tmp_path):
    path = tmp_path / "made" / "file.pte"
    with pytest.raises(SondoError, match="does not agree with torch"):
        write_verified(path, b"content", lambda file: compared(student, Other(student, added=1.0)))
    assert not list(path.parent.iterdir())
    write_verified(path, b"content", lambda file: compared(student, Other(student)))
    assert path.read_bytes() == b"content"
    assert json.loads((path.parent / "file.pte.json").read_text())["path"] == str(path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["file.pte", "file.pte.json"]


def test_of_two_at_once_each_publishes_the_bytes_that_it_compared(student, tmp_path):
    path, seen, report = tmp_path / "x.pte", [], compared(student, Other(student), lengths_s=(0.1,))

    def while_another_writes(file):
        write_verified(path, b"another", lambda _: report)
        seen.append(file.read_bytes())
        return report

    write_verified(path, b"content", while_another_writes)
    assert (seen, path.read_bytes()) == ([b"content"], b"content")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.pte", "x.pte.json"]
