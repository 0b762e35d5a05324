"""What every model offers to a user, whatever runs it: files and arrays in, vectors out.

A sound is cut into windows of 10 s at its own rate, each is resampled by itself and embedded, and the embeddings are
averaged by the number of log-mel frames (`sondo.audio.windows`). One window is held at a time, so a file can be of any
length, and a file and its samples give the same vector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.arrays import as_float, resample
from sondo.audio.clips import MIN_CLIP_S, WINDOW_S
from sondo.audio.decode import read_windows
from sondo.audio.errors import AudioError
from sondo.audio.frames import column_times_s
from sondo.audio.logmel import LogMelConfig
from sondo.audio.windows import WINDOW_SAMPLES, Compat, min_window_frames
from sondo.errors import SondoError

_MAX_BATCH = 16
_NO_WINDOW = f"the sound is shorter than {WINDOW_S:g} s, which compat='ssondo' drops: leave compat out to embed it"

_Path = str | PathLike[str]


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
        self.space_id = space_id
        self.licence = licence
        self.front_end = front_end or LogMelConfig()
        self.compat = compat

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, embedding_dim={self.embedding_dim}, space_id={self.space_id!r})"

    @property
    def sample_rate(self) -> int:
        """The rate in Hz at which the model hears; sound of any other is resampled."""
        return self.front_end.sample_rate

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
            sound: The path of a file; an array (samples,); a batch (batch, samples); or a list of paths and arrays of
                any lengths. Floats in [-1, 1], or integers, which are scaled.
            sample_rate: Rate of the arrays in Hz; files know their own.

        Shape:
            -> (embedding_dim,) for one path or (samples,); (n, embedding_dim) for a batch or a list. float32.

        Raises:
            SondoError: A file that cannot be read, an array without a rate, samples that are not finite or of a dtype
                that means no sound, or less than 0.1 s.

        Example:
            `model.embed("dog.wav")`, `model.embed(samples, sample_rate=16000)`, `model.embed(["a.wav", "b.mp3"])`.
        """
        if isinstance(sound, list | tuple):
            return self._embed_list(sound, sample_rate)
        if _is_path(sound):
            return self._average(self._windows_of_file(sound)).reshape(-1)
        audio, rate = _checked(sound, sample_rate)
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

    def _embed_list(self, sounds: Sequence[Any], sample_rate: int | None) -> NDArray[np.float32]:
        vectors = np.empty((len(sounds), self.embedding_dim), dtype=np.float32)
        for index, sound in enumerate(sounds):
            if not _is_path(sound) and np.ndim(sound) != 1:
                raise SondoError(
                    f"item {index} of the list is neither a path nor an array (samples,): it is "
                    f"{type(sound).__name__} of shape {np.shape(sound)}"
                )
            vectors[index] = self.embed(np.asarray(sound) if not _is_path(sound) else sound, sample_rate=sample_rate)
        return vectors

    def _windows_of_one(self, sound: Any, sample_rate: int | None, *, asked: str) -> Iterator[NDArray[np.float32]]:
        """The windows of one sound; `asked` is the method that takes no more than one."""
        if isinstance(sound, list | tuple):
            raise SondoError(f"{asked} takes one sound, a path or an array (samples,), not a list")
        if _is_path(sound):
            return self._windows_of_file(sound)
        audio, rate = _checked(sound, sample_rate)
        if audio.ndim != 1:
            raise SondoError(f"{asked} takes one sound (samples,), not a batch of shape {audio.shape}")
        return self._windows_of_rows(audio[None], rate)

    def _windows_of_file(self, path: _Path) -> Iterator[NDArray[np.float32]]:
        for window in read_windows(fspath(path), sample_rate=self.sample_rate):
            yield window[None]

    def _windows_of_rows(self, rows: NDArray[np.float32], rate: int) -> Iterator[NDArray[np.float32]]:
        size = round(WINDOW_S * rate)
        for start in range(0, rows.shape[1], size):
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


def _is_path(sound: Any) -> bool:
    return isinstance(sound, str | PathLike)


def _checked(sound: Any, sample_rate: int | None) -> tuple[NDArray[np.float32], int]:
    """An array as float32, (samples,) or (batch, samples), and its rate."""
    if sample_rate is None:
        raise SondoError("an array needs its sample rate: embed(samples, sample_rate=16000)")
    if isinstance(sample_rate, bool) or sample_rate != int(sample_rate) or sample_rate <= 0:
        raise SondoError(f"a sample rate is a whole number of Hz above 0, not {sample_rate!r}")
    audio = as_float(sound)
    if audio.ndim not in (1, 2) or audio.shape[0] == 0:
        raise SondoError(f"sound is an array (samples,) or (batch, samples), not of shape {audio.shape}")
    if audio.shape[-1] < round(MIN_CLIP_S * sample_rate):
        hint = " (is it (samples, channels)? Average the channels)" if audio.ndim == 2 and audio.shape[1] < 9 else ""
        raise AudioError(
            f"{audio.shape[-1] / sample_rate:.3f} s of sound in an array of shape {audio.shape} at {sample_rate} Hz: "
            f"at least {MIN_CLIP_S:g} s is needed{hint}"
        )
    return audio, int(sample_rate)
