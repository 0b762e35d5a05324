"""Sound into the bank's rows: decode once, keep the student's log-mel.

Files and the rows of shards are read in a fixed order and clips are committed in steps, so a job that was killed goes
on after its last step and ends with the same rows. What cannot be read is set aside with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sondo.audio.clips import ROUNDING_S, plan_clips
from sondo.audio.decode import AudioError, probe
from sondo.audio.sound_bytes import SoundBytes
from sondo.bank.bank import Bank
from sondo.bank.manifest import Source
from sondo.bank.moved import follow_moved
from sondo.bank.schema import CLIP_SCHEMA, TRAIN_SPLITS, VALID_SPLITS, BankInfo, clip_id
from sondo.bank.shards import split_name
from sondo.bank.sound import is_gone, log_mels, open_sound, stamp_of
from sondo.bank.sources import Sources, find_sources
from sondo.errors import SondoError
from sondo.in_threads import in_order, num_cores
from sondo.screen import say, track

CLIPS_PER_COMMIT = 256
CLIPS_PER_JOB = 32
SHOWN_REASONS = 3
SHOWN_SPLITS = 5

_DESCRIBING = ("split", "fold", "labels")
_SAME_DURATION_S = 0.09
"""Less than the shortest clip, and more than what another version of a decoder makes of a file's length."""


@dataclass(frozen=True, kw_only=True)
class IngestReport:
    """What an ingest did: rows in the bank now, rows added, files set aside with their reasons."""

    num_clips: int
    num_added: int
    rejected: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """Some clips of one file, or the reason why it has none. `share` is this job's part of the file, for progress."""

    source: Source
    sound: Path | SoundBytes | None = None
    clips: tuple[tuple[float, float], ...] = ()
    file_bytes: int = 0
    file_mtime_ns: int = 0
    reason: str | None = None
    share: float = 1.0


def ingest(
    bank: str | Path,
    *,
    audio: str | Path | None = None,
    manifest: str | Path | None = None,
    max_bad_share: float = 0.05,
    workers: int | None = None,
    info: BankInfo | None = None,
) -> IngestReport:
    """Put sound into a bank, making the bank where it is missing.

    Args:
        bank: The bank's path, usually `NAME.lance`.
        audio: Folder of sound (searched recursively), or of Parquet shards that hold sound (see `sondo.bank.shards`);
            one shard or a pattern of them will do. With a manifest, what its relative paths start from. Another path
            ending in .csv or .parquet is taken as the manifest.
        manifest: CSV or Parquet, see `sondo.bank.manifest`.
        max_bad_share: Share of files that may be unreadable before the job stops, in [0, 1].
        workers: Decoding threads; all cores by default.
        info: Clip length and front-end; the standard ones by default. An existing bank must agree.

    Raises:
        SondoError: Nothing to ingest, too many unreadable files, a bank of other settings, a file that changed
            since it was ingested, a clip that begins where one of another length does, or parts of files with compat.
    """
    if not 0 <= max_bad_share <= 1:
        raise SondoError(f"max_bad_share is {max_bad_share}: expected a share between 0 and 1")
    sources = find_sources(None if audio is None else Path(audio), None if manifest is None else Path(manifest))
    info = info or BankInfo()
    opened = Bank(bank) if Bank.exists(bank) else Bank.create(bank, info)
    if opened.info != info:
        raise SondoError(f"{bank} was made with {opened.info}, this ingest asks for {info}: use another bank")
    workers = workers or num_cores()
    with opened.lock():
        follow_moved(opened, sources.files, workers=workers)
        return _Ingest(opened, sources, max_bad_share, workers).run()


