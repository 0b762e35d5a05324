"""Sounds that a score should not be trusted for, since their answers were learned.

They are copies of sounds that the probe is trained on, or those that the model itself was fine-tuned on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.claim import kind_of_run
from sondo.evaluate.task import Task
from sondo.screen import say

TRAINED_ON = "manifest.parquet"
"""In a fine-tuning's folder: `path`, `labels` and `split` of its clips."""


def told_copies(task: Task, vectors: NDArray[np.floating]) -> Task:
    """The task, whose note says how many sounds have copies on both sides of its split or in several folds.

    Copies have the same vector to the bit, whatever their names are, and their formats where nothing is lost.

    Args:
        task: The task.
        vectors: What any model makes of its clips, (clips, embedding_dim).
    """
    sides = task.folds if task.splits is None else [split == "test" for split in task.splits]
    assert sides is not None, "a task has folds or splits"
    if (vectors == vectors[0]).all():  # a model that tells nothing apart, which says nothing of the sounds
        return task
    return told_alike(task, [hashlib.blake2b(vector.tobytes()).digest() for vector in vectors], sides)


def told_alike(task: Task, keys: Sequence[bytes], sides: Sequence[object]) -> Task:
    """The same by anything that is equal for copies.

    Which they are is said on the screen alone, since a report that is pushed names no sound.

    Args:
        task: The task.
        keys: Of each clip.
        sides: Of each clip, what parts those that are trained on from those that are asked about.
    """
    alike: dict[bytes, list[int]] = {}
    for clip, key in enumerate(keys):
        alike.setdefault(key, []).append(clip)
    apart = [clips for clips in alike.values() if len({sides[clip] for clip in clips}) > 1]
    if not apart:
        return task
    first, other = apart[0][0], next(clip for clip in apart[0] if sides[clip] != sides[apart[0][0]])
    unlike = sum(len({task.label_sets[clip] for clip in clips}) > 1 for clips in apart)
    advice = "" if task.citation else ": keep one of each, or give copies one group in a CSV"  # published sets stay
    told = (
        f"sounds were trained on and asked about again as copies, {len(apart)} of them"
        f"{f', {unlike} under labels that differ' if unlike else ''}{advice}"
    )
    say(f"copies on both sides of the split (equal to the bit), such as {task.paths[first]} and {task.paths[other]}")
    return _noted(task, told)


def told_trained_on(task: Task, model: str | Path) -> Task:
    """The task, whose note says how many of its clips the model learned the classes of, where it is of a fine-tuning.

    Args:
        task: The task.
        model: A fine-tuning's folder, or its student or a file in it; of anything else nothing is known.
    """
    model = Path(model)
    runs = [folder for folder in (model, model.parent) if kind_of_run(folder) == "finetune"]
    if not runs or not (runs[0] / TRAINED_ON).is_file():
        return task
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(runs[0] / TRAINED_ON, columns=["path", "split"]).to_pylist()
    trained = {str(Path(row["path"]).resolve()) for row in table if row["split"] == "train"}
    known = sum(str(path.resolve()) in trained for path in task.paths)
    if not known:
        return task
    told = f"{known} of the {len(task)} clips are among those that the model was fine-tuned on"
    return _noted(task, told)


def _noted(task: Task, why: str) -> Task:
    return replace(task, note="; ".join(filter(None, (task.note, f"the score flatters: {why}"))))
