"""`sondo distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_recipe, recipe_of
from sondo.recipe import Recipe

HELP = "the whole way on your sound: a folder in, a measured student out"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    add_recipe(verb)
    verb.add_class_arguments(Recipe)


def run(settings: Any) -> None:
    """Distil and show the summary."""
    from sondo.errors import require

    recipe = recipe_of(settings)
    require("lightning", extra="train", why="Distilling needs lightning")
    from sondo.pipeline import distil, summary_of
    from sondo.report import show_summary

    out = Path(recipe.out)
    before = summary_of(out)
    summary = distil(recipe)
    show_summary(summary, out, is_old=summary == before)
