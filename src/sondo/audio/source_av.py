"""Sound that libsndfile cannot open, through PyAV: m4a and AAC, Opus in WebM, the audio track of video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.errors import AudioError
from sondo.audio.sound_bytes import SoundBytes
from sondo.audio.source import BLOCK_SAMPLES, Blocks
from sondo.errors import require

AV_EXTENSIONS = frozenset(
    {
        ".3gp",
        ".aac",
        ".ac3",
        ".amr",
        ".avi",
        ".flv",
        ".m4a",
        ".m4b",
        ".m4v",
        ".mka",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".webm",
        ".wma",
        ".wmv",
    }
)
"""Extensions that are read through PyAV."""

_PREROLL_S = 1.0
_EVEN_CODECS = frozenset({"aac", "ac3", "eac3", "mp3", "mp3float", "opus", "libopus"})
"""Codecs whose frames all have one length, so that a time stamp in milliseconds still tells the sample."""


class AvSource:
    """A file that FFmpeg's libraries decode; its first audio track.

    Rate and channels are those of the first decoded frame: with HE-AAC the header names half the rate. The length is
    taken from the container only where that is the length of this track (MP4, and Matroska with nothing else inside).

    Raises:
        MissingExtraError: PyAV is not installed.
        AudioError: The file cannot be opened, or has no audio track.
    """

    def __init__(self, path: Path | SoundBytes) -> None:
        self._av: Any = require("av", extra="av", why=f"Reading {path} ({path.suffix.lower()} files) needs PyAV")
        self.path = path
        self.is_estimated = True
        try:
            with self._open() as container:
                stream = self._track(container)
                frame = next(container.decode(stream), None)
                if frame is None:
                    raise AudioError(f"{path}: its audio track holds no sound")
                self.sample_rate: int = frame.sample_rate
                self.channels: int = frame.layout.nb_channels
                self._first_samples: int = frame.samples
                self._first_pts: int | None = frame.pts
                duration_s = _duration_s(container, stream)
        except self._av.FFmpegError as error:
            raise AudioError(f"{path}: not a sound file that can be read ({error.strerror})") from error
        self.num_samples: int | None = round(duration_s * self.sample_rate) if duration_s else None

    def blocks(self, start: int) -> Blocks:
        """Decode from sample `start` to the end, as mono blocks."""
        position = start
        try:
            landing = self._landing(start) if start else 0
            with self._open() as container:
                stream = self._track(container)
                if landing:
                    self._seek(container, stream, start)
                for block in self._decode(container, stream, skip=start - landing):
                    yield block
                    position += len(block)
        except (self._av.FFmpegError, ValueError) as error:
            raise AudioError(
                f"{self.path}: damaged or truncated, cannot be decoded after {position / self.sample_rate:.2f} s "
                f"({error})"
            ) from error

    def _open(self) -> Any:
        file = self.path.open() if isinstance(self.path, SoundBytes) else str(self.path)
        # Before version 19 PyAV stops at a tag that is not UTF-8 unless it is told not to; since then it never does.
        is_strict = int(self._av.__version__.partition(".")[0]) < 19
        return self._av.open(file, **({"metadata_errors": "ignore"} if is_strict else {}))

    def _track(self, container: Any) -> Any:
        if not container.streams.audio:
            raise AudioError(f"{self.path}: has no audio track")
        return container.streams.audio[0]

    def _decode(self, container: Any, stream: Any, *, skip: int) -> Iterator[NDArray[np.float32]]:
        """Mono blocks of at least BLOCK_SAMPLES (the last one: the rest), without the first `skip` samples."""
        pieces: list[NDArray[np.float32]] = []
        held = 0
        for piece in self._mono(container.decode(stream)):
            kept = piece[min(skip, len(piece)) :]
            skip -= len(piece) - len(kept)
            pieces.append(kept)
            held += len(kept)
            if held >= BLOCK_SAMPLES:
                yield np.concatenate(pieces)
                pieces, held = [], 0
        if held:
            yield np.concatenate(pieces)

    def _mono(self, frames: Iterator[Any]) -> Iterator[NDArray[np.float32]]:
        planar = self._av.AudioResampler(format="fltp")
        for frame in frames:
            if frame.sample_rate != self.sample_rate:
                raise AudioError(
                    f"{self.path}: its sample rate changes from {self.sample_rate} to {frame.sample_rate} Hz on the way"
                )
            for part in [frame] if frame.format.name == "fltp" else planar.resample(frame):
                yield part.to_ndarray().mean(axis=0, dtype=np.float32)

    def _seek(self, container: Any, stream: Any, start: int) -> None:
        ticks = (start / self.sample_rate - _PREROLL_S) / float(stream.time_base) + (self._first_pts or 0)
        container.seek(max(0, int(ticks)), stream=stream)

    def _landing(self, start: int) -> int:
        """The sample at which decoding goes on after a seek to before `start`; 0 where only decoding all can tell.

        Told by the second frame: of the first, some codecs drop samples again, as at the start of the file.
        """
        with self._open() as container:
            stream = self._track(container)
            if self._first_pts is None or not _has_true_times(container):
                return 0
            self._seek(container, stream, start)
            frames = container.decode(stream)
            first, frame = next(frames, None), next(frames, None)
            if first is None or frame is None or frame.pts is None:
                return 0
            tick_samples = float(frame.time_base) * self.sample_rate
            position = (frame.pts - self._first_pts) * tick_samples
            if tick_samples > 1:
                if stream.codec_context.name not in _EVEN_CODECS:
                    return 0
                index = round((position - self._first_samples) / frame.samples)
                on_grid = self._first_samples + index * frame.samples
                if abs(on_grid - position) > 2 * tick_samples:
                    return 0
                position = on_grid
            landing = round(position) - int(first.samples)
            return landing if 0 < landing <= start else 0


def _has_true_times(container: Any) -> bool:
    """Whether time stamps are stored (MP4, Matroska) and not guessed from the bit rate (raw AAC and others)."""
    return any(name in container.format.name for name in ("mp4", "matroska"))


def _duration_s(container: Any, stream: Any) -> float | None:
    if "mp4" in container.format.name and stream.duration:
        return float(stream.duration * stream.time_base)
    if "matroska" in container.format.name and len(container.streams) == 1 and container.duration:
        return float(container.duration / 1e6)
    return None
