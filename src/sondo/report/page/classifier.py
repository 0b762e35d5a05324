"""What the page of a classifier shows: of `sondo probe`'s file, or of a fine-tuned run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sondo.audio.decode import read_clips
from sondo.audio.errors import AudioError
from sondo.audio.logmel import LogMelConfig, log_mel
from sondo.claim import flatten, kind_of_run
from sondo.errors import SondoError
from sondo.report.page import pictures
from sondo.report.page.notes import read_curves, read_json
from sondo.runtime.files import FILES

_MOST_MISTAKES, _SHOWN_S = 12, 10.0
_MOST_CLASSES, _MOST_CONFUSIONS = 60, 40
_UNHEARD = "that the heads which were asked had not been fitted on"


def classifier_content(source: Path) -> dict[str, Any]:
    """What the template `classifier.html.j2` shows.

    Args:
        source: A classifier's file, with its report beside it; or the folder of a finished `sondo finetune`.

    Raises:
        SondoError: No report of a classifier there.
    """
    if source.is_dir():
        summary = read_json(source / "summary.json")
        if not summary:
            raise SondoError(f"the fine-tuning in {source} is not finished: type its command again, it goes on")
        found, curves = _of_finetuning(summary), read_curves(source / "logs")
        settings, files = flatten(read_json(source / "train.json")), [source / "classifier.onnx"]
    else:
        report = read_json(source.with_name(f"{source.name}.json"))
        if "classes" not in report:
            of_run = f"; that of {source.name} is its run's: sondo report {source.parent}"
            raise SondoError(
                f"{source} has no report of `sondo probe` beside it: a report is of a run or of a classifier"
                f"{of_run if source.suffix in FILES and kind_of_run(source.parent) else ''}"
            )
        found, curves, settings, files = _of_probe(report), {}, {}, [source]
    return {
        "name": files[0].name if source.is_file() else source.resolve().name,
        "found": found | {"file": files[0].name},
        "pictures": {"curves": pictures.draw_curves(curves) if curves else None},
        "confusions": _commonest(found["confusion"]) if len(found["classes"]) > _MOST_CLASSES else None,
        "mistakes": _pictured(found["mistakes"][:_MOST_MISTAKES]),
        "settings": settings,
        "files": files,
    }


def _of_probe(report: Mapping[str, Any]) -> dict[str, Any]:
    words = f", read by {report['source']} as {report['prompt']!r}" if "prompt" in report else ""
    return {
        "classes": report["classes"],
        "how": f"{report.get('head', 'a published')} head on {report['student']}{words}",
        "space_id": report["space_id"],
        "licence": report["licence"],
        "metric": report.get("metric"),
        "score": report.get("score"),
        "ci95": report.get("ci95"),
        "judged_on": f"{report.get('judged_clips', report.get('clips'))} clips",
        "judged_as": "of which nothing was learned" if words else _UNHEARD,
        "note": report.get("note"),
        "by_class": report.get("by_class", []),
        "confusion": report.get("confusion"),
        "mistakes": report.get("mistakes", []),
        "num_bytes": report["bytes"],
        "compared": report["compared"],
        "compared_with": report["compared"]["with"],
    }


def _of_finetuning(summary: Mapping[str, Any]) -> dict[str, Any]:
    part = "test" if "test" in summary else "valid"
    student, judged, file = summary["student"], summary[part], summary["classifier"]
    clips = summary["clips"]
    return {
        "classes": summary["classes"],
        "how": f"{student['name']} fine-tuned on {clips['train']} clips, weights of epoch {summary['epoch']}",
        "space_id": student["space_id"],
        "licence": student["licence"],
        "metric": summary["metric"],
        "score": judged["score"],
        "ci95": judged["ci95"],
        "judged_on": f"{clips[part]} clips",
        "judged_as": "kept back until the end" if part == "test" else "that chose the epoch: the score flatters",
        "note": summary["note"],
        "by_class": judged.get("by_class", []),
        "confusion": judged.get("confusion"),
        "mistakes": judged.get("mistakes", []),
        "num_bytes": file["bytes"],
        "compared": file["compared"],
        "compared_with": "the student in torch",
    }


def _commonest(confusion: Sequence[Sequence[int]] | None) -> list[tuple[int, int, int]]:
    """What is taken for what, as (row, column, clips), the most clips first: all of many classes would be too much."""
    counts = np.array(confusion or [[0]])
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    rows, columns = np.unravel_index(order, counts.shape)
    found = zip(rows.tolist(), columns.tolist(), counts[rows, columns].tolist(), strict=True)
    return [each for each in found if each[2]]


def _pictured(mistakes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mistakes with a short name and, where the file is still there, the log-mel of its beginning."""
    if not mistakes:
        return []
    above = os.path.commonpath([str(Path(mistake["path"]).absolute().parent) for mistake in mistakes])
    return [
        {
            **mistake,
            "name": os.path.relpath(Path(mistake["path"]).absolute(), above),
            "image": _image(Path(mistake["path"])),
        }
        for mistake in mistakes
    ]


def _image(path: Path) -> str | None:
    config = LogMelConfig()
    try:
        sound = next(read_clips(path, [(0.0, _SHOWN_S)], sample_rate=config.sample_rate))
    except (AudioError, StopIteration):
        return None
    return pictures.log_mel_image(log_mel(sound, config=config))
