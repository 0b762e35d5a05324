"""What a comparison of an exported file with torch found."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from sondo.claim import write_json
from sondo.runtime.metadata import Precision


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
        undetermined: Clips for which rounding alone gives other vectors in torch, so that they are not judged.
        judged_cosine: The smallest of the clips that are judged; 1 where none is.
        length_difference: Likewise the largest difference of a vector's length, over the length in torch.
    """

    name: str
    seconds: float
    batch: int
    smallest_cosine: float
    mean_cosine: float
    largest_difference: float
    undetermined: int = 0
    judged_cosine: float = 1.0
    length_difference: float = 0.0


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What `verify` found.

    Args:
        path: The exported file.
        space_id: Space of the student.
        precision: How the file keeps its numbers.
        threshold: The cosine that must be reached.
        judged: What must reach it: `every clip` that is determined, or on average `real clips` (`all clips` where
            there are none), of the output that agrees least, which is named where it is not the embedding.
        judged_cosine: The cosine that is judged.
        passed: Whether it reaches the threshold, vectors are as long as torch's (2 %, where every clip is judged), and
            each clip gives the same vector alone, in a batch and padded in one (1e-5).
        smallest_cosine: Over all cases.
        mean_cosine: Over all clips of all cases.
        largest_difference: Over all cases, absolute.
        alone_difference: Largest difference between a clip alone and the same clip in a batch, absolute.
        padded_difference: Likewise between a clip alone and padded in a batch that is told its length; none where the
            file cannot be told.
        versions: Of the two sides.
        cases: The comparisons.
    """

    path: str
    space_id: str
    precision: Precision
    threshold: float
    judged: str
    judged_cosine: float
    passed: bool
    smallest_cosine: float
    mean_cosine: float
    largest_difference: float
    alone_difference: float
    padded_difference: float | None = None
    versions: dict[str, str]
    cases: tuple[VerifyCase, ...]

    @property
    def undetermined(self) -> str:
        """Which sounds are not judged and why, as a sentence; empty where all are."""
        names = dict.fromkeys(case.name for case in self.cases if case.undetermined)
        if not names:
            return ""
        return (
            f"not judged, since this network amplifies rounding there, and torch itself gives another vector in "
            f"float64 or where weights change in their last bits: {'; '.join(names)}"
        )

    @property
    def length_difference(self) -> float:
        """The largest of all cases."""
        return max(case.length_difference for case in self.cases)

    @property
    def json_path(self) -> Path:
        """Where the report lies: beside the file, with `.json` behind its name."""
        return Path(f"{self.path}.json")

    def save(self) -> Path:
        """Write the report to `json_path`, in one step."""
        write_json(self.json_path, dataclasses.asdict(self))
        return self.json_path
