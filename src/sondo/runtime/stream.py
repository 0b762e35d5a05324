"""Sound that arrives piece by piece: every hop, the embedding of the last seconds.

A vector of a stream is `Model.embed` of the samples that its window holds, at their own rate, and of nothing else. So
it does not depend on the pieces that the sound came in, and there is one definition for sound that is there and sound
that is still to come. The price is a window's work (resampling and the network) for every hop, however short the hop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.arrays import as_float
from sondo.audio.clips import MIN_CLIP_S, WINDOW_S
from sondo.errors import SondoError

if TYPE_CHECKING:
    from sondo.runtime.model import Model

Timed = tuple[float, NDArray[np.float32]]
"""Seconds from the start of the stream to the end of the window, and the vector of the window, (embedding_dim,)."""


class Stream:
    """The embeddings of one endless sound; `Model.stream` makes it. Holds a window of sound and a hop, nothing else.

    After k hops the window reaches from `max(0, k * hop_s - window_s)` to `k * hop_s`: at the start it is as long as
    the sound so far, from 0.1 s on.

    Args:
        model: The model.
        sample_rate: Rate of the sound in Hz.
        hop_s: Seconds from one vector to the next.
        window_s: Seconds of sound that a vector tells of. Longer than 10 s, it is an average as that of `embed`.

    Attributes:
        num_samples: Samples that came so far.

    Raises:
        SondoError: A window that the model is too long for, a hop that is longer than the window or no sample long, or
            one of them that is no number.

    Example:
        `for time_s, vector in stream.feed(samples): ...`
    """

    def __init__(self, model: Model, *, sample_rate: int, hop_s: float, window_s: float) -> None:
        for name, seconds in (("hop_s", hop_s), ("window_s", window_s)):
            if not isinstance(seconds, Real):
                raise SondoError(f"{name} is {seconds!r}: expected a number of seconds, such as 0.5")
        shortest_s = MIN_CLIP_S if model.compat is None else WINDOW_S
        if not (math.isfinite(window_s) and window_s >= shortest_s):
            raise SondoError(f"a window of {window_s} s cannot be embedded: at least {shortest_s:g} s is needed")
        if not 1 / sample_rate <= hop_s <= window_s:
            raise SondoError(
                f"hop_s={hop_s} does not fit: from one sample ({1 / sample_rate:g} s) to a window ({window_s:g} s)"
            )
        self.sample_rate = sample_rate
        self.hop_s = hop_s
        self.num_samples = 0
        self._model = model
        self._shortest = round(shortest_s * sample_rate)
        self._window = round(window_s * sample_rate)
        self._held: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self._arrived: list[NDArray[np.float32]] = []
        self._hops = 0
        self._is_over = False

    def feed(self, samples: Any) -> list[Timed]:
        """Take the next samples, any number of them.

        Args:
            samples: (samples,), floats in [-1, 1] or integers, which are scaled as `embed` does. They are copied.

        Returns:
            (time_s, vector) of each hop that they complete, often of none.

        Raises:
            SondoError: An array that is not (samples,), samples that are not finite or of a dtype that means no sound,
                or a stream that was flushed. The stream stays as it was.
        """
        if self._is_over:
            raise SondoError("this stream was flushed, which ends it: start another with model.stream()")
        audio = as_float(samples)
        if audio.ndim != 1:
            raise SondoError(f"a stream takes (samples,), one channel, not an array of shape {audio.shape}")
        found = []
        start = 0
        while (stop := start + self._next_hop() - self.num_samples) <= len(audio):
            self._take(audio[start:stop])
            self._hops += 1
            if self.num_samples >= self._shortest:
                found.append(self._vector())
            start = stop
        self._take(audio[start:])
        return found

    def flush(self) -> list[Timed]:
        """End the stream.

        Returns:
            (time_s, vector) of the window that ends where the sound ends, or nothing where a hop ended there or less
            than 0.1 s came.
        """
        is_whole_hop = self.num_samples == round(self._hops * self.hop_s * self.sample_rate)
        found = [] if self._is_over or is_whole_hop or self.num_samples < self._shortest else [self._vector()]
        self._is_over = True
        self._held, self._arrived = self._held[:0].copy(), []
        return found

    def run(self, pieces: Iterable[Any]) -> list[Timed]:
        """Feed all pieces and flush."""
        return [timed for piece in pieces for timed in self.feed(piece)] + self.flush()

    def _next_hop(self) -> int:
        """The sample at which the next hop ends: rounded from the start, so that nothing drifts in a day."""
        return round((self._hops + 1) * self.hop_s * self.sample_rate)

    def _take(self, audio: NDArray[np.float32]) -> None:
        if len(audio):
            self._arrived.append(audio.copy())
            self.num_samples += len(audio)

    def _vector(self) -> Timed:
        # What came is joined here and not as it comes: a microphone brings a hundred pieces a second.
        self._held = np.concatenate([self._held, *self._arrived])[-self._window :]
        self._arrived = []
        return self.num_samples / self.sample_rate, self._model.embed(self._held, sample_rate=self.sample_rate)
