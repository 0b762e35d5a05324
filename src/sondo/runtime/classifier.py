"""A classifier in one file: a student and a head on its embedding, run by onnxruntime; no torch.

A sound longer than a window of 10 s is embedded window by window, and the head is asked once, about the average: the
probabilities are those of the whole sound, not an average of the windows' probabilities.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sondo.audio.clips import MIN_CLIP_S, WINDOW_S
from sondo.audio.decode import probe
from sondo.errors import SondoError
from sondo.runtime.onnx import OnnxModel, open_session
from sondo.runtime.sounds import checked_rate, is_path

CLASSES, MULTI_LABEL, THRESHOLDS = "sondo.classes", "sondo.multi_label", "sondo.thresholds"
"""Metadata of a classifier's file beside a student's: JSON of the names, `true` or `false`, JSON of the thresholds."""

VECTORS = "vectors"
"""The optional input (n, embedding_dim): embeddings whose rows follow those of the sound in the outputs of the head."""


class Prediction(NamedTuple):
    """A class and its probability.

    Attributes:
        label: Its name.
        probability: From 0 to 1.
        is_chosen: Whether it is the answer: the most probable class, or with several labels each that reaches its
            threshold.
    """

    label: str
    probability: float
    is_chosen: bool


class SegmentPrediction(NamedTuple):
    """What is heard in one window of a sound, from `start_s` to `end_s`, most probable first."""

    start_s: float
    end_s: float
    predictions: list[Prediction]


class OnnxClassifier(OnnxModel):
    """A student's file with a head: outputs `logits` and `probabilities` (batch, classes) beside `embedding`.

    Args:
        path: The `.onnx` file.
        threads: Threads of onnxruntime; one per core when left out.
        session: The file's session where it is open already.

    Attributes:
        classes: Names, in the order of the outputs.
        multi_label: Whether several classes can hold at once.
        thresholds: The probability from which each class counts, for several labels; empty otherwise.

    Raises:
        SondoError: As `OnnxModel`; or no classifier, or one whose metadata does not fit its outputs.

    Example:
        `OnnxClassifier("classifier.onnx").classify("dog.wav")[0].label` gives `"dog"`.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None, session: Any = None) -> None:
        super().__init__(path, threads=threads, session=session)
        metadata = self._session.get_modelmeta().custom_metadata_map
        if CLASSES not in metadata:
            raise SondoError(f"{path} is a student without a head: make a classifier of it with `sondo probe`")
        try:
            names = json.loads(metadata[CLASSES])
            self.classes = tuple(map(str, names if isinstance(names, list) else [names]))
            self.multi_label = bool(json.loads(metadata.get(MULTI_LABEL, "false")))
            self.thresholds = tuple(float(value) for value in json.loads(metadata.get(THRESHOLDS, "[]")))
            check_names(self.classes, num_logits=len(self.classes))
            if wrong := [value for value in self.thresholds if not 0 <= value <= 1]:
                raise ValueError(f"a threshold is {wrong[0]:g}, which no probability can be")
        except (ValueError, TypeError, SondoError) as error:
            raise SondoError(f"{path}: the metadata of its classes cannot be read ({error}); make it again") from error
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        width = outputs.get("probabilities", [None])[-1]
        if width != len(self.classes) or len(self.thresholds) != (len(self.classes) if self.multi_label else 0):
            raise SondoError(
                f"{path}: {len(self.classes)} classes and {len(self.thresholds)} thresholds in its metadata do not fit "
                f"its output probabilities of {width} values; make it again"
            )

    def probabilities(self, sound: Any, *, sample_rate: int | None = None) -> NDArray[np.float32]:
        """The probability of each class; for a long sound the head's answer to the average of its windows.

        Args:
            sound: As for `embed`: a path, an array (samples,), a batch (batch, samples), or a list.
            sample_rate: Rate of the arrays in Hz.

        Shape:
            -> (classes,) for one sound; (n, classes) for a batch or a list. They add up to 1, or with several labels
            each is its own.

        Raises:
            SondoError: As `embed`.
        """
        vectors = self.embed(sound, sample_rate=sample_rate)
        rows = self.probabilities_of(np.atleast_2d(vectors))
        return rows[0] if vectors.ndim == 1 else rows

    def probabilities_of(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """The head's answer to embeddings of this file's space, for example ones that were kept.

        Shape:
            (n, embedding_dim) -> (n, classes).

        Raises:
            SondoError: Vectors of another length.
        """
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.embedding_dim:
            raise SondoError(f"the head of {self.path} takes vectors (n, {self.embedding_dim}), not {vectors.shape}")
        # The graph has no way around its sound: it gets the shortest there is, whose row is dropped again.
        silence = np.zeros((1, round(MIN_CLIP_S * self.sample_rate)), dtype=np.float32)
        (rows,) = self._session.run(["probabilities"], {"audio": silence, VECTORS: vectors})
        return np.asarray(rows[1:], dtype=np.float32)

    def classify(self, sound: Any, *, sample_rate: int | None = None) -> list[Prediction]:
        """All classes of one sound with their probabilities, most probable first.

        Args:
            sound: A path, or an array (samples,).
            sample_rate: Rate of the array in Hz.

        Raises:
            SondoError: As `embed`; or several sounds at once.
        """
        probabilities = self.probabilities(sound, sample_rate=sample_rate)
        if probabilities.ndim != 1:
            raise SondoError("classify takes one sound, a path or an array (samples,); `probabilities` takes several")
        return self._ranked(probabilities)

    def classify_segments(self, sound: Any, *, sample_rate: int | None = None) -> list[SegmentPrediction]:
        """The classes of each window of one sound, in order: 10 s each, a shorter last one from 0.1 s on.

        Args:
            sound: A path, or an array (samples,).
            sample_rate: Rate of the array in Hz.

        Raises:
            SondoError: As `classify`.
        """
        return list(self.each_segment(sound, sample_rate=sample_rate))

    def each_segment(self, sound: Any, *, sample_rate: int | None = None) -> Iterator[SegmentPrediction]:
        """What `classify_segments` gives, each window as soon as it was heard: for sound of hours.

        Args:
            sound: A path, or an array (samples,).
            sample_rate: Rate of the array in Hz.

        Raises:
            SondoError: As `classify`; of a damaged file where the damage is.
        """
        windows = self._windows_of_one(sound, sample_rate, asked="classify_segments")
        length_s = probe(Path(sound)).duration_s if is_path(sound) else len(sound) / checked_rate(sample_rate)
        for number, (window, _) in enumerate(self._long_enough(windows)):
            (row,) = self._run("probabilities", window)
            yield SegmentPrediction(number * WINDOW_S, min((number + 1) * WINDOW_S, length_s), self._ranked(row))

    def _ranked(self, probabilities: NDArray[np.float32]) -> list[Prediction]:
        order = np.argsort(-probabilities, kind="stable")
        if not self.multi_label:
            return [Prediction(self.classes[i], float(probabilities[i]), rank == 0) for rank, i in enumerate(order)]
        return [
            Prediction(self.classes[i], float(probabilities[i]), bool(probabilities[i] >= self.thresholds[i]))
            for i in order
        ]


def open_onnx(path: str | Path, *, threads: int | None = None, session: Any = None) -> OnnxModel:
    """Open an exported file as what it is: a student, or a classifier.

    Args:
        path: The `.onnx` file.
        threads: Threads of onnxruntime; one per core when left out.
        session: The file's session where it is open already.

    Raises:
        SondoError: As `OnnxModel` and `OnnxClassifier`.
    """
    session = session or open_session(Path(path), threads)
    is_classifier = CLASSES in session.get_modelmeta().custom_metadata_map
    kind = OnnxClassifier if is_classifier else OnnxModel
    return kind(path, threads=threads, session=session)


def check_names(classes: Sequence[str], *, num_logits: int) -> None:
    """Refuse names that are missing, empty or double.

    Raises:
        SondoError: They are.
    """
    if len(classes) != num_logits:
        raise SondoError(f"{len(classes)} class names for a head of {num_logits} classes: give one name for each")
    twice = sorted(name for name, count in Counter(classes).items() if count > 1)
    if twice or not all(classes):
        what = f"{twice[0]!r} is there more than once" if twice else "a name is empty"
        raise SondoError(f"the names of the classes are not {len(classes)} different names: {what}")
