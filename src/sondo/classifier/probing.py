"""`sondo probe`: a classifier for one's own classes on a student that stays as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.errors import AudioError
from sondo.claim import write_json
from sondo.classifier.encoder import Audio, Encoder, open_encoder
from sondo.classifier.fit import HeldOut, cross_validate, fit_head, judge
from sondo.classifier.head import Head
from sondo.classifier.held_out import best_thresholds, class_table, confusion_matrix
from sondo.classifier.onnx_file import check_out, some_sound, write_classifier
from sondo.classifier.picture import draw_confusion
from sondo.classifier.published import HEADS, STUDENT, load_head
from sondo.classifier.readable import MAX_BAD_SHARE, readable_part
from sondo.classifier.words import PROMPT, WordHead, words_head
from sondo.errors import MissingExtraError, SondoError, require
from sondo.evaluate import Task, load_task
from sondo.evaluate.embed import EmbedFile, embed_file
from sondo.screen import say, track

_KINDS = ("linear", "mlp")
_FLATTERS = "the thresholds were chosen on these held-out clips, so that F1, found and false alarms flatter"
_SHOWN = 3


def probe(
    model: str | Path,
    *,
    data: str | Path | None = None,
    out: str | Path,
    head: str = "linear",
    classes: Sequence[str] | None = None,
    teacher: Any = None,
    prompt: str = PROMPT,
    num_folds: int = 5,
    overwrite: bool = False,
    allow_code: bool = False,
) -> dict[str, Any]:
    """Make a classifier: a student that stays as it is, with a head for the classes of a folder or a CSV, or for words.

    The score is of heads that never heard the clips that they were asked about; the head in the file is then fitted on
    all clips. Its probabilities are calibrated on those held-out clips, and with several labels each class's threshold
    is the one of the highest F1 on them.

    Beside the file come `<out>.json`, the report, and `<name>.confusion.png`, the confusion matrix.

    Args:
        model: What `sondo.load` takes: an .onnx file (needs no torch), a run, a student's folder, a published name.
        data: A folder of class folders, or a CSV, as the task `folder` takes it: its folds, splits and groups are kept.
        out: The classifier, ending in .onnx.
        head: `linear` or `mlp`, fitted on `data`; `words`, fitted on nothing, for a student of a teacher that reads
            (CLAP); or a published head or its .pth file, taken as it is without `data`.
        classes: Names of the classes of a published head; or the words, which are the classes of `data` when left out.
        teacher: For words, who reads them: the student's teacher, or its name as `sondo teach` takes it.
        prompt: For words, the sentence around each, with `{}` in its place.
        num_folds: Folds that are made where the data brings none.
        overwrite: Replace a file that is there.
        allow_code: As for `sondo.load`.

    Returns:
        What stands in the report.

    Raises:
        SondoError: Data of which more than 1 file in 20 cannot be read (fewer are named on the screen and left out), a
            model that does not exist, a file in the way.

    Example:
        `probe("runs/first", data="dogs_and_cats/", out="classifier.onnx")["score"]`
    """
    out = Path(out)
    check_out(out, overwrite=overwrite)
    if head == "words":
        return _words(
            model,
            data=data,
            out=out,
            classes=classes,
            teacher=teacher,
            prompt=prompt,
            num_folds=num_folds,
            allow_code=allow_code,
        )
    if teacher is not None:
        raise SondoError("a teacher is asked for words alone: leave --teacher out, or take --head words")
    if head not in _KINDS:
        return _published(model, head, data=data, out=out, classes=classes, allow_code=allow_code)
    if data is None:
        raise SondoError(f"a {head} head is fitted on labelled sound: name a folder of class folders or a CSV (--data)")
    if classes is not None:
        raise SondoError("the classes of a fitted head are those of the data: only a published head can be given names")
    require("sklearn", extra="train", why="Fitting a head needs scikit-learn")
    task = load_task("folder", data, title=Path(data).resolve().stem, num_folds=num_folds)
    with tempfile.TemporaryDirectory() as scratch:
        encoder = open_encoder(model, Path(scratch) / "student.onnx", allow_code=allow_code)
        task, vectors = _embed_readable(task, encoder.model.embed, Path(data))
        held_out = cross_validate(task, vectors, kind="mlp" if head == "mlp" else "linear")
        fitted = fit_head(task, vectors, kind="mlp" if head == "mlp" else "linear").rescaled(*held_out.calibration)
        thresholds = None
        if task.multi_label:
            thresholds = best_thresholds(held_out.probabilities, task.targets()[held_out.clips])
            fitted = fitted.with_thresholds(thresholds.tolist())
        note = _note(task, fitted, held_out)
        report = note | _scored(task, held_out, thresholds)
        clips = some_sound(task.paths, sample_rate=encoder.model.sample_rate)
        keep = partial(_keep, task, held_out)
        return _write(encoder, fitted, out, note=note, clips=clips, report=report, keep=keep)


def _words(
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
        if task.multi_label or (classes is not None and set(classes) != set(task.classes)):
            why = "several labels of a clip" if task.multi_label else f"the classes {', '.join(task.classes)}"
            raise SondoError(f"words choose one class for each clip, by the names in the data: {data} has {why}")
    names = task.classes if task is not None else tuple(classes or ())
    head = words_head(model, names, teacher=teacher, prompt=prompt, allow_code=allow_code)
    note: dict[str, Any] = {"head": head.kind, "source": str(getattr(teacher, "name", teacher)), "prompt": prompt}
    with tempfile.TemporaryDirectory() as scratch:
        encoder = open_encoder(model, Path(scratch) / "student.onnx", allow_code=allow_code)
        if task is None:
            return _write(encoder, head, out, note=note, clips=_noise(encoder), report=note, keep=_keep_report)
        task, vectors = _embed_readable(task, encoder.model.embed, Path(str(data)))
        held_out = judge(task, head.logits, vectors)
        report = note | _note(task, head, held_out) | _scored(task, held_out, None)
        clips = some_sound(task.paths, sample_rate=encoder.model.sample_rate)
        return _write(encoder, head, out, note=note, clips=clips, report=report, keep=partial(_keep, task, held_out))


def _scored(task: Task, held_out: HeldOut, thresholds: NDArray[np.float64] | None) -> dict[str, Any]:
    """What a report says of the clips that the heads had not heard."""
    return {
        "ci95": list(held_out.ci95),
        "per_fold": list(held_out.per_fold),
        "note": "; ".join(filter(None, (task.note, _FLATTERS if task.multi_label else ""))),
        "by_class": class_table(task, held_out, thresholds),
    }


def _noise(encoder: Encoder) -> list[Audio]:
    """Sound to compare on where no files are given."""
    noise = np.random.default_rng(0).standard_normal((3, 2 * encoder.model.sample_rate)).astype(np.float32)
    return [0.1 * row for row in noise]


def _keep_report(report: dict[str, Any], out: Path) -> None:
    write_json(_report_path(out), report)


def _published(
    model: str | Path,
    name: str,
    *,
    data: str | Path | None,
    out: Path,
    classes: Sequence[str] | None,
    allow_code: bool,
) -> dict[str, Any]:
    """A head that exists already, on the student that it belongs to."""
    if data is not None:
        raise SondoError(f"{name} is a head that is fitted already: leave out --data, or take --head linear or mlp")
    head = load_head(name, classes=classes)
    if name in HEADS:
        if str(model) != STUDENT:
            say(f"the published heads belong to {STUDENT}: with the embeddings of another student they mean nothing")
        if classes is None:
            say(f"{name}: the file names no classes; these are those of {HEADS[name].source}")
    with tempfile.TemporaryDirectory() as scratch:
        encoder = open_encoder(model, Path(scratch) / "student.onnx", allow_code=allow_code)
        note = {"head": head.kind, "source": str(name)}
        return _write(encoder, head, out, note=note, clips=_noise(encoder), report={}, keep=_keep_report)


def _embed_readable(task: Task, embed: EmbedFile, data: Path) -> tuple[Task, NDArray[np.float32]]:
    """The vectors of the clips that can be read, and the task without the others.

    Shape:
        Vectors: (clips that are left, embedding_dim).
    """
    vectors: list[NDArray[np.float32]] = []
    kept: list[int] = []
    bad: list[str] = []
    with track("embed", total=len(task)) as line:
        for clip, path in enumerate(task.paths):
            try:
                vectors.append(embed_file(path, embed, like=vectors[0] if vectors else None))
                kept.append(clip)
            except AudioError as error:
                bad.append(str(error))
                if len(bad) > MAX_BAD_SHARE * len(task):
                    raise SondoError(
                        f"{len(bad)} of {len(task)} files cannot be read, more than a share of {MAX_BAD_SHARE:g}: "
                        f"{'; '.join(bad[:_SHOWN])}. Mend them, or take them out of the data"
                    ) from error
            line.advance()
    for message in bad:
        say(f"left out: {message}")
    return readable_part(task, kept, data), np.stack(vectors)


def _write(
    encoder: Encoder,
    head: Head | WordHead,
    out: Path,
    *,
    note: dict[str, Any],
    clips: list[Audio],
    report: dict[str, Any],
    keep: Callable[[dict[str, Any], Path], None],
) -> dict[str, Any]:
    """The file, and before it gets its name, what is kept beside it."""
    about = {
        "path": str(out),
        "bytes": 0,
        "student": encoder.model.name,
        "space_id": encoder.model.space_id,
        "licence": encoder.model.licence,
        "classes": list(head.classes),
        "multi_label": head.multi_label,
        "compared": {"with": encoder.compared_with},
        **report,
    }

    def beside(compared: dict[str, Any], num_bytes: int) -> None:
        about["bytes"] = num_bytes
        about["compared"] |= compared
        keep(about, out)

    write_classifier(encoder.path, head, out, note=note, embed=encoder.reference, clips=clips, beside=beside)
    return about


def _note(task: Task, head: Head | WordHead, held_out: HeldOut) -> dict[str, Any]:
    """What the file itself says of its head."""
    return {
        "head": head.kind,
        "data": task.name,
        "clips": len(task),
        "metric": task.metric,
        "score": held_out.score,
    }


def _keep(task: Task, held_out: HeldOut, report: dict[str, Any], out: Path) -> None:
    """The report and the picture, beside the file."""
    if not task.multi_label:
        counts = confusion_matrix(task, held_out)
        report["confusion"] = counts.tolist()
        title = f"{task.name}: {counts.trace()} of {counts.sum()} held-out clips right"
        try:
            report["picture"] = str(
                draw_confusion(counts, task.classes, out.with_suffix(".confusion.png"), title=title)
            )
        except MissingExtraError as error:
            say(f"no picture: {error}")
    write_json(_report_path(out), report)


def _report_path(out: Path) -> Path:
    return Path(f"{out}.json")
