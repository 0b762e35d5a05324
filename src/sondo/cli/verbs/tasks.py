"""`sondo tasks`."""

from __future__ import annotations

from typing import Any

import jsonargparse

HELP = "the tasks there are"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """It has no options."""


def run(settings: Any) -> None:
    """List them."""
    from sondo.evaluate import available
    from sondo.report import show_infos

    show_infos("tasks", available())
