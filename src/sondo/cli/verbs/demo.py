"""`sondo demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

HELP = "the whole way on sound that sondo makes itself"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("--out", default="runs/demo", help="folder of the run")
    verb.add_argument(
        "--seconds",
        type=float,
        default=120.0,
        help="sets the epochs: about that many seconds on two idle cores, several times as many on slower or busy ones",
    )
    verb.add_argument("--seed", type=int, default=0, help="seed of the sound and of the training")


def run(settings: Any) -> None:
    """Make sound, distil, show the summary."""
    from sondo.errors import require

    require("lightning", extra="train", why="The demo trains, which needs lightning")
    from sondo.demo.run import run_demo
    from sondo.pipeline import summary_of
    from sondo.report import show_next_steps, show_summary

    out = Path(settings.out)
    before = summary_of(out)
    summary = run_demo(out, seconds=settings.seconds, seed=settings.seed)
    show_summary(summary, out, is_old=summary == before)
    show_next_steps(out)
