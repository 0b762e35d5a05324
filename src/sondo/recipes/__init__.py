"""Recipes: settings of a run by name, as YAML files, and how they are read.

What lives here: `paper/` (the settings of the S-SONDO paper, a file for each student), `grids/` (what `sondo reproduce`
runs), `read` and `build`. The folder `recipes` at the top of the repository is this one. May import: `sondo.recipe`,
`sondo.errors`, yaml, jsonargparse.
"""

from __future__ import annotations

from sondo.recipes.build import make_recipe, recipe_from
from sondo.recipes.read import full_settings, merged, named_recipe, read_recipe

__all__ = ["full_settings", "make_recipe", "merged", "named_recipe", "read_recipe", "recipe_from"]
