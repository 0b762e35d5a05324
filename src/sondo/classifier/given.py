"""Classifiers whose head is not fitted: of words, or one that others published."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sondo.classifier.encoder import Audio, Encoder, open_encoder
from sondo.classifier.fit import judge
from sondo.classifier.onnx_file import some_sound
from sondo.classifier.published import HEADS, STUDENT, load_head
from sondo.classifier.reported import (
    about_head,
    embed_readable,
    keep_report,
    keep_with_confusion,
    scored,
    write_with_report,
)
from sondo.classifier.words import words_head
from sondo.errors import SondoError
from sondo.evaluate import Task, load_task
from sondo.screen import say

_MOST_NAMED = 3


def words_classifier(
    model: str | Path,
    *,
    data: str | Path | None,
    out: Path,
    classes: Sequence[str] | None,
    teacher: Any,
    prompt: str,
    num_folds: int,
    allow_code: bool,
) -> dict[str, Any]:
    """A head of words, and what it knows of labelled sound where there is some."""
    if teacher is None:
        raise SondoError("who reads the words? Name the student's teacher, such as --teacher hf:MODEL of a CLAP model")
    if data is None and classes is None:
        raise SondoError(
            "which words? Give a text file with one in each line (--classes, in Python classes=[…]), or data"
        )
    task = None
    if data is not None:
        task = load_task("folder", data, title=Path(data).resolve().stem, num_folds=num_folds)
        _check_words(classes, task, data)
    names = task.classes if task is not None else tuple(classes or ())
    head = words_head(model, names, teacher=teacher, prompt=prompt, allow_code=allow_code)
    note: dict[str, Any] = {"head": head.kind, "source": str(getattr(teacher, "name", teacher)), "prompt": prompt}
    with open_encoder(model, allow_code=allow_code) as encoder:
        if task is None:
            return write_with_report(
                encoder, head, out, note=note, clips=_made_sound(encoder), report=note, keep=keep_report
            )
        task, vectors = embed_readable(task, encoder.model, Path(str(data)))
        held_out = judge(task, head.logits, vectors)
        report = note | about_head(task, head, held_out) | scored(task, held_out, None)
        clips = some_sound(task.paths, sample_rate=encoder.model.sample_rate)
        return write_with_report(
            encoder, head, out, note=note, clips=clips, report=report, keep=partial(keep_with_confusion, task, held_out)
        )


def _check_words(classes: Sequence[str] | None, task: Task, data: str | Path) -> None:
    """Refuse data that cannot measure words.

    Raises:
        SondoError: Several labels of a clip, or classes that are not the words.
    """
    if task.multi_label:
        raise SondoError(f"words choose one class for each clip, and {data} has several labels of a clip")
    words = task.classes if classes is None else classes
    unasked = [name for name in task.classes if name not in words]
    unknown = [word for word in words if word not in task.classes]
    if unasked or unknown:
        lacking = [f"no word is {_some(unasked)}"] * bool(unasked) + [f"no label is {_some(unknown)}"] * bool(unknown)
        raise SondoError(
            f"words are measured by the names in the data, and those of {data} are others: {', '.join(lacking)}. Spell "
            "the words as the data do, or leave out --classes (in Python classes)"
        )


def _some(names: Sequence[str]) -> str:
    more = f" or {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{' or '.join(map(repr, names[:_MOST_NAMED]))}{more}"


def published_classifier(
    model: str | Path,
    name: str,
    *,
    data: str | Path | None,
    out: Path,
    classes: Sequence[str] | None,
    allow_code: bool,
) -> dict[str, Any]:
    """A head that exists already, on the student that it belongs to."""
    if name not in HEADS and not Path(name).exists():
        raise SondoError(
            f"no head is called {name!r}: take linear, mlp or words; or leave out --data and take a published one "
            f"({', '.join(HEADS)}), or a .pth file"
        )
    if data is not None:
        raise SondoError(f"{name} is a head that is fitted already: leave out --data, or take --head linear or mlp")
    head = load_head(name, classes=classes)
    if name in HEADS:
        if str(model) != STUDENT:
            say(f"the published heads belong to {STUDENT}: with the embeddings of another student they mean nothing")
        if classes is None:
            say(f"{name}: the file names no classes; these are those of {HEADS[name].source}")
    with open_encoder(model, allow_code=allow_code) as encoder:
        note = {"head": head.kind, "source": str(name)}
        return write_with_report(encoder, head, out, note=note, clips=_made_sound(encoder), report={}, keep=keep_report)


def _made_sound(encoder: Encoder) -> list[Audio]:
    """Sound to compare on where no files are given."""
    noise = np.random.default_rng(0).standard_normal((3, 2 * encoder.model.sample_rate)).astype(np.float32)
    return [0.1 * row for row in noise]
