"""What a downstream task is: labelled clips and the way they are split, no audio and no vectors."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError

Metric = Literal["accuracy", "map"]
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True)
class Task:
    """Labelled clips of a downstream task. Clip ``i`` is ``paths[i]`` with ``labels[i]`` in fold ``folds[i]``.

    Args:
        name: What the task is called in tables and in ``summary.json``.
        paths: One file per clip.
        labels: One label per clip, or one tuple of labels per clip (multi-label).
        metric: ``"accuracy"`` (single label) or ``"map"`` (macro mean average precision, multi-label).
        folds: Fold of each clip; every fold is the test part once. Exactly one of `folds` and `splits` is given.
        splits: ``"train"``, ``"valid"`` or ``"test"`` for each clip.
        groups: Source of each clip, where known: clips of one source must not be in a training and a test part.
        judged: Labels that somebody decided on for each clip, present or not, where that is not all of them: for the
            others the clip is neither a positive nor a negative. Holds the clip's labels too.
        citation: Who made the data.
        licence: Under which licence the audio is.
        source: Where to get it.
        note: What a reader of the score must know, e.g. that the folds are ours.
        complete: Whether all clips of the published task are there; a score on some of them is another score.
    """

    name: str
    paths: tuple[Path, ...]
    labels: tuple[str, ...] | tuple[tuple[str, ...], ...]
    metric: Metric
    folds: tuple[int, ...] | None = None
    splits: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    judged: tuple[tuple[str, ...], ...] | None = None
    citation: str = ""
    licence: str = ""
    source: str = ""
    note: str = ""
    complete: bool = True

    def __post_init__(self) -> None:
        """Check our own invariants; mistakes of users are found in `check_task`."""
        assert (self.folds is None) != (self.splits is None), "a task has folds or splits"
        for column in (self.labels, self.folds, self.splits, self.groups, self.judged):
            assert column is None or len(column) == len(self.paths), "one value per clip"
        assert (self.metric == "map") == self.multi_label, "map is the metric of multi-label tasks"

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.paths)

    @property
    def multi_label(self) -> bool:
        """Whether a clip can have several labels."""
        return bool(self.labels) and not isinstance(self.labels[0], str)

    @property
    def label_sets(self) -> tuple[tuple[str, ...], ...]:
        """The labels of each clip as a tuple, for both kinds of task."""
        return tuple((item,) if isinstance(item, str) else item for item in self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted({label for labels in self.label_sets for label in labels}))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of which file has which labels and part, wherever they lie: a label that was put right changes it."""
        columns = (self.label_sets, self.judged, self.folds, self.splits, self.groups)
        rows = [
            [name, *(None if column is None else column[clip] for column in columns)]
            for clip, name in enumerate(names_below(self.paths))
        ]
        return hashlib.sha256("\n".join(sorted(map(json.dumps, rows))).encode()).hexdigest()[:16]

    def only(self, clips: Sequence[int]) -> Task:
        """The same task with these of its clips alone."""
        kept: dict[str, Any] = {}
        for name in ("paths", "labels", "folds", "splits", "groups", "judged"):
            column = getattr(self, name)
            kept[name] = None if column is None else tuple(column[clip] for clip in clips)
        return replace(self, **kept)

    def targets(self) -> NDArray[np.int64]:
        """Labels as numbers.

        Shape:
            (clips,) index into `classes`, or (clips, classes) of 1, 0 and -1 (not judged) for a multi-label task.
        """
        position = {label: index for index, label in enumerate(self.classes)}
        if not self.multi_label:
            return np.array([position[labels[0]] for labels in self.label_sets], dtype=np.int64)
        targets = np.full((len(self), len(position)), 0 if self.judged is None else -1, dtype=np.int64)
        for row, labels in enumerate(self.judged or ()):
            targets[row, [position[label] for label in labels if label in position]] = 0
        for row, labels in enumerate(self.label_sets):
            targets[row, [position[label] for label in labels]] = 1
        return targets


@dataclass(frozen=True, kw_only=True)
class TaskInfo:
    """A task that `load_task` knows, for the list that ``sondo tasks`` shows.

    Args:
        name: What `load_task` takes.
        metric: What the probe is scored with.
        citation: Who made the data.
        licence: Under which licence the audio is.
        source: Where to get it.
        layout: What is expected on disk.
        splits: How the clips are parted.
        clips: Number of clips that are published.
        sample_rate_hz: Rate of the published sound, where it is the same for all.
        title: What it is called in tables; the name when left out.
        folders: Names that the folder has when unpacked as published.
        options: What `load_task` takes beyond the folder.
    """

    name: str
    metric: str
    citation: str
    licence: str
    source: str
    layout: str
    splits: str = ""
    clips: int | None = None
    sample_rate_hz: int | None = None
    title: str = ""
    folders: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def names_below(paths: Sequence[Path]) -> list[str]:
    """Files as they lie below the folder that all have in common, so that they are the same wherever that is."""
    whole = [path.absolute() for path in paths]  # a table may name some from its folder and others in full
    try:
        common = os.path.commonpath([path.parent for path in whole])
    except ValueError:  # no file, or drives of Windows that have no folder in common
        return [path.as_posix() for path in whole]
    return [path.relative_to(common).as_posix() for path in whole]


