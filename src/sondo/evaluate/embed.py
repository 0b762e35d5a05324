"""From a task's files to vectors, with whatever embeds a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.decode import probe
from sondo.audio.errors import AudioError
from sondo.errors import SondoError
from sondo.evaluate.task import Task
from sondo.in_threads import in_order
from sondo.screen import track

SHOWN_FILES = 10

EmbedFile = Callable[[Path], NDArray[np.floating]]


def embed_task(task: Task, embed: EmbedFile, *, description: str, at_once: int = 1) -> NDArray[np.float32]:
    """Embed every clip of a task.

    Files that cannot be read stop the work, named together: a score on fewer clips is another score.

    Args:
        task: The task.
        embed: Takes a file, returns its embedding.
        description: What the progress view calls it.
        at_once: How many files are embedded at a time.

    Shape:
        Output: (clips, embedding_dim).

    Raises:
        SondoError: A file cannot be embedded, or its vector is not finite or of another length; the file is named.
    """
    vectors: list[NDArray[np.float32]] = []
    with (
        track(description, total=len(task)) as progress,
        in_order(embed, task.paths, at_once=at_once) as outcomes,
    ):
        for path, outcome in zip(task.paths, outcomes, strict=True):
            with naming_all_unreadable(task, path):
                vectors.append(checked_vector(path, outcome, like=vectors[0] if vectors else None))
            progress.advance()
    return np.stack(vectors)


def checked_vector(
    path: Path, outcome: Future[NDArray[np.floating]], *, like: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """What a model gave for a file, once it can be an embedding.

    Args:
        path: The file.
        outcome: Its vector, or why there is none.
        like: A vector that it must have the length of.

    Raises:
        SondoError: As `embed_task`.
    """
    try:
        vector = np.asarray(outcome.result(), dtype=np.float32)
    except SondoError as error:
        if str(path) in str(error):
            raise
        raise SondoError(f"{path}: {error}") from error
    if vector.ndim != 1 or (like is not None and vector.shape != like.shape):
        expected = "(embedding_dim,)" if like is None else str(like.shape)
        raise SondoError(f"{path}: the model gave an embedding of shape {vector.shape}, expected {expected}.")
    if not np.isfinite(vector).all():
        raise SondoError(f"{path}: the model gave an embedding with NaN or infinity.")
    return vector


@contextmanager
def naming_all_unreadable(task: Task, path: Path) -> Iterator[None]:
    """Where a file of a task cannot be read, look at the others too, so that one message names what is to be mended.

    Args:
        task: The task.
        path: The file that is read in the block.

    Raises:
        SondoError: In place of the `AudioError` of one file.
    """
    try:
        yield
    except AudioError as error:
        reasons = [str(error)]
        with track(f"{task.name}: look for more unreadable files", total=len(task)) as progress:
            for other in task.paths:
                try:
                    if other != path:
                        probe(other)
                except AudioError as another:
                    reasons.append(str(another))
                progress.advance()
        shown = "; ".join(reasons[:SHOWN_FILES])
        more = f"; and {len(reasons) - SHOWN_FILES} more" if len(reasons) > SHOWN_FILES else ""
        raise SondoError(
            f"{task.name}: {len(reasons)} of {len(task)} files cannot be read, and a score on fewer clips is another "
            f"score: {shown}{more}. Mend them, or take them out of the data"
        ) from error


def teacher_embedder(teacher: Any) -> EmbedFile:
    """Let a teacher embed whole files: windows of 10 s, averaged with their durations as weights.

    Args:
        teacher: Anything with `sample_rate` and ``embed((batch, samples)) -> (batch, embedding_dim)``.
    """
    import torch

    from sondo.audio.clips import plan_clips
    from sondo.audio.decode import read_clips

    def embed(path: Path) -> NDArray[np.float32]:
        total, num_samples = np.zeros((), dtype=np.float64), 0
        plan = plan_clips(probe(path).duration_s)
        if not plan:
            raise AudioError(f"{path}: too short to embed.")
        for audio in read_clips(path, plan, sample_rate=teacher.sample_rate):
            with torch.inference_mode():
                vector = torch.as_tensor(teacher.embed(torch.from_numpy(np.ascontiguousarray(audio))[None])[0])
            total = total + vector.double().cpu().numpy() * len(audio)
            num_samples += len(audio)
        return np.asarray(total / num_samples, dtype=np.float32)

    return embed
