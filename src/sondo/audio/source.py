"""A sound file as a stream of mono blocks, and a cursor that cuts pieces out of it without holding the whole.

Blocks have a fixed size and start where the file starts: libmpg123's rounding depends on how much it is asked for, so
this is what makes every way of reading the same file give the same bits.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from sondo.audio.arrays import LARGEST_FLOAT
from sondo.audio.errors import AudioError
from sondo.audio.sound_bytes import SoundBytes

BLOCK_SAMPLES = 65536
SEEK_GAP_S = 30.0
"""A gap shorter than this is decoded and thrown away: cheaper than a seek, and exact in every format."""

_UNKNOWN_SAMPLES = 1 << 62
_STREAMED_BYTES = 0x7FFF0000
_MOST_PER_FLAC_FRAME, _LEAST_FLAC_FRAME = 65535, 11

Blocks = Generator[NDArray[np.float32], None, None]


class Source(Protocol):
    """A file that can be decoded from any sample on. Nothing stays open between calls."""

    path: Path | SoundBytes
    sample_rate: int
    channels: int
    num_samples: int | None
    """Samples per channel; None when only decoding can tell."""
    is_estimated: bool
    """Whether `num_samples` may be some milliseconds off."""

    def blocks(self, start: int) -> Blocks:
        """Decode from sample `start` to the end, as mono blocks."""


class SoundfileSource:
    """What libsndfile reads: WAV, FLAC, Ogg, MP3, AIFF and more.

    Raises:
        AudioError: The file is no sound file, or a WAV or FLAC file that cannot hold the length in its header.
    """

    def __init__(self, path: Path | SoundBytes) -> None:
        self.path = path
        with _open(path) as file:
            self.sample_rate: int = file.samplerate
            self.channels: int = file.channels
            frames, kind = file.frames, file.format
        self.num_samples: int | None = frames if 0 < frames < _UNKNOWN_SAMPLES else None
        self.is_estimated = False
        self._is_flac = kind == "FLAC"
        if kind in ("WAV", "WAVEX"):
            _check_wav_length(path)
        elif self._is_flac and self.num_samples is not None:
            _check_flac_length(path, self.num_samples, self.sample_rate)

    def blocks(self, start: int) -> Blocks:
        """Decode from sample `start` to the end, as mono blocks."""
        position = start
        with _open(self.path, forwards=self._is_flac) as file:
            try:
                if start:
                    file.seek(start)
                while len(block := file.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)):
                    yield mean_of_channels(block)
                    position += len(block)
            except soundfile.SoundFileError as error:
                raise AudioError(
                    f"{self.path}: damaged or truncated, cannot be decoded after "
                    f"{position / self.sample_rate:.2f} s ({_reason(error)})"
                ) from error


class Cursor:
    """Reads pieces of a source. Pieces that start in order cost one pass, whatever their overlap or number."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._blocks: Blocks | None = None
        self._held: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self.end = 0
        """The sample up to which the source has been decoded: its length, once a read came back short."""

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def read(self, start: int, stop: int | None) -> NDArray[np.float32]:
        """Mono samples [start, stop), fewer where the sound ends before; to the end for None.

        Shape:
            -> (at most stop - start,).

        Raises:
            AudioError: The file is damaged, or holds a sample that is no number, or one as large as integers have.
        """
        gap = SEEK_GAP_S * self._source.sample_rate
        blocks = self._blocks
        if blocks is None or start < self.end - len(self._held) or start > self.end + gap:
            blocks = self._reopen(start if start > gap else 0)
        pieces = [self._held[max(0, start - (self.end - len(self._held))) :]]
        while stop is None or self.end < stop:
            block = next(blocks, None)
            if block is None:
                break
            self._check(block)
            pieces.append(block[max(0, start - self.end) :])
            self.end += len(block)
        self._held = np.concatenate(pieces)
        return self._held if stop is None else self._held[: stop - start].copy()

    def _reopen(self, start: int) -> Blocks:
        self._close()
        total = self._source.num_samples
        self.end = start if total is None else min(start, total)
        self._held = self._held[:0]
        self._blocks = self._source.blocks(self.end)
        return self._blocks

    def _check(self, block: NDArray[np.float32]) -> None:
        size = np.abs(block)
        if size.max(initial=0.0) <= LARGEST_FLOAT:  # never true of what is no number
            return
        finite = np.isfinite(block)
        place = int(np.argmin(finite) if not finite.all() else np.argmax(size))
        at = f"at {(self.end + place) / self._source.sample_rate:.3f} s"
        if not finite.all():
            raise AudioError(f"{self._source.path}: holds a sample that is not a finite number, {at}")
        raise AudioError(
            f"{self._source.path}: holds a sample of {block[place]:g}, {at}, where full scale is 1: it looks like "
            "integers that were written as floats. Divide by their full scale (32768 for 16 bits) and write it again"
        )

    def _close(self) -> None:
        if self._blocks is not None:
            self._blocks.close()
        self._blocks = None


