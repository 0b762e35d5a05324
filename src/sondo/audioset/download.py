"""The sound of AudioSet's segments from YouTube: 32 kHz mono FLAC, several at a time, going on where it stopped."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from sondo.audio.decode import AudioError, read_clips
from sondo.audio.folders import list_audio_files
from sondo.audioset.fetcher import Fetcher, FetchError, GoneError, YtDlp, explain
from sondo.audioset.gone import GoneTable
from sondo.audioset.labels import check_known, read_labels
from sondo.audioset.lists import fetch_labels, fetch_segments
from sondo.audioset.manifest import ManifestReport, write_manifest
from sondo.audioset.segments import SUBSETS, Segment, read_segments
from sondo.errors import SondoError, check_places
from sondo.screen import Line, say, track

SAMPLE_RATE = 32000
FAILURES_IN_A_ROW = 20
"""So many downloads that fail one after the other, none of them because its video is gone, stop the job."""


@dataclass(frozen=True, kw_only=True)
class DownloadReport:
    """What a download did.

    Args:
        num_asked: Segments that were drawn.
        num_there: How many of them are there now.
        num_new: How many of those are new.
        gone: Number of segments that cannot be had, by reason.
        failed: Those that failed this time and are asked for again by the next run, with what was said.
        manifest: What the manifest of everything that is there holds; None where nothing is.
    """

    num_asked: int
    num_there: int
    num_new: int
    gone: dict[str, int]
    failed: dict[str, str]
    manifest: ManifestReport | None


def download(
    subset: str,
    out: str | Path,
    *,
    n: int | None = None,
    seed: int = 0,
    workers: int = 4,
    retry: bool = False,
    fetcher: Fetcher | None = None,
) -> DownloadReport:
    """Download segments of AudioSet; what is there, or known to be gone, is not asked for again.

    Leaves in the folder `YTID_START.flac` for each segment, `gone.csv` (what cannot be had, with the reason), and
    `SUBSET.csv`, the manifest of all segments of the subset that are there, also when it is interrupted.

    Args:
        subset: `balanced_train`, `eval` or `unbalanced_train`.
        out: The folder.
        n: Number of segments, drawn at random, each alike; all when left out. With the same seed, those of a smaller
            `n` are among those of a larger.
        seed: Seed of the draw.
        workers: Downloads at a time.
        retry: Ask again for what is in `gone.csv`.
        fetcher: Who gets the sound; yt-dlp by default.

    Raises:
        SondoError: The lists cannot be had, one download after the other fails, or some fail and none is there.
    """
    if subset not in SUBSETS:
        raise SondoError(f"AudioSet has no subset {subset!r}: expected {', '.join(SUBSETS)}")
    check_places(Path(out) / "gone.csv")
    fetcher = fetcher or YtDlp()
    lists = (fetch_segments(subset), fetch_labels())
    segments, labels = read_segments(lists[0]), read_labels(lists[1])
    check_known(segments, labels, lists=lists)
    drawn = draw(segments, n, seed)
    of_all = f" of {len(segments):,}, drawn at random with seed {seed}" if len(drawn) < len(segments) else ""
    say(f"{subset}: {len(drawn):,} segments{of_all}; their sound belongs to those who uploaded it to YouTube")
    job = _Download(Path(out), drawn, fetcher, retry=retry)
    try:
        job.run(workers)
    finally:
        files = {path.stem: path for path in list_audio_files(job.out)}
        manifest = None
        if any(segment.stem in files for segment in segments):
            manifest = write_manifest(segments, labels, job.out / f"{subset}.csv", subset=subset, files=files)
    num_there = sum(job.is_there(segment) for segment in drawn)
    if job.failed and not num_there:  # fewer than stop the job, as without a network
        raise explain(FetchError(list(job.failed.values())[-1]))
    return DownloadReport(
        num_asked=len(drawn),
        num_there=num_there,
        num_new=job.num_new,
        gone=dict(Counter(job.gone.reason(segment) for segment in drawn if segment in job.gone).most_common()),
        failed=job.failed,
        manifest=manifest,
    )


def draw(segments: Sequence[Segment], n: int | None, seed: int) -> list[Segment]:
    """Draw segments at random, each with the same chance, in an order that a larger `n` only makes longer.

    Args:
        segments: All there are.
        n: How many; all of them for None.
        seed: Seed of the order.

    Raises:
        SondoError: There are not so many, or a seed below 0.
    """
    if seed < 0:
        raise SondoError(f"the seed of the draw is {seed}: expected at least 0")
    if n is not None and not 1 <= n <= len(segments):
        raise SondoError(f"{n:,} segments cannot be drawn: there are {len(segments):,}")
    order = np.random.default_rng(seed).permutation(len(segments))
    return [segments[index] for index in order[:n]]


class _Download:
    """One download job."""

    def __init__(self, out: Path, drawn: list[Segment], fetcher: Fetcher, *, retry: bool) -> None:
        self.out, self.drawn, self.fetcher = out, drawn, fetcher
        out.mkdir(parents=True, exist_ok=True)
        self.scratch = out / ".fetching"
        self.gone = GoneTable(out / "gone.csv")
        self.failed: dict[str, str] = {}
        self.num_new = 0
        self._in_a_row = 0
        self._todo = [
            segment for segment in drawn if not self.is_there(segment) and (retry or segment not in self.gone)
        ]

    def is_there(self, segment: Segment) -> bool:
        return self._file(segment).is_file()

    def _file(self, segment: Segment) -> Path:
        return self.out / f"{segment.stem}.flac"

    def run(self, workers: int) -> None:
        done = len(self.drawn) - len(self._todo)
        pool = ThreadPoolExecutor(workers)
        try:
            with track("download", total=len(self.drawn), done=done) as line:
                for segment, future in self._in_turn(pool, 2 * workers):
                    self._collect(segment, future, line)
        except BaseException:
            self.fetcher.stop()  # so that what is underway is not waited for
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        with suppress(OSError):  # what failed may have left something there that the next run goes on with
            self.scratch.rmdir()

    def _in_turn(self, pool: ThreadPoolExecutor, most: int) -> Iterator[tuple[Segment, Future[None]]]:
        """Segments as they are finished; few are waiting at a time, so that stopping is quick."""
        waiting: dict[Future[None], Segment] = {}
        todo = iter(self._todo)
        while True:
            while len(waiting) < most and (segment := next(todo, None)) is not None:
                waiting[pool.submit(self._get, segment)] = segment
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future

    def _get(self, segment: Segment) -> None:
        """Fetch a video, keep its segment. Runs in a thread."""
        folder = self.scratch / segment.stem
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._keep(segment, self.fetcher.fetch(segment.ytid, folder))
        except FetchError:  # the next try may go on with what is there
            raise
        except BaseException:
            shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)

    def _keep(self, segment: Segment, video: Path) -> None:
        try:
            cut = (segment.start_s, segment.end_s - segment.start_s)
            sound = next(read_clips(video, [cut], sample_rate=SAMPLE_RATE))
        except AudioError as error:
            raise GoneError("unusable", str(error).removeprefix(f"{video}: ")) from error
        finished = video.with_name("segment.flac")
        try:
            soundfile.write(finished, sound, SAMPLE_RATE, subtype="PCM_16")
            os.replace(finished, self._file(segment))
        except (OSError, soundfile.SoundFileError) as error:
            raise SondoError(f"{self._file(segment)} cannot be written: {error}") from error

    def _collect(self, segment: Segment, future: Future[None], line: Line) -> None:
        try:
            future.result()
        except GoneError as error:
            self.gone.add(segment, error.reason, str(error))
            self._in_a_row = 0
        except FetchError as error:
            self.failed[segment.stem] = str(error)
            self._in_a_row += 1
            if self._in_a_row >= FAILURES_IN_A_ROW:
                raise explain(error) from error
        else:
            self.gone.forget(segment)
            self.num_new += 1
            self._in_a_row = 0
        line.advance()
        line.note(f"{self.num_new:,} new, {len(self.failed):,} failed")
