"""One cell of a grid: a variant with a seed, trained and scored; its result is a file, so that a grid goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sondo.bank import Bank
from sondo.claim import NEVER_BOUND, flatten, one_path, write_json
from sondo.distill.alignment import alignment
from sondo.distill.cluster import cluster, configured_k
from sondo.distill.teach import configured_column
from sondo.distill.train import train
from sondo.errors import SondoError
from sondo.evaluate import Task, embed_task, evaluate_vectors
from sondo.recipe import Recipe
from sondo.screen import say
from sondo.students import TorchModel, load, load_projectors

RESULT = "cell.json"
_UNKNOWN = "was scored by an earlier version, which did not note its labels"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A run of the grid.

    Args:
        variant: Name of the variant.
        recipe: Its settings; `out` is the cell's folder and `train.seed` its seed.
    """

    variant: str
    recipe: Recipe

    @property
    def name(self) -> str:
        """What the screen calls it."""
        return f"{self.variant}, seed {self.recipe.train.seed}"

    @property
    def file(self) -> Path:
        """Where its result lies."""
        return Path(self.recipe.out) / RESULT

    @property
    def columns(self) -> list[str]:
        """The teachers' columns in the bank."""
        return [configured_column(config) for config in self.recipe.teachers]

    def settings(self) -> dict[str, Any]:
        """What makes the result this result, JSON-able."""
        values = json.loads(json.dumps(self.recipe.to_dict()))
        return {key: values[key] for key in ("teacher", "more_teachers", "student", "cluster", "train", "augment")}

    def standing(self) -> dict[str, Any]:
        """The result as far as it is there.

        Raises:
            SondoError: It is of other settings, or damaged.
        """
        if not self.file.exists():
            return {}
        try:
            result: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SondoError(f"{self.file} is damaged ({error}): delete it, and the student is scored again") from error
        was, is_now = flatten(result["settings"]), flatten(self.settings())
        differs = [
            f"{key} was {was.get(key)!r}, is now {is_now.get(key)!r}"
            for key in sorted({*was, *is_now})
            if was.get(key) != is_now.get(key)
            and key not in NEVER_BOUND
            and not one_path(was.get(key), is_now.get(key), self.file.parent)
        ]
        if differs:
            raise SondoError(
                f"{self.file} is of another run: {'; '.join(differs)}. Give the variant another name, name another "
                f"--out, or delete {self.file.parent}, and it is run again"
            )
        return result

    def lacks(self, tasks: Mapping[str, Task]) -> bool:
        """Whether there is something left to do."""
        standing = self.standing()
        return not standing or not all(_is_scored(standing, name, task) for name, task in tasks.items())


def _is_scored(standing: dict[str, Any], name: str, task: Task) -> bool:
    """Whether there is a score of a task, and of the labels and parts that it has now."""
    kept = standing["tasks"].get(name)
    return kept is not None and kept.get("data") == task.fingerprint


def run_cell(cell: Cell, bank: Bank, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Train a cell and score its student, or go on where an earlier call stopped; each score is kept as it is there.

    Args:
        cell: The cell.
        bank: The bank, with the teachers' columns; clusters are made where they are lacking.
        tasks: Tasks to score on, by name.

    Returns:
        `settings`, `clips_seen`, `alignment` (the cosine to the first teacher; None for a student of labels alone),
        `tasks` (by name what `ProbeResult.to_dict` says, and the task's fingerprint as `data`), `student` (`params`,
        `embedding_dim`) and `seconds`, as they stand in the file.

    Raises:
        SondoError: As the stages.
    """
    result = cell.standing()
    start = time.perf_counter()
    recipe, columns = cell.recipe, cell.columns
    clusters = None
    if recipe.train.sampling == "balanced":
        k = configured_k(recipe.cluster, len(bank))
        clusters = cluster(bank, teacher=columns[0], k=k, seed=recipe.cluster.seed)
    folder = train(
        bank,
        teachers=columns,
        clusters=clusters,
        student=recipe.student,
        config=recipe.train,
        augmentation=recipe.augment,
        out=Path(recipe.out),
    )
    student = load(folder, allow_code=True)
    if not result:
        projectors = load_projectors(folder)
        result = {
            "variant": cell.variant,
            "seed": recipe.train.seed,
            "settings": cell.settings(),
            "clips_seen": recipe.train.epochs * int(recipe.train.clips_per_epoch or 0),
            "student": {"params": student.num_params, "embedding_dim": student.embedding_dim},
            "alignment": alignment(bank, columns[0], student, projectors[0]) if projectors else None,
            "tasks": {},
            "seconds": 0.0,
        }
    start = _keep(cell, result, since=start)
    for name, task in tasks.items():
        if not _is_scored(result, name, task):
            if name in result["tasks"]:
                why = "had other labels or parts when it was scored" if "data" in result["tasks"][name] else _UNKNOWN
                say(f"{cell.name}: {name} {why}, so it is scored again")
            vectors = embed_task(task, TorchModel(student).embed, description=f"{cell.name}: {name}")
            result["tasks"][name] = evaluate_vectors(task, vectors).to_dict() | {"data": task.fingerprint}
            start = _keep(cell, result, since=start)
    return result


def _keep(cell: Cell, result: dict[str, Any], *, since: float) -> float:
    """Write a result as far as it is there, with the seconds that were added to it; when that was."""
    now = time.perf_counter()
    result["seconds"] = round(result["seconds"] + now - since, 2)
    write_json(cell.file, result)
    return now
