"""`sondo students`."""

from __future__ import annotations

from typing import Any

import jsonargparse

HELP = "the students there are"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """It has no options."""


def run(settings: Any) -> None:
    """List them."""
    from sondo.errors import require

    require("torch", extra="train", why="Students are made with torch")
    from sondo.report import show_infos
    from sondo.screen import tell
    from sondo.students import available
    from sondo.students.efficientat import PREFIX, WEIGHTS
    from sondo.students.published import PUBLISHED
    from sondo.weights import is_here

    show_infos("students to train", available())
    show_infos("published students, for `sondo.load`, `sondo embed` and `sondo export`", list(PUBLISHED.values()))
    here = [name for name, file in WEIGHTS.items() if is_here(file)]
    tell("")
    tell(f"weights to start from, for --student.init {PREFIX}NAME (MIT, downloaded at first use): {', '.join(WEIGHTS)}")
    tell(f"here already: {', '.join(here) or 'none'}")