def check_task(task: Task, where: Path, *, needs_test: bool = True) -> Task:
    """Return the task if a probe can be trained and tested on it.

    Args:
        task: The task.
        where: Where it is from, for messages.
        needs_test: Whether a split must have a test part.

    Raises:
        SondoError: One class only, a file listed twice, a split without clips, a class that some training part
            lacks, a test part without a label, or a source (group) that is spread over folds or splits.
    """
    if len(task.classes) < 2:
        raise SondoError(f"{where}: all clips have the label {', '.join(task.classes)!r}; two classes are needed.")
    twice = [str(path) for path, count in Counter(task.paths).items() if count > 1]
    if twice:
        raise SondoError(
            f"{where}: {len(twice)} files are listed more than once ({_some(twice)}). "
            "List each file once; several labels of one file are separated by ';'."
        )
    parts: tuple[int, ...] | tuple[str, ...]
    if task.folds is not None:
        parts = task.folds
        if len(set(parts)) < 2:
            raise SondoError(f"{where}: all clips are in fold {parts[0]}; two folds or more are needed.")
    else:
        assert task.splits is not None
        parts = task.splits
        _check_splits(task.splits, where, needs_test=needs_test)
    _check_classes(task, where)
    if needs_test or task.folds is not None or "test" in parts:
        _check_tested(task, where)
    if task.groups is not None:
        seen: dict[str, set[str]] = {}
        for group, part in zip(task.groups, parts, strict=True):
            seen.setdefault(group, set()).add(str(part))
        spread = [group for group, found in seen.items() if len(found) > 1]
        if spread:
            kind = "folds" if task.folds is not None else "splits"
            raise SondoError(
                f"{where}: {len(spread)} groups have clips in several {kind} ({_some(spread)}): the test part would "
                f"hold sound that the probe was trained on. Give all clips of a group the same value."
            )
    return task


def _check_splits(splits: tuple[str, ...], where: Path, *, needs_test: bool) -> None:
    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        raise SondoError(f"{where}: unknown split {_some(unknown)}; the splits are {', '.join(SPLITS)}.")
    for needed in ("train", "test") if needs_test else ("train",):
        if needed not in splits:
            there = ", ".join(sorted(set(splits)))
            advice = " Call the part that is held back 'test'." if needed == "test" and "valid" in splits else ""
            raise SondoError(f"{where}: no clip has the split {needed!r}; found {there}.{advice}")


def _check_classes(task: Task, where: Path) -> None:
    """Every class must be in every training part, or the probe cannot know it."""
    parts_of: dict[str, set[str]] = {label: set() for label in task.classes}
    parts = [str(part) for part in task.folds or task.splits or ()]
    for labels, part in zip(task.label_sets, parts, strict=True):
        for label in labels:
            parts_of[label].add(part)
    if task.splits is not None:
        lacking = [label for label, found in parts_of.items() if "train" not in found]
        if lacking:
            raise SondoError(f"{where}: no training clip for {len(lacking)} classes ({_some(lacking)}).")
        return
    lacking = [label for label, found in parts_of.items() if len(found) < 2]
    if lacking:
        raise SondoError(
            f"{where}: all clips of {len(lacking)} classes ({_some(lacking)}) are in one fold, so that the probe would "
            "be tested on a class that it never saw. Add clips, change the folds, or leave the class out."
        )


def _check_tested(task: Task, where: Path) -> None:
    """Every test part needs a clip with a label, or there is nothing to find in it."""
    parts = task.folds or task.splits or ()
    tested = set(parts) if task.folds is not None else {"test"}
    bare = tested - {part for labels, part in zip(task.label_sets, parts, strict=True) if labels}
    if bare:
        kind = "fold" if task.folds is not None else "split"
        raise SondoError(
            f"{where}: no clip of {kind} {min(bare, key=str)} has a label, so that nothing can be found in it. Spread "
            f"the clips of no class over the {kind}s."
        )


def _some(names: list[str], limit: int = 3) -> str:
    """The first few names, and that there are more."""
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
