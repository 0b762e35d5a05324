"""`sondo demo`: the whole way on sound that sondo makes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sondo.claim import claim_folder
from sondo.demo.sounds import make_demo_sound
from sondo.pipeline import distil
from sondo.recipe import Recipe, StudentConfig, TrainConfig
from sondo.screen import say

WIDTH_MULT = 0.4
EPOCHS_PER_SECOND = 0.25
"""Of 640 clips of 3 s: two cores take 3 to 7 s for an epoch, so that the default ends within five minutes on either."""


def run_demo(out: Path, *, seconds: float = 120.0, seed: int = 0) -> dict[str, Any]:
    """Make sound, distil the built-in teacher on it, measure what the student keeps, export it.

    Args:
        out: Folder of the run; `out/sound` gets the sound.
        seconds: Sets the epochs: about that many seconds on two idle cores, several times as many on slower or busy
            ones.
        seed: Of the sound and of the training.

    Returns:
        The summary, as in `summary.json`.
    """
    recipe = Recipe(
        out=str(out),
        manifest=str(out / "sound" / "manifest.csv"),
        student=StudentConfig(width_mult=WIDTH_MULT),
        train=TrainConfig(epochs=max(1, round(seconds * EPOCHS_PER_SECOND)), seed=seed),
        task="folder",
        data=str(out / "sound"),
    )
    claim_folder(out, recipe.to_dict())
    say(f"making sound in {out / 'sound'}")
    make_demo_sound(out / "sound", seed=seed)
    return distil(recipe)
