"""What every model offers to a user, whatever runs it: files and arrays in, vectors out.

A sound is cut into windows of 10 s at its own rate, each is resampled by itself and embedded, and the embeddings are
averaged by the number of log-mel frames (`sondo.audio.windows`). One window is held at a time, so a file can be of any
length, and a file and its samples give the same vector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from os import fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.arrays import resample
from sondo.audio.clips import WINDOW_S
from sondo.audio.decode import probe, read_windows
from sondo.audio.errors import AudioError
from sondo.audio.frames import column_times_s
from sondo.audio.logmel import LogMelConfig
from sondo.audio.windows import WINDOW_SAMPLES, Compat, min_window_frames
from sondo.errors import SondoError
from sondo.in_threads import ahead, in_order, leave_if_stopped
from sondo.runtime.sounds import Path, checked_rate, checked_samples, is_path
from sondo.runtime.stream import Stream

_MAX_BATCH = 16
_NO_WINDOW = f"the sound is shorter than {WINDOW_S:g} s, which compat='ssondo' drops: leave compat out to embed it"


class Model(ABC):
    """A student ready for use. Subclasses embed windows; everything else is here.

    Args:
        name: What to call it.
        embedding_dim: Numbers in a vector.
        space_id: The space of its vectors; those of two spaces must not be compared.
        licence: The licence of the weights, with what the teacher's hands down.
        front_end: Its log-mel settings; the default ones when left out.
        compat: `ssondo` counts full windows alone, as the published code does.
    """

    def __init__(
        self,
        *,
        name: str,
        embedding_dim: int,
        space_id: str,
        licence: str,
        front_end: LogMelConfig | None = None,
        compat: Compat = None,
    ) -> None:
        self.name = name
        self.embedding_dim = embedding_dim
        self._space_id = space_id
        self.licence = licence
        self.front_end = front_end or LogMelConfig()
        self.compat = compat

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, embedding_dim={self.embedding_dim}, space_id={self.space_id!r})"

    @property
    def space_id(self) -> str:
        """The space of its vectors; those of two spaces must not be compared."""
        return self._space_id

    @property
    def sample_rate(self) -> int:
        """The rate in Hz at which the model hears; sound of any other is resampled."""
        return self.front_end.sample_rate

    @property
    def at_once(self) -> int:
        """How many sounds it embeds at a time where it is given several; each gets the vector that it gets alone."""
        return 1

    @abstractmethod
    def _embed_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed windows of one length.

        Shape:
            audio (batch, samples) at `sample_rate`, from 0.1 s to 10 s long -> (batch, embedding_dim).
        """

    @property
    def frame_stride(self) -> int:
        """Log-mel frames from one of the `frames` to the next.

        Raises:
            SondoError: This model has no frames.
        """
        raise SondoError(f"{self.name} has no frames: it gives one vector for a window")

    @property
    def frame_hop_s(self) -> float:
        """Seconds from one of the `frames` to the next within a window.

        Raises:
            SondoError: This model has no frames.
        """
        return self.frame_stride * self.front_end.hop / self.sample_rate

    def _frames_of_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The frames of windows of one length; a model that has some overrides this and `frame_stride`.

        Shape:
            audio as for `_embed_windows` -> (batch, ceil(log-mel frames / frame_stride), frame_dim).
        """
        raise NotImplementedError

    def embed(self, sound: Any, *, sample_rate: int | None = None) -> NDArray[np.float32]:
        """Embed one sound or several.

        Args:
            sound: The path of a file; an array (samples,); a batch (batch, samples); or a list or generator of paths
                and arrays of any lengths, of which no more than twice `at_once` are held. Floats in [-1, 1], or
                integers, which are scaled.
            sample_rate: Rate of the arrays in Hz; files know their own.

        Shape:
            -> (embedding_dim,) for one path or (samples,), else (n, embedding_dim). float32.

        Raises:
            SondoError: A file that cannot be read, an array without a rate, samples that are not finite or of a dtype
                that means no sound, or less than 0.1 s.

        Example:
            `model.embed("dog.wav")`, `model.embed(samples, sample_rate=16000)`, `model.embed(["a.wav", "b.mp3"])`,
            `model.embed(Path("clips").glob("*.flac"))`.
        """
        if isinstance(sound, list | tuple | Iterator):
            return self._embed_each(sound, sample_rate)
        if is_path(sound):
            return self._average(self._windows_of_file(sound)).reshape(-1)
        audio, rate = checked_samples(sound, sample_rate)
        if audio.ndim == 1:
            return self._average(self._windows_of_rows(audio[None], rate)).reshape(-1)
        batches = [audio[first : first + _MAX_BATCH] for first in range(0, len(audio), _MAX_BATCH)]
        return np.concatenate([self._average(self._windows_of_rows(batch, rate)) for batch in batches])

    def embed_segments(self, sound: Any, *, sample_rate: int | None = None) -> NDArray[np.float32]:
        """Embed each window of one sound, in order: 10 s each, a shorter last one from 0.1 s on.

        Args:
            sound: The path of a file, or an array (samples,).
            sample_rate: Rate of the array in Hz.

        Shape:
            -> (segments, embedding_dim), float32.

        Raises:
            SondoError: As `embed`; or several sounds at once.
        """
        windows = self._windows_of_one(sound, sample_rate, asked="embed_segments")
        segments = [vectors for vectors, _ in self._segments(windows)]
        return np.concatenate(segments) if segments else np.empty((0, self.embedding_dim), dtype=np.float32)

    def frames(self, sound: Any, *, sample_rate: int | None = None) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Embed one sound along its time: `Student.frames` says what the vectors are.

        Args:
            sound: The path of a file, or an array (samples,).
            sample_rate: Rate of the array in Hz.

        Returns:
            The vectors, and the time in seconds that each is centred at. They step by `frame_hop_s`, and by less where
            a new window of 10 s begins.

        Shape:
            -> (T, frame_dim) float32, (T,) float64.

        Raises:
            SondoError: As `embed`; several sounds at once; or a model that has no frames.
        """
        stride = self.frame_stride
        vectors, times_s = [], []
        for index, (window, num_frames) in enumerate(
            self._long_enough(self._windows_of_one(sound, sample_rate, asked="frames"))
        ):
            in_window_s = column_times_s(num_frames, stride=stride, config=self.front_end)
            frames = self._frames_of_windows(window)
            if frames.shape[:2] != (1, len(in_window_s)):
                raise SondoError(
                    f"{self.name} gave frames of shape {frames.shape} for a window of {num_frames} log-mel frames, "
                    f"not (1, {len(in_window_s)}, frame_dim)"
                )
            vectors.append(frames[0])
            times_s.append(index * WINDOW_S + in_window_s)
        if not vectors:
            raise AudioError(_NO_WINDOW)
        return np.concatenate(vectors), np.concatenate(times_s)

    def stream(self, *, sample_rate: int | None = None, hop_s: float = 0.5, window_s: float = WINDOW_S) -> Stream:
        """Begin to embed a sound that is still to come: every `hop_s`, the last `window_s` of it.

        Its vectors are those of `embed_sliding`. Each costs a window's work: a longer hop or a shorter window is
        cheaper.

        Args:
            sample_rate: Rate of the sound in Hz; that of the model when left out.
            hop_s: Seconds from one vector to the next.
            window_s: Seconds of sound that a vector tells of.

        Raises:
            SondoError: A rate that is none, or a hop and a window that do not fit each other or the model.

        Example:
            `stream = model.stream(hop_s=0.5)`, and for each piece `for time_s, vector in stream.feed(samples): ...`.
        """
        rate = self.sample_rate if sample_rate is None else checked_rate(sample_rate)
        return Stream(self, sample_rate=rate, hop_s=hop_s, window_s=window_s)

    def embed_sliding(
        self, sound: Any, *, sample_rate: int | None = None, hop_s: float = 0.5, window_s: float = WINDOW_S
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Embed the windows that end every `hop_s` of one sound, and at its end: what a `stream` of it gives.

        Args:
            sound: The path of a file, or an array (samples,).
            sample_rate: Rate of the array in Hz.
            hop_s: Seconds from the end of one window to the end of the next.
            window_s: Length of a window; at the start it is as long as the sound so far, from 0.1 s on.

        Returns:
            The vectors, each that of `embed` for the samples of its window, and the time in seconds at which the
            window ends.

        Shape:
            -> (windows, embedding_dim) float32, (windows,) float64.

        Raises:
            SondoError: As `embed` and `stream`; or several sounds at once.
        """
        if is_path(sound):
            rate = probe(fspath(sound)).sample_rate
            pieces: Iterable[NDArray[np.float32]] = read_windows(fspath(sound), sample_rate=rate)
        else:
            audio, rate = self._one(sound, sample_rate, asked="embed_sliding")
            pieces = [audio]
        found = self.stream(sample_rate=rate, hop_s=hop_s, window_s=window_s).run(pieces)
        if not found:
            raise AudioError(_NO_WINDOW)
        return np.stack([vector for _, vector in found]), np.array([time_s for time_s, _ in found])

    def _embed_each(self, sounds: Iterable[Any], sample_rate: int | None) -> NDArray[np.float32]:
        def one(numbered: tuple[int, Any]) -> NDArray[np.float32]:
            index, sound = numbered
            try:
                return self._embed_item(sound, sample_rate)
            except SondoError as error:
                if is_path(sound):  # its name is in the message
                    raise
                raise type(error)(f"item {index} (counted from 0): {error}") from error

        # A generator may fill one array again and again, and several of its sounds are held here.
        own = map(_copied, sounds) if isinstance(sounds, Iterator) else sounds
        with in_order(one, enumerate(own), at_once=self.at_once) as outcomes:
            vectors = [outcome.result() for outcome in outcomes]
        return np.stack(vectors) if vectors else np.empty((0, self.embedding_dim), dtype=np.float32)

    def _embed_item(self, sound: Any, sample_rate: int | None) -> NDArray[np.float32]:
        if not is_path(sound) and np.ndim(sound) != 1:
            kind = f"{type(sound).__name__} of shape {np.shape(sound)}"
            raise SondoError(f"neither a path nor an array (samples,): it is {kind}")
        return self.embed(sound if is_path(sound) else np.asarray(sound), sample_rate=sample_rate)

    def _one(self, sound: Any, sample_rate: int | None, *, asked: str) -> tuple[NDArray[np.float32], int]:
        """The samples of one sound and their rate; `asked` is the method that takes no more than one."""
        if isinstance(sound, list | tuple | Iterator):
            raise SondoError(f"{asked} takes one sound, a path or an array (samples,), not several")
        audio, rate = checked_samples(sound, sample_rate)
        if audio.ndim != 1:
            raise SondoError(f"{asked} takes one sound (samples,), not a batch of shape {audio.shape}")
        return audio, rate

    def _windows_of_one(self, sound: Any, sample_rate: int | None, *, asked: str) -> Iterator[NDArray[np.float32]]:
        if is_path(sound):
            return self._windows_of_file(sound)
        audio, rate = self._one(sound, sample_rate, asked=asked)
        return self._windows_of_rows(audio[None], rate)

    def _windows_of_file(self, path: Path) -> Iterator[NDArray[np.float32]]:
        for window in ahead(read_windows(fspath(path), sample_rate=self.sample_rate)):
            yield window[None]

    def _windows_of_rows(self, rows: NDArray[np.float32], rate: int) -> Iterator[NDArray[np.float32]]:
        size = round(WINDOW_S * rate)
        for start in range(0, rows.shape[1], size):
            leave_if_stopped()
            cut = rows[:, start : start + size]
            yield np.stack([resample(np.ascontiguousarray(row), rate, self.sample_rate) for row in cut])

    def _long_enough(self, windows: Iterator[NDArray[np.float32]]) -> Iterator[tuple[NDArray[np.float32], int]]:
        """The windows that count, each with its log-mel frames: not a rest of less than 0.1 s."""
        whole = self.front_end.num_frames(WINDOW_SAMPLES)
        fewest = min_window_frames(self.front_end) if self.compat is None else whole
        for window in windows:
            frames = self.front_end.num_frames(window.shape[1])
            if frames >= fewest:
                yield window, frames

    def _segments(self, windows: Iterator[NDArray[np.float32]]) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Embed (batch, samples) windows one after the other."""
        for window, frames in self._long_enough(windows):
            vectors = self._embed_windows(window)
            if vectors.shape != (len(window), self.embedding_dim):
                raise SondoError(
                    f"{self.name} gave vectors of shape {vectors.shape} for {len(window)} windows, "
                    f"not ({len(window)}, {self.embedding_dim})"
                )
            yield vectors, frames

    def _average(self, windows: Iterator[NDArray[np.float32]]) -> NDArray[np.float32]:
        total: NDArray[np.float64] | float = 0.0
        num_frames = 0
        for vectors, frames in self._segments(windows):
            total = total + frames * vectors.astype(np.float64)
            num_frames += frames
        if num_frames == 0:
            raise AudioError(_NO_WINDOW)
        return np.asarray(total / num_frames, dtype=np.float32)


def _copied(sound: Any) -> Any:
    """The same with memory of its own, where it is an array of any library."""
    is_array = hasattr(sound, "__array__") and not is_path(sound)  # a path out of an array of texts is both
    return np.asarray(sound).copy() if is_array else sound