class _Ingest:
    """One ingest job."""

    def __init__(self, bank: Bank, sources: Sources, max_bad_share: float, workers: int) -> None:
        self.bank, self.sources, self.max_bad_share, self.workers = bank, sources, max_bad_share, workers
        self.rejected: dict[str, str] = {}
        self._rows: list[dict[str, Any]] = []
        self._bad: list[dict[str, Any]] = []
        self._mended: list[str] = []
        self._seen: set[str] = set()
        self._num_files = sources.num_files
        columns = ["clip_id", "uri", "offset_s", "duration_s", "file_bytes", "file_mtime_ns", *_DESCRIBING]
        known = bank.read(columns).to_pylist()
        self._described = {(row["uri"], row["offset_s"]): {name: row[name] for name in _DESCRIBING} for row in known}
        self._corrected: dict[tuple[str, float], dict[str, Any]] = {}
        self._durations_s = {clip_id(row["uri"], row["offset_s"]): row["duration_s"] for row in known}
        self._known = set(self._durations_s)
        self._old_ids = {row["clip_id"] for row in known} - self._known
        self._stamps = {row["uri"]: (row["file_bytes"], row["file_mtime_ns"]) for row in known}
        self._set_aside = {row["uri"]: row for row in bank.rejected()}
        self._last_row: dict[str, int] = {}
        for uri in self._stamps:
            shard, row = split_name(uri)
            if row is not None:
                self._last_row[shard] = max(row, self._last_row.get(shard, row))

    def run(self) -> IngestReport:
        before = len(self.bank)
        with (
            track("ingest", total=self.sources.total, unit="files") as line,
            in_order(self._decode, self._jobs(), at_once=self.workers) as outcomes,
        ):
            for outcome in outcomes:
                job, rows = outcome.result()
                self._collect(job, rows)
                line.advance(job.share)
                bad = f", {len(self.rejected)} set aside" if self.rejected else ""
                line.note(f"{len(self.bank) + len(self._rows)} clips{bad}")
        self._commit(everything=True)
        self._check_share()
        if self._corrected:
            self.bank.describe(self._corrected)
            say(f"{len(self._corrected)} clips have other splits, folds or labels now: those of this ingest count")
        if len(self.bank) == 0:
            raise SondoError(f"0 clips left: {self._reasons()}")
        if self.rejected:
            say(f"{len(self.rejected)} of {self._num_files} files set aside: {self._reasons()}")
        self._tell_other_splits()
        self._tell_gone()
        return IngestReport(num_clips=len(self.bank), num_added=len(self.bank) - before, rejected=self.rejected)

    def _jobs(self) -> Iterator[_Job]:
        for source in self.sources.each:
            uri = source.uri
            self._seen.add(uri)
            try:
                stamp = stamp_of(uri)
            except OSError as error:
                yield _Job(source=source, reason=f"no such file ({error.strerror})")
                continue
            job = _Job(source=source, file_bytes=stamp[0], file_mtime_ns=stamp[1])
            if uri in self._stamps and self._stamps[uri] != stamp:
                raise SondoError(
                    f"{uri} has changed since it was ingested into {self.bank.path}: its rows are stale. "
                    "Ingest into a new bank"
                )
            old = self._set_aside.get(uri) if _is_of_all(source) else None
            if old is not None and (old["file_bytes"], old["file_mtime_ns"]) == stamp:
                yield replace(job, reason=old["reason"])
            elif self._is_whole(uri):
                yield job
            else:
                yield from self._plan(job)

    def _is_whole(self, uri: str) -> bool:
        """Whether all clips of a shard's row are in the bank, told without reading its sound again.

        Rows are committed in order, so one is whole when it has clips there and a later one of its shard has some too.
        """
        shard, row = split_name(uri)
        return row is not None and uri in self._stamps and row < self._last_row[shard]

    def _plan(self, job: _Job) -> Iterator[_Job]:
        source, info = job.source, self.bank.info
        try:
            sound = open_sound(source.uri)
            length_s = probe(sound).duration_s
            start_s = source.offset_s or 0.0
            self._check_compat(source, length_s)
            end_s = length_s if source.duration_s is None else min(length_s, start_s + source.duration_s)
            if source.offset_s is not None and source.duration_s is None:
                end_s = min(length_s, start_s + info.window_s)
            if end_s - start_s < info.min_clip_s - ROUNDING_S:
                raise AudioError(
                    f"{max(0.0, end_s - start_s):.4g} s of sound from {start_s:g} s on; "
                    f"a clip has at least {info.min_clip_s:g} s"
                )
            planned = plan_clips(
                end_s - start_s,
                window_s=info.window_s,
                min_clip_s=info.min_clip_s,
                min_remainder_s=info.min_remainder_s,
            )
        except AudioError as error:
            yield replace(job, reason=str(error))
            return
        planned = planned[:1] if info.compat == "ssondo" else planned
        clips = [(start_s + offset_s, duration_s) for offset_s, duration_s in planned]
        self._check_durations(source.uri, clips)
        self._correct(source, [offset_s for offset_s, _ in clips])
        groups = [clips[i : i + CLIPS_PER_JOB] for i in range(0, len(clips), CLIPS_PER_JOB)]
        for group in groups:
            todo = tuple(clip for clip in group if clip_id(source.uri, clip[0]) not in self._known)
            yield replace(job, sound=sound, clips=todo, share=1 / len(groups))

    def _check_compat(self, source: Source, length_s: float) -> None:
        """Refuse parts of files where a teacher hears the middle of the whole file, as in the published training."""
        start_s, duration_s = source.offset_s or 0.0, source.duration_s
        ends_before = duration_s is not None and start_s + duration_s < length_s - _SAME_DURATION_S
        if self.bank.info.compat == "ssondo" and (start_s > 0 or ends_before):
            raise SondoError(
                f"{source.uri}: a part from {start_s:g} s on, but in a bank of compat ssondo teachers hear the "
                "middle of the whole file: leave out offset_s and duration_s, or compat"
            )

    def _check_durations(self, uri: str, clips: Sequence[tuple[float, float]]) -> None:
        """Refuse a clip that begins where one of another length does: clips are told apart by their beginnings."""
        for offset_s, duration_s in clips:
            first_s = self._durations_s.setdefault(clip_id(uri, offset_s), duration_s)
            if abs(first_s - duration_s) > _SAME_DURATION_S:
                raise SondoError(
                    f"{uri}: two clips begin at {offset_s:g} s, one of {first_s:g} s that {self.bank.path} has or gets "
                    f"and one of {duration_s:g} s: ingest into a new bank, or keep one of two such rows of a manifest"
                )

    def _correct(self, source: Source, offsets_s: Sequence[float]) -> None:
        """Note where a manifest describes clips that are there already otherwise; what it leaves out stays."""
        labels = None if source.labels is None else list(source.labels)
        told = {"split": source.split, "fold": source.fold, "labels": labels}
        told = {name: value for name, value in told.items() if value is not None}
        for offset_s in offsets_s:
            standing = self._described.get((source.uri, offset_s))
            if standing is not None and standing | told != standing:
                self._corrected[source.uri, offset_s] = standing | told

    def _decode(self, job: _Job) -> tuple[_Job, list[dict[str, Any]]]:
        rows: list[dict[str, Any]] = []
        try:
            mels: Iterable[NDArray[np.float32]] = ()
            if job.clips and job.sound is not None:
                mels = log_mels(job.sound, job.clips, self.bank.info)
            for (offset_s, duration_s), of_clip in zip(job.clips, mels, strict=True):
                rows.append(_row(job, offset_s, duration_s, of_clip))
        except AudioError as error:
            return replace(job, reason=str(error)), []
        return job, rows

    def _collect(self, job: _Job, rows: list[dict[str, Any]]) -> None:
        uri = job.source.uri
        if job.reason is not None and uri not in self.rejected:
            self.rejected[uri] = job.reason.removeprefix(f"{uri}: ")
            # What is wrong with a part says nothing of the file: without its stamp it is looked at again.
            is_of_all = _is_of_all(job.source)
            stamp = {
                "file_bytes": job.file_bytes if is_of_all else 0,
                "file_mtime_ns": job.file_mtime_ns if is_of_all else 0,
            }
            self._bad.append({"uri": uri, "reason": self.rejected[uri], **stamp})
            if len(self.rejected) > self.max_bad_share * self._num_files:
                self._commit(everything=True)
                self._check_share()
        if job.reason is None and uri in self._set_aside and uri not in self.rejected:
            self._mended.append(uri)
        for row in rows:
            if row["clip_id"] in self._old_ids:
                raise SondoError(
                    f"{uri} is not the sound that was ingested from there and has moved since: {self.bank.path} cannot "
                    "tell them apart. Ingest into a new bank"
                )
            if row["clip_id"] not in self._known:
                self._known.add(row["clip_id"])
                self._rows.append(row)
        self._commit(everything=False)

    def _commit(self, *, everything: bool) -> None:
        """Make rows durable, in steps of a fixed size, so that an interrupted job leaves the same fragments."""
        if everything or len(self._rows) >= CLIPS_PER_COMMIT:
            self.bank.forget_rejected(self._mended)
            self.bank.reject(self._bad)
            self._bad, self._mended = [], []
        while len(self._rows) >= CLIPS_PER_COMMIT or (everything and self._rows):
            step, self._rows = self._rows[:CLIPS_PER_COMMIT], self._rows[CLIPS_PER_COMMIT:]
            self.bank.append(pa.Table.from_pylist(step, schema=CLIP_SCHEMA))

    def _check_share(self) -> None:
        if len(self.rejected) > self.max_bad_share * self._num_files:
            raise SondoError(
                f"at least {len(self.rejected)} of {self._num_files} files cannot be read, more than the share of "
                f"{self.max_bad_share:g} that may be set aside (max_bad_share of ingest and distill): "
                f"{self._reasons()}. Mend them, or take them out; what was read is kept in the bank"
            )

    def _tell_other_splits(self) -> None:
        """Say which splits training will pass over: `test` is meant so, a misspelt `tran` is not."""
        counts = Counter(self.bank.read(["split"]).column(0).to_pylist()).most_common()
        other = [
            f"{split} ({count} clips)"
            for split, count in counts
            if split and split.lower() not in (*TRAIN_SPLITS, *VALID_SPLITS)
        ]
        if other:
            more = f" and {len(other) - SHOWN_SPLITS} more" if len(other) > SHOWN_SPLITS else ""
            say(
                f"splits that training passes over: {', '.join(other[:SHOWN_SPLITS])}{more}; it takes clips without a "
                f"split or of {', '.join(TRAIN_SPLITS)}, and watches {', '.join(VALID_SPLITS)}"
            )

    def _tell_gone(self) -> None:
        """Say which files of earlier ingests are no more, and were not found elsewhere."""
        gone = sorted(uri for uri in self._stamps.keys() - self._seen if is_gone(uri))
        if gone:
            say(
                f"{len(gone)} files that the bank has clips of are gone, such as {gone[0]}, and training takes their "
                "clips all the same. Where they were moved, give their new folder as --audio: files of the same name, "
                "size and sound are known again. To do without them, ingest into a new bank"
            )

    def _reasons(self) -> str:
        shown = [f"{uri}: {reason}" for uri, reason in list(self.rejected.items())[:SHOWN_REASONS]]
        more = len(self.rejected) - len(shown)
        return "; ".join(shown) + (f"; and {more} more (table {self.bank.side / 'rejected.lance'})" if more else "")


def _is_of_all(source: Source) -> bool:
    """Whether a source is a whole file or row of a shard, and no part of one."""
    return source.offset_s is None and source.duration_s is None


def _row(job: _Job, offset_s: float, duration_s: float, mels: NDArray[np.float32]) -> dict[str, Any]:
    source = job.source
    return {
        "clip_id": clip_id(source.uri, offset_s),
        "uri": source.uri,
        "offset_s": offset_s,
        "duration_s": duration_s,
        "split": source.split,
        "fold": source.fold,
        "labels": None if source.labels is None else list(source.labels),
        "file_bytes": job.file_bytes,
        "file_mtime_ns": job.file_mtime_ns,
        "frames": mels.shape[1],
        "logmel": mels.astype(np.float16).ravel(),
    }
