"""A sound asked of an index: embedded in the index's own space, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError, require
from sondo.loading import load_to_embed
from sondo.search.index import Hit, Index
from sondo.search.info import IndexInfo, teacher_space_id
from sondo.search.teacher_space import load_mapped

_TEACHER = "teacher:"


class Asker(NamedTuple):
    """Who turns a query into a vector.

    Attributes:
        embed: A file, or a path of one, to its vector (embedding_dim,).
        space_id: The space of the vector.
        read: Words to their vector; None for who only hears.
    """

    embed: Callable[[Path], NDArray[np.float32]]
    space_id: str
    read: Callable[[str], NDArray[np.float32]] | None = None


def query(
    index: str | Path | Index,
    sound: str | Path,
    *,
    text: bool = False,
    model: str | Path | None = None,
    k: int = 10,
    exact: bool = False,
    threads: int | None = None,
    allow_code: bool = False,
) -> list[Hit]:
    """Find the clips that sound most like a file, or like what words say.

    A file longer than 10 s counts by the average of its windows.

    Args:
        index: An index, or its path.
        sound: The file, or the words.
        text: Whether it is words, such as `a dog barking`; for `model="teacher:NAME"` of a teacher that reads (CLAP).
        model: Who embeds it. The model that built the index when left out; for an index of a teacher's vectors a
            student of that teacher, in any form that has a mapping head, or `teacher:NAME[@CHECKPOINT]`.
        k: How many clips.
        exact: Compare with every vector even where there is an approximate index.
        threads: Threads for an exported file.
        allow_code: As for `sondo.load`.

    Returns:
        At most k clips, the nearest first.

    Raises:
        SpaceMismatchError: The model's vectors lie in another space than the index.
        SondoError: No index, no model, a file that cannot be read, words for a model that only hears, or what is no
            words with `text`.

    Example:
        `query("index.lance", "dog.wav", k=5)[0].uri`
    """
    if text and not (isinstance(sound, str) and sound.strip()):
        raise SondoError(f"with text=True the query is words in one string, such as 'a dog barking', not {sound!r}")
    opened = index if isinstance(index, Index) else Index(index)
    asker = asker_of(opened, model, threads=threads, allow_code=allow_code)
    if text and asker.read is None:
        raise SondoError(
            "a student only hears: words are for --model teacher:hf:MODEL, the CLAP model in whose space the index "
            "lies (`sondo index --teacher_space` makes such an index with a student)"
        )
    vector = asker.read(str(sound)) if text and asker.read else asker.embed(Path(sound))
    return opened.nearest(vector, space_id=asker.space_id, k=k, exact=exact)


def asker_of(
    index: Index, model: str | Path | None = None, *, threads: int | None = None, allow_code: bool = False
) -> Asker:
    """Who can ask an index; opened once for many questions.

    Args:
        index: The index.
        model: As for `query`.
        threads: Threads for an exported file.
        allow_code: As for `sondo.load`.

    Raises:
        SondoError: As `query`.
    """
    info = index.info
    if model is None:
        if info.kind == "teacher":
            raise SondoError(
                f"{index.path} lies in the space of the teacher {info.model}: say who asks, with --model and a run or "
                f"an exported student of it, or with --model {_TEACHER} and the teacher as `sondo teach` was given it, "
                f"such as {_TEACHER}modulation or {_TEACHER}hf:MODEL"
            )
        model = info.model
        if Path(model).is_absolute() and not Path(model).exists():
            raise SondoError(
                f"{index.path} was built by {model}, which is not there: say where it is now, with --model"
            )
    if str(model).startswith(_TEACHER):
        return _teacher(str(model), info)
    encoder = (
        load_mapped(model, info, threads=threads, allow_code=allow_code)
        if info.kind == "teacher"
        else load_to_embed(model, threads=threads, allow_code=allow_code)
    )
    return Asker(encoder.embed, encoder.space_id)


def _teacher(model: str, info: IndexInfo) -> Asker:
    require("torch", extra="train", why="A teacher needs torch")
    from sondo.evaluate.embed import teacher_embedder
    from sondo.teachers import create

    name, _, checkpoint = model.removeprefix(_TEACHER).partition("@")
    teacher: Any = create(name, checkpoint=checkpoint or None, label=info.model if info.kind == "teacher" else None)
    if not getattr(teacher, "needs_audio", True):
        raise SondoError(f"teacher {name} has vectors of a bank's clips alone: it cannot hear a query")
    embed = teacher_embedder(teacher)
    origin = {key: getattr(teacher, key, None) for key in ("name", "fingerprint", "embedding_dim")}

    def read(words: str) -> NDArray[np.float32]:
        if not hasattr(teacher, "embed_text"):
            raise SondoError(f"teacher {name} only hears: CLAP models of transformers (hf:MODEL) read words")
        return np.asarray(teacher.embed_text([words])[0], dtype=np.float32)

    return Asker(lambda path: np.asarray(embed(path), dtype=np.float32), teacher_space_id(origin), read)
