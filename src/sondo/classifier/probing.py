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
from sondo.classifier.fit import HeldOut, cross_validate, fit_head
from sondo.classifier.head import Head
from sondo.classifier.held_out import best_thresholds, class_table, confusion_matrix
from sondo.classifier.onnx_file import check_out, some_sound, write_classifier
from sondo.classifier.picture import draw_confusion
from sondo.classifier.published import HEADS, STUDENT, load_head
from sondo.classifier.readable import MAX_BAD_SHARE, readable_part
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
    num_folds: int = 5,
    overwrite: bool = False,
    allow_code: bool = False,
) -> dict[str, Any]:
    """Make a classifier: a student that stays as it is, with a head for the classes of a folder or a CSV.

    The score is of heads that never heard the clips that they were asked about; the head in the file is then fitted on
    all clips. Its probabilities are calibrated on those held-out clips, and with several labels each class's threshold
    is the one of the highest F1 on them.

    Beside the file come `<out>.json`, the report, and `<name>.confusion.png`, the confusion matrix.

    Args:
        model: What `sondo.load` takes: an .onnx file (needs no torch), a run, a student's folder, a published name.
        data: A folder of class folders, or a CSV, as the task `folder` takes it: its folds, splits and groups are kept.
        out: The classifier, ending in .onnx.
        head: `linear` or `mlp`, fitted on `data`; or a published head or its .pth file, taken as it is without `data`.
        classes: Names of the classes of a published head.
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
        report = note | {
            "ci95": list(held_out.ci95),
            "per_fold": list(held_out.per_fold),
            "note": "; ".join(filter(None, (task.note, _FLATTERS if task.multi_label else ""))),
            "by_class": class_table(task, held_out, thresholds),
        }
        clips = some_sound(task.paths, sample_rate=encoder.model.sample_rate)
        keep = partial(_keep, task, held_out)
        return _write(encoder, fitted, out, note=note, clips=clips, report=report, keep=keep)


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
        noise = np.random.default_rng(0).standard_normal((3, 2 * encoder.model.sample_rate)).astype(np.float32)
        clips = [0.1 * row for row in noise]
        note = {"head": head.kind, "source": str(name)}
        keep = lambda report, out: write_json(_report_path(out), report)  # noqa: E731
        return _write(encoder, head, out, note=note, clips=clips, report={}, keep=keep)


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
    head: Head,
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


def _note(task: Task, head: Head, held_out: HeldOut) -> dict[str, Any]:
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
