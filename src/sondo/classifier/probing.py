"""`sondo probe`: a classifier for one's own classes on a student that stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sondo.classifier.encoder import open_encoder
from sondo.classifier.fit import cross_validate, fit_head
from sondo.classifier.given import published_classifier, words_classifier
from sondo.classifier.held_out import best_thresholds
from sondo.classifier.onnx_file import check_out, some_sound
from sondo.classifier.reported import about_head, embed_readable, keep_with_confusion, scored, write_with_report
from sondo.classifier.words import PROMPT
from sondo.errors import SondoError, require
from sondo.evaluate import load_task, told_copies, told_trained_on

_KINDS = ("linear", "mlp")


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
    check_out(out, student=model, overwrite=overwrite)
    if head == "words":
        return words_classifier(
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
        return published_classifier(model, head, data=data, out=out, classes=classes, allow_code=allow_code)
    return _fitted(model, head, data=data, out=out, classes=classes, num_folds=num_folds, allow_code=allow_code)


def _fitted(
    model: str | Path,
    head: str,
    *,
    data: str | Path | None,
    out: Path,
    classes: Sequence[str] | None,
    num_folds: int,
    allow_code: bool,
) -> dict[str, Any]:
    """A head that is fitted on labelled sound."""
    if data is None:
        raise SondoError(f"a {head} head is fitted on labelled sound: name a folder of class folders or a CSV (--data)")
    if classes is not None:
        raise SondoError("the classes of a fitted head are those of the data: only a published head can be given names")
    require("sklearn", extra="train", why="Fitting a head needs scikit-learn")
    task = load_task("folder", data, title=Path(data).resolve().stem, num_folds=num_folds)
    with open_encoder(model, allow_code=allow_code) as encoder:
        task, vectors = embed_readable(task, encoder.model, Path(data))
        task = told_trained_on(told_copies(task, vectors), model)
        held_out = cross_validate(task, vectors, kind="mlp" if head == "mlp" else "linear")
        fitted = fit_head(task, vectors, kind="mlp" if head == "mlp" else "linear").rescaled(*held_out.calibration)
        thresholds = None
        if task.multi_label:
            thresholds = best_thresholds(held_out.probabilities, task.targets()[held_out.clips])
            fitted = fitted.with_thresholds(thresholds.tolist())
        note = about_head(task, fitted, held_out)
        report = note | scored(task, held_out, thresholds)
        clips = some_sound(task.paths, sample_rate=encoder.model.sample_rate)
        keep = partial(keep_with_confusion, task, held_out)
        return write_with_report(encoder, fitted, out, note=note, clips=clips, report=report, keep=keep)
