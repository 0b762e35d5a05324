"""`sondo students`."""

from __future__ import annotations

from typing import Any

import jsonargparse

HELP = "the students there are"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """It has no options."""


def run(settings: Any) -> None:
    """List them."""
    from sondo.catalogue import PREFIX, PUBLISHED, WEIGHTS, available
    from sondo.report import show_infos
    from sondo.screen import tell
    from sondo.weights import is_here

    show_infos("students to train", available())
    show_infos("published students, for `sondo.load`, `sondo embed` and `sondo export`", list(PUBLISHED.values()))
    here = [name for name, file in WEIGHTS.items() if is_here(file)]
    tell("")
    tell(f"weights to start from, for --student.init {PREFIX}NAME (MIT, downloaded at first use): {', '.join(WEIGHTS)}")
    tell(f"here already: {', '.join(here) or 'none'}")
