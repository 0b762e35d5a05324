"""`sondo teachers`."""

from __future__ import annotations

from typing import Any

import jsonargparse

HELP = "the teachers there are"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """It has no options."""


def run(settings: Any) -> None:
    """List them."""
    from sondo.report import show_infos
    from sondo.teachers import available

    show_infos("teachers", available())
