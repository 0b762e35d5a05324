"""What a run's folder says of itself: settings, curves, scores, files. Nothing is computed here."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sondo.claim import kind_of_run
from sondo.distill.run_folder import STUDENT
from sondo.errors import SondoError, check_readable
from sondo.runtime.files import FILES

Curve: TypeAlias = list[tuple[float, float]]
"""Points of (epochs, value)."""

_CALL = re.compile(r"version_(\d+)[/\\]metrics\.csv$")


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """A file that lies in the run.

    Args:
        name: Its name.
        num_bytes: Its size.
        report: What its comparison with torch said; see `sondo.export.VerifyReport`.
    """

    name: str
    num_bytes: int
    report: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunNotes:
    """A run of `sondo distill` or `sondo train`, finished or not.

    Args:
        folder: Where it lies.
        training: Settings of the training, as in `train.json`.
        recipe: Settings of the whole run, as in `recipe.json`; empty for `sondo train`.
        summary: As in `summary.json`; empty while there is none.
        student: As in `student/config.json`; empty while training goes on.
        curves: Values over epochs, by the names that the logs have.
        files: The exported files.
    """

    folder: Path
    training: Mapping[str, Any]
    recipe: Mapping[str, Any]
    summary: Mapping[str, Any]
    student: Mapping[str, Any]
    curves: Mapping[str, Curve]
    files: list[ExportedFile]

    @property
    def teachers(self) -> list[Mapping[str, Any]]:
        """What made each teacher's column; none where labels alone were learned."""
        return [{"column": teacher["column"], **teacher["origin"]} for teacher in self.training["teachers"]]

    @property
    def bank_path(self) -> Path:
        """Where its bank lies, or lay."""
        return self.folder / str(self.training["bank"]["path"])


def read_notes(folder: Path) -> RunNotes:
    """Read what a run has left.

    Raises:
        SondoError: No run of training there, or one in which training has not begun.
    """
    if not folder.is_dir():
        raise SondoError(
            f"there is no run at {folder}, and no classifier: give the folder of a run, or the file that `sondo probe` "
            "wrote"
        )
    kind = kind_of_run(folder)
    if kind not in ("distill", "train"):
        what = f"a run of `sondo {kind}`" if kind else "no run"
        raise SondoError(f"{folder} holds {what}: a report is of a run of `sondo distill` or `sondo train`")
    training = read_json(folder / "train.json")
    if not training:
        raise SondoError(f"training has not begun in {folder}: there is nothing to report yet")
    return RunNotes(
        folder=folder,
        training=training,
        recipe=read_json(folder / "recipe.json"),
        summary=read_json(folder / "summary.json"),
        student=read_json(folder / STUDENT / "config.json"),
        curves=read_curves(folder / "logs"),
        files=_files(folder),
    )


def read_json(file: Path) -> dict[str, Any]:
    """A note; empty where it is not there.

    Raises:
        SondoError: It is damaged, or may not be read.
    """
    if not file.is_file():
        return {}
    check_readable(file)
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SondoError(f"{file} is damaged ({error})") from error
    return values


def _files(folder: Path) -> list[ExportedFile]:
    """Exported files with the report that lies beside each."""
    reports = {path: read_json(path.with_name(f"{path.name}.json")) for path in sorted(folder.iterdir())}
    return [
        ExportedFile(name=path.name, num_bytes=path.stat().st_size, report=report)
        for path, report in reports.items()
        if path.suffix in FILES and "judged_cosine" in report
    ]


def read_curves(logs: Path) -> dict[str, Curve]:
    """The curves of a training, put together from the logs of all the calls that it took.

    A call that went on from an epoch logs that epoch again: what was logged last counts. A row that is not whole is
    passed over: a training that goes on, or that was ended, may be in the middle of one.

    Args:
        logs: The run's folder of logs.
    """
    by_step: dict[str, dict[int, float]] = {}
    steps_per_epoch = 1.0
    calls = {int(match[1]): file for file in logs.glob("version_*/metrics.csv") if (match := _CALL.search(str(file)))}
    for _, file in sorted(calls.items()):
        for row in _whole_rows(file):
            step = int(row["step"])
            if row.get("train_loss") and row.get("epoch"):
                steps_per_epoch = (step + 1) / (int(row["epoch"]) + 1)
            for name in row.keys() - {"step", "epoch"}:
                if row[name]:
                    by_step.setdefault(name, {})[step] = float(row[name])
    # A loss is logged with an epoch's last step, a rate with the first one.
    ends = {name: 0 if name.startswith("lr-") else 1 for name in by_step}
    return {
        name: [((step + ends[name]) / steps_per_epoch, value) for step, value in sorted(values.items())]
        for name, values in by_step.items()
    }


def _whole_rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        text = lines.read()
    rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return [row for row in rows if None not in row.values() and row.get("step")]
