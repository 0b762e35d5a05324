"""Clips into an index, in steps: what is there stays, what changed is replaced, what cannot be read is set aside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sondo.bank.sound import is_gone
from sondo.errors import SondoError
from sondo.screen import say
from sondo.search.index import Index, unit_rows

_SHOWN_REASONS = 3
_SAME_LENGTH_S = 1e-3

Stamp = tuple[int, int]
"""Size in bytes and time of the last change, in ns, of a file."""


class _Standing(NamedTuple):
    """A clip that the index has."""

    offset_s: float
    duration_s: float
    labels: list[str] | None


class Filling:
    """One job that fills an index; the caller holds the index's lock.

    Args:
        index: The index.
        num_files: Files that the job is about.
        max_bad_share: Share of them that may be unreadable before the job stops, in [0, 1].
        clips_per_commit: Clips that a kill loses at most.

    Attributes:
        num_added: Clips that were added.
        num_dropped: Clips that were dropped because their files are gone.
        relabelled: Other labels of clips that are there already, by `uri` and `offset_s`.
        rejected: The reason of each file that was set aside.
    """

    def __init__(
        self, index: Index, *, num_files: int, max_bad_share: float = 0.0, clips_per_commit: int = 256
    ) -> None:
        self.index, self.num_added, self.num_dropped = index, 0, 0
        self._clips_per_commit = clips_per_commit
        self.rejected: dict[str, str] = {}
        self._num_files, self._max_bad_share = num_files, max_bad_share
        there = index.rows()
        self._stamps = {row["uri"]: (row["file_bytes"], row["file_mtime_ns"]) for row in there}
        self._there = {
            _key(row["uri"], row["offset_s"]): _Standing(row["offset_s"], row["duration_s"], row["labels"])
            for row in there
        }
        self._of_another_length: dict[tuple[str, int], tuple[str, float]] = {}
        self.relabelled: dict[tuple[str, float], list[str]] = {}
        self._looked_at: set[tuple[str, int]] = set()
        self._known_bad = index.rejected()
        self._set_aside, self._written_bad = dict(self._known_bad), self._known_bad
        self._renewed: set[str] = set()
        self._rows: list[dict[str, Any]] = []
        self._vectors: list[NDArray[np.floating]] = []

    def drop_gone(self, folder: Path) -> None:
        """Drop the clips of files that lay in a folder and are gone, and say how many; those of other folders stay.

        Files of other folders that are gone, and were not found elsewhere, are told.
        """
        folder = folder.resolve()
        everywhere = {uri for uri in {*self._stamps, *self._set_aside} if is_gone(uri)}
        gone = {uri for uri in everywhere if Path(uri).is_relative_to(folder)}
        for uri in gone:
            self._set_aside.pop(uri, None)
        elsewhere = sorted((everywhere - gone) & self._stamps.keys())
        gone &= self._stamps.keys()
        if gone:
            before = len(self.index)
            self.index.forget(sorted(gone))
            self.num_dropped = before - len(self.index)
            say(f"{len(gone)} files are gone from {folder}: their {self.num_dropped:,} clips are dropped")
        if elsewhere:
            say(
                f"{len(elsewhere)} files of the index are gone, such as {elsewhere[0]}: a search still finds them. To "
                "do without them, make a new index"
            )

    def missing(
        self, uri: str, stamp: Stamp, clips: Sequence[tuple[float, float]], labels: Sequence[str] | None
    ) -> list[tuple[float, float]]:
        """Those (offset_s, duration_s) of a file that the index lacks or has of another length; all of a changed file.

        A clip is looked at once in a job, though several links, or rows of a manifest, lead to it. Of those that are
        there, other labels are noted; None leaves the ones that they have.
        """
        changed = self._stamps.get(uri, stamp) != stamp
        found = {key: clip for clip in clips if (key := _key(uri, clip[0])) not in self._looked_at}
        self._looked_at.update(found)
        standing = {} if changed else {key: self._there[key] for key in found if key in self._there}
        other = {key for key, clip in standing.items() if abs(clip.duration_s - found[key][1]) > _SAME_LENGTH_S}
        self._of_another_length |= {key: (uri, standing[key].offset_s) for key in other}
        for key in standing.keys() - other:
            if labels is not None and standing[key].labels != [*labels]:
                self.relabelled[uri, standing[key].offset_s] = [*labels]
        return [clip for key, clip in found.items() if key not in standing or key in other]

    def reason(self, uri: str, stamp: Stamp) -> str | None:
        """Why a file was set aside by an earlier job, if it is still the same file."""
        old = self._known_bad.get(uri)
        return old["reason"] if old and (old["file_bytes"], old["file_mtime_ns"]) == stamp else None

    def add(self, row: dict[str, Any], vector: NDArray[np.floating]) -> None:
        """Take a clip; clips of a file that has changed since are replaced.

        Args:
            row: The columns of the index but `vector`.
            vector: (embedding_dim,), of any length.

        Raises:
            SondoError: A vector that is zero or not finite.
        """
        (unit,) = unit_rows(np.asarray(vector)[None], [f"{row['uri']} at {row['offset_s']:g} s"])
        self._renew(row["uri"], (row["file_bytes"], row["file_mtime_ns"]))
        self._rows.append(row)
        self._vectors.append(unit)
        if len(self._rows) >= self._clips_per_commit:
            self.commit()

    def reject(self, uri: str, stamp: Stamp, reason: str, *, is_part: bool = False) -> None:
        """Set a file aside; clips of it that could be read stay.

        Args:
            uri: The file.
            stamp: As it is.
            reason: What is wrong.
            is_part: Whether a part of it was asked for: what is wrong there says nothing of others in a later job.

        Raises:
            SondoError: Too many files were set aside.
        """
        self._renew(uri, stamp)
        self.rejected[uri] = reason.removeprefix(f"{uri}: ")
        size, time_ns = (0, 0) if is_part else stamp
        self._set_aside[uri] = {"reason": self.rejected[uri], "file_bytes": size, "file_mtime_ns": time_ns}
        if len(self.rejected) > self._max_bad_share * self._num_files:
            self.commit()
            raise SondoError(
                f"at least {len(self.rejected)} of {self._num_files} files cannot be read, more than the share of "
                f"{self._max_bad_share:g} that --max_bad_share allows: {self.reasons()}. What was read is kept"
            )

    def commit(self) -> None:
        """Make what was taken durable."""
        if self._rows:
            keys = [_key(row["uri"], row["offset_s"]) for row in self._rows]
            self.index.forget_clips(
                [self._of_another_length.pop(key) for key in keys if key in self._of_another_length]
            )
            self.index.append(self._rows, np.stack(self._vectors))
            self.num_added += len(self._rows)
            self._rows, self._vectors = [], []
        if self._set_aside != self._written_bad:
            self.index.reject(self._set_aside)
            self._written_bad = dict(self._set_aside)

    def reasons(self) -> str:
        """Some files that were set aside, with their reasons, in one line."""
        shown = [f"{uri}: {reason}" for uri, reason in list(self.rejected.items())[:_SHOWN_REASONS]]
        more = len(self.rejected) - len(shown)
        return "; ".join(shown) + (f"; and {more} more ({self.index.rejected_path})" if more else "")

    def _renew(self, uri: str, stamp: Stamp) -> None:
        """Once for each file: drop what the index has of an older state of it."""
        if uri in self._renewed:
            return
        self._renewed.add(uri)
        if uri not in self.rejected:
            self._set_aside.pop(uri, None)
        if self._stamps.get(uri, stamp) != stamp:
            self.index.forget([uri])


def _key(uri: str, offset_s: float) -> tuple[str, int]:
    return uri, round(offset_s * 1e6)
