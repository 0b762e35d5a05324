"""A classifier's file with its report: what was found on labelled sound, and what is written beside the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.errors import AudioError
from sondo.claim import write_json
from sondo.classifier.encoder import Audio, Encoder
from sondo.classifier.fit import HeldOut
from sondo.classifier.head import Head
from sondo.classifier.held_out import class_table, confusion_matrix, surest_mistakes
from sondo.classifier.onnx_file import write_classifier
from sondo.classifier.picture import draw_if_can
from sondo.classifier.readable import MAX_BAD_SHARE, readable_part
from sondo.classifier.words import WordHead
from sondo.errors import SondoError
from sondo.evaluate import Task
from sondo.evaluate.embed import checked_vector
from sondo.in_threads import in_order
from sondo.runtime import Model
from sondo.screen import say, track

_FLATTERS = "the thresholds were chosen on these held-out clips, so that F1, found and false alarms flatter"
_SHOWN = 3


def embed_readable(task: Task, model: Model, data: Path) -> tuple[Task, NDArray[np.float32]]:
    """The vectors of the clips that can be read, and the task without the others.

    Shape:
        Vectors: (clips that are left, embedding_dim).
    """
    vectors: list[NDArray[np.float32]] = []
    kept: list[int] = []
    bad: list[str] = []
    with (
        track("embed", total=len(task)) as line,
        in_order(model.embed, task.paths, at_once=model.at_once) as outcomes,
    ):
        for clip, (path, outcome) in enumerate(zip(task.paths, outcomes, strict=True)):
            try:
                vectors.append(checked_vector(path, outcome, like=vectors[0] if vectors else None))
                kept.append(clip)
            except AudioError as error:
                bad.append(str(error))
                if len(bad) > MAX_BAD_SHARE * len(task):
                    raise SondoError(
                        f"at least {len(bad)} of {len(task)} files cannot be read, more than a share of "
                        f"{MAX_BAD_SHARE:g}: {'; '.join(bad[:_SHOWN])}. Mend them, or take them out of the data"
                    ) from error
            line.advance()
    for message in bad:
        say(f"left out: {message}")
    return readable_part(task, kept, data), np.stack(vectors)


def write_with_report(
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
        _picture_path(out).unlink(missing_ok=True)  # of a classifier that was there before
        keep(about, out)

    write_classifier(encoder.path, head, out, note=note, embed=encoder.reference, clips=clips, beside=beside)
    return about


def about_head(task: Task, head: Head | WordHead, held_out: HeldOut) -> dict[str, Any]:
    """What the file itself says of its head."""
    return {
        "head": head.kind,
        "data": task.name,
        "clips": len(task),
        "metric": task.metric,
        "score": held_out.score,
    }


def scored(task: Task, held_out: HeldOut, thresholds: NDArray[np.float64] | None) -> dict[str, Any]:
    """What a report says of the clips that the heads had not heard."""
    return {
        "judged_clips": len(held_out.clips),
        "ci95": list(held_out.ci95),
        "per_fold": list(held_out.per_fold),
        "note": "; ".join(filter(None, (task.note, _FLATTERS if task.multi_label else ""))),
        "by_class": class_table(task, held_out.clips, held_out.probabilities, thresholds),
        "mistakes": surest_mistakes(task, held_out.clips, held_out.probabilities, thresholds),
    }


def keep_with_confusion(task: Task, held_out: HeldOut, report: dict[str, Any], out: Path) -> None:
    """The report and the picture, beside the file."""
    if not task.multi_label:
        counts = confusion_matrix(task, held_out.clips, held_out.probabilities)
        title = f"{task.name}: {counts.trace()} of {counts.sum()} held-out clips right"
        report["confusion"] = counts.tolist()
        report |= draw_if_can(counts, task.classes, _picture_path(out), title=title)
    write_json(_report_path(out), report)


def keep_report(report: dict[str, Any], out: Path) -> None:
    """The report beside the file."""
    write_json(_report_path(out), report)


def _picture_path(out: Path) -> Path:
    return out.with_suffix(".confusion.png")


def _report_path(out: Path) -> Path:
    return Path(f"{out}.json")