def mean_of_channels(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mix down by the plain mean.

    Shape:
        frames (samples, channels) -> (samples,).
    """
    if frames.shape[1] == 1:
        return frames[:, 0]
    # Channel by channel: for two of them, numpy's mean along so short an axis takes fourteen times as long.
    total = frames[:, 0].copy()
    for channel in range(1, frames.shape[1]):
        total += frames[:, channel]
    return np.asarray(total / np.float32(frames.shape[1]), dtype=np.float32)


def count_samples(source: Source) -> int:
    """Decode the whole source once, block by block, and count."""
    with contextlib.closing(source.blocks(0)) as blocks:
        return sum(len(block) for block in blocks)


class _Forwards(soundfile.SoundFile):  # type: ignore[misc]
    """A file that soundfile does not send to where it is already: libsndfile fails to go to the end of a FLAC whose
    header has another length, or none.
    """

    def seekable(self) -> bool:
        """Not for soundfile's own use; `seek` works."""
        return False


def _open(path: Path | SoundBytes, *, forwards: bool = False) -> Any:
    kind = _Forwards if forwards else soundfile.SoundFile
    try:
        return kind(path.open() if isinstance(path, SoundBytes) else path)
    except (soundfile.SoundFileError, TypeError) as error:
        raise AudioError(f"{path}: not a sound file that can be read ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    """What libsndfile says, without the path, and without its guess that a file which exists does not."""
    text = getattr(error, "error_string", None) or str(error)
    return "format not recognised" if "does not exist" in text else str(text).rstrip(".").removeprefix("Error : ")


def _check_flac_length(path: Path | SoundBytes, num_samples: int, sample_rate: int) -> None:
    """Refuse a length that not even silence could have in a file of this size, before clips are planned for it.

    Source: RFC 9639, section 9: a frame has at most 65535 samples of a channel and at least 11 bytes (8 of its header,
    a constant subframe of 1 and what it holds, 2 of its checksum).
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
    if num_samples > _MOST_PER_FLAC_FRAME * (size // _LEAST_FLAC_FRAME + 1):
        raise AudioError(
            f"{path}: damaged, its header promises {num_samples / sample_rate:,.0f} s of sound, which {size:,} bytes "
            "cannot hold"
        )


def _check_wav_length(path: Path | SoundBytes) -> None:
    """Compare the length in a RIFF header with the file's: libsndfile reads a truncated file without a word.

    Recorders that cannot go back to write the length leave a placeholder (0 or close to the maximum); that is fine.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        riff = file.read(12)
        if riff[:4] != b"RIFF":
            return
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if name != b"data":
                file.seek(length + length % 2, 1)
                continue
            present = size - file.tell()
            if present < length < _STREAMED_BYTES:
                raise AudioError(
                    f"{path}: truncated, its header promises {length:,} bytes of sound and {present:,} are there"
                )
            return
