"""Students with seeded weights: new weights give values too small to compare."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sondo.students import create

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def recipe():
    """The functions of `tests/golden/student_recipe.py`."""
    return SimpleNamespace(**runpy.run_path(str(GOLDEN / "student_recipe.py")))


@pytest.fixture
def student(recipe):
    """A student of width 0.1 whose values are of ordinary size."""
    made = create("mobilenetv3", width_mult=0.1)
    shapes = {key: tuple(value.shape) for key, value in made.backbone.state_dict().items()}
    weights = {key: torch.from_numpy(value) for key, value in recipe.seeded_weights(shapes).items()}
    made.backbone.load_state_dict(weights)
    return made.eval()
