"""The official lists of segments, `balanced_train_segments.csv` and its two siblings."""

from __future__ import annotations

import csv
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from sondo.errors import SondoError
from sondo.screen import say

SUBSETS = ("balanced_train", "eval", "unbalanced_train")
"""AudioSet's own names of its three parts."""

_YTID = re.compile(r"[A-Za-z0-9_-]{11}")
_PROMISED = re.compile(r"num_segs=(\d+).*num_positive_labels=(\d+)")


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a video, usually 10 s, and everything that is heard in it.

    Args:
        ytid: The video's name on YouTube, 11 characters.
        start_s: Where it begins, in seconds.
        end_s: Where it ends, in seconds.
        mids: The ids of all its labels, in the order of the list.
    """

    ytid: str
    start_s: float
    end_s: float
    mids: tuple[str, ...]

    @property
    def stem(self) -> str:
        """Name of its file, without the extension."""
        return f"{self.ytid}_{self.start_s:.3f}"


def subset_of(segments: Path) -> str:
    """The subset that a list is of, by the beginning of its name.

    Raises:
        SondoError: The name begins with none of the official names.
    """
    for subset in SUBSETS:
        if segments.name.startswith(subset):
            return subset
    raise SondoError(
        f"{segments}: which part of AudioSet is this? Its name should begin with {', '.join(SUBSETS[:-1])} or "
        f"{SUBSETS[-1]}, as the official lists' names do: the split of every clip is taken from it"
    )


def read_segments(path: Path) -> list[Segment]:
    """Read a list of segments.

    Where the list says at its top how many segments and labels it has, and has others, that is said on the screen.

    Args:
        path: CSV of YTID, start_seconds, end_seconds, positive_labels (one field, separated by commas), with comments
            at its top.

    Raises:
        SondoError: There is no such file, or a line of it is no segment.
    """
    if not path.is_file():
        raise SondoError(f"no such list of segments: {path}")
    segments: list[Segment] = []
    promised: tuple[int, int] | None = None
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, skipinitialspace=True)
        for fields in lines:
            if not fields or (not segments and fields[0] == "YTID"):
                continue
            if fields[0].startswith("#") and not segments and not fields[0].startswith("#NAME"):
                found = _PROMISED.search(",".join(fields))
                promised = (int(found[1]), int(found[2])) if found else promised
                continue
            segments.append(_segment(fields, f"{path}, line {lines.line_num}"))
    if not segments:
        raise SondoError(f"{path} lists no segment")
    there = (len(segments), sum(len(segment.mids) for segment in segments))
    if promised is not None and promised != there:
        say(
            f"{path} promises {promised[0]:,} segments with {promised[1]:,} labels; "
            f"{there[0]:,} with {there[1]:,} are there"
        )
    return segments


def _segment(fields: list[str], where: str) -> Segment:
    if fields[0].startswith("#NAME"):
        raise SondoError(
            f"{where}: a spreadsheet has put {fields[0]} in place of a video's name. Get the original list again"
        )
    if len(fields) != 4:
        raise SondoError(
            f"{where}: {len(fields)} fields, expected YTID, start_seconds, end_seconds and positive_labels (the labels "
            "in one field, in quotes)"
        )
    ytid, mids = fields[0], tuple(sys.intern(mid.strip()) for mid in fields[3].split(",") if mid.strip())
    if not _YTID.fullmatch(ytid):
        raise SondoError(f"{where}: {ytid!r} is no name of a video, which has 11 letters, digits, - or _")
    try:
        start_s, end_s = float(fields[1]), float(fields[2])
    except ValueError as error:
        raise SondoError(f"{where}: {fields[1]!r} to {fields[2]!r} are no seconds") from error
    if not (0 <= start_s < end_s and math.isfinite(end_s)):
        raise SondoError(f"{where}: no part of a video goes from {start_s:g} s to {end_s:g} s")
    if not mids:
        raise SondoError(f"{where}: has no label")
    return Segment(ytid, start_s, end_s, mids)
