"""Files into mono float32 at any rate: whole, as clips, or window by window, without holding a long file.

A file is a path, or the bytes of one that is in memory (`SoundBytes`).

libsndfile reads what it can; PyAV (extra `av`) reads m4a, AAC, WebM and the sound of video. What a clip holds does not
depend on how many others are read with it: its samples at the file's own rate, channels averaged, resampled in one go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.audio.arrays import resample, to_mono_at
from sondo.audio.clips import HIGHEST_HZ, LOWEST_HZ, MIN_CLIP_S, WINDOW_S
from sondo.audio.errors import AudioError
from sondo.audio.folders import check_name, list_audio_files
from sondo.audio.sound_bytes import SoundBytes
from sondo.audio.source import Cursor, SoundfileSource, Source, count_samples
from sondo.audio.source_av import AV_EXTENSIONS, AvSource

__all__ = [
    "AudioError",
    "AudioInfo",
    "list_audio_files",
    "load_audio",
    "probe",
    "read_clips",
    "read_windows",
    "to_mono_at",
]

_TOLERANCE_S, _ESTIMATE_TOLERANCE_S = 0.1, 0.5


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """What a file holds.

    Args:
        sample_rate: In Hz.
        channels: Number of channels.
        num_samples: Samples per channel.
        is_estimated: Whether `num_samples` is the container's word, which encoder padding makes some milliseconds
            wrong (m4a, WebM), and not a count.
    """

    sample_rate: int
    channels: int
    num_samples: int
    is_estimated: bool = False

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate


def probe(path: str | Path | SoundBytes) -> AudioInfo:
    """Say what a file holds. Decodes it only where its container does not tell the length.

    Raises:
        AudioError: The file is not there, empty, no sound, of a sample rate that no sound has, or a truncated WAV file.
        MissingExtraError: It needs PyAV, which is not installed.
    """
    source = _source(path)
    num_samples, is_estimated = source.num_samples, source.is_estimated
    if num_samples is None:
        num_samples, is_estimated = count_samples(source), False
    if num_samples <= 0:
        raise AudioError(f"{path}: holds no sound")
    return AudioInfo(
        sample_rate=source.sample_rate, channels=source.channels, num_samples=num_samples, is_estimated=is_estimated
    )


def read_clips(
    path: str | Path | SoundBytes, clips: Sequence[tuple[float, float | None]], *, sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Read clips of one file, in the order given. Clips that start in order cost one pass over the file.

    Args:
        path: The file.
        clips: (offset_s, duration_s) of each clip; None reads to the end.
        sample_rate: Wanted rate in Hz.

    Yields:
        A clip, (samples,) float32. One that reaches past the end of the file is as long as the sound that is there.

    Raises:
        AudioError: As `probe`; or the file is damaged, ends before the length that it promises, holds a sample that is
            not finite, or has less than 0.1 s of sound for a clip.
    """
    source = _source(path)
    native = source.sample_rate
    with Cursor(source) as cursor:
        for offset_s, duration_s in clips:
            start = round(offset_s * native)
            stop = None if duration_s is None else round((offset_s + duration_s) * native)
            if start < 0 or (stop is not None and stop < start):
                raise AudioError(f"{path}: a clip of {duration_s} s at {offset_s} s is no part of a sound")
            sound = cursor.read(start, stop)
            if stop is None or len(sound) < stop - start:
                _check_end(source, cursor.end, stop)
            _check_length(source, len(sound), offset_s)
            yield resample(sound, native, sample_rate)


def read_windows(path: str | Path, *, sample_rate: int, window_s: float = WINDOW_S) -> Iterator[NDArray[np.float32]]:
    """Read a whole file, window by window, holding one at a time. Needs to know nothing of its length beforehand.

    Args:
        path: The file.
        sample_rate: Wanted rate in Hz.
        window_s: Length of a window in seconds.

    Yields:
        A window, (samples,) float32, cut at the file's own rate and resampled by itself; the last may be shorter, by
        any amount.

    Raises:
        AudioError: As `read_clips`; a whole file is at least 0.1 s long.
    """
    source = _source(path)
    size = round(window_s * source.sample_rate)
    with Cursor(source) as cursor:
        start = 0
        while True:
            sound = cursor.read(start, start + size)
            if len(sound) < size:
                _check_end(source, cursor.end, None)
            if start == 0:
                _check_length(source, len(sound), 0.0)
            if len(sound):
                yield resample(sound, source.sample_rate, sample_rate)
            if len(sound) < size:
                return
            start += size


def load_audio(path: str | Path, *, sample_rate: int | None = None) -> NDArray[np.float32]:
    """Read a whole file into memory.

    Args:
        path: The file.
        sample_rate: Wanted rate in Hz; the file's own when left out.

    Shape:
        -> (samples,) float32, mono.

    Raises:
        AudioError: As `read_clips`.
    """
    rate = _source(path).sample_rate if sample_rate is None else sample_rate
    return next(read_clips(path, [(0.0, None)], sample_rate=rate))


def _source(path: str | Path | SoundBytes) -> Source:
    source = _opened(path)
    if not LOWEST_HZ <= source.sample_rate <= HIGHEST_HZ:
        raise AudioError(
            f"{path}: a sample rate of {source.sample_rate:,} Hz, which sound has not ({LOWEST_HZ:,} to "
            f"{HIGHEST_HZ:,} Hz): is the header damaged?"
        )
    return source


def _opened(path: str | Path | SoundBytes) -> Source:
    if isinstance(path, SoundBytes):
        if not path.data:
            raise AudioError(f"{path}: the file is empty")
        return AvSource(path) if path.suffix in AV_EXTENSIONS else SoundfileSource(path)
    path = Path(path)
    check_name(path)
    if not path.exists():
        raise AudioError(f"{path}: no such file")
    if not path.is_file():
        raise AudioError(f"{path}: is not a file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty")
    return AvSource(path) if path.suffix.lower() in AV_EXTENSIONS else SoundfileSource(path)


def _check_end(source: Source, end: int, stop: int | None) -> None:
    """Refuse a file whose sound ended, at sample `end`, well before the length that it promises."""
    if source.num_samples is None:
        return
    promised = source.num_samples if stop is None else min(stop, source.num_samples)
    tolerance_s = _ESTIMATE_TOLERANCE_S if source.is_estimated else _TOLERANCE_S
    if promised - end > tolerance_s * source.sample_rate:
        raise AudioError(
            f"{source.path}: truncated, it promises {source.num_samples / source.sample_rate:.2f} s of sound and ends "
            f"after {end / source.sample_rate:.2f} s"
        )


def _check_length(source: Source, num_samples: int, offset_s: float) -> None:
    if num_samples < round(MIN_CLIP_S * source.sample_rate):
        raise AudioError(
            f"{source.path}: {num_samples / source.sample_rate:.4g} s of sound from {offset_s:g} s on, "
            f"at least {MIN_CLIP_S:g} s is needed"
        )
