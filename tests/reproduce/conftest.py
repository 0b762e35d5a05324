"""Cells with results that were made up, so that tables and pictures can be told by hand."""

import pytest

from sondo.claim import write_json
from sondo.reproduce.cell import Cell


@pytest.fixture
def made_up():
    """A function: a cell whose result has the given scores, in [0, 1], by task."""

    def make(variant, recipe, scores, *, cosine=0.5, ci95=(0.2, 0.9)):
        cell = Cell(variant=variant, recipe=recipe)
        result = {
            "variant": variant,
            "seed": recipe.train.seed,
            "settings": cell.settings(),
            "clips_seen": 1000,
            "student": {"params": 7, "embedding_dim": 3},
            "alignment": {"cosine": cosine, "clips": 2, "on": "training clips"},
            "tasks": {
                task: {"metric": "accuracy", "score": score, "ci95": list(ci95)} for task, score in scores.items()
            },
            "seconds": 1.0,
        }
        write_json(cell.file, result)
        return cell

    return make
