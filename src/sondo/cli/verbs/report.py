"""`sondo report`."""

from __future__ import annotations

from typing import Any

import jsonargparse

from sondo.cli.shared import add_code

HELP = "a run, or a classifier, as one page: scores, curves, mistakes"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument(
        "source",
        help="folder of a run of `sondo distill` or `sondo train`, finished or not, or of `sondo finetune`; or the "
        "file that `sondo probe` wrote",
    )
    verb.add_argument("--out", help="the page; report.html in the run's folder, or the file's name with .html")
    verb.add_argument("--overwrite", action="store_true", help="replace the file that --out names")
    verb.add_argument("--bench", action="store_true", help="measure what the exported files cost on this machine")
    add_code(verb)


def run(settings: Any) -> None:
    """Read, measure, write."""
    from sondo.errors import require
    from sondo.screen import progress, tell

    require("torch", extra="train", why="A report hears clips with the student, which needs torch")
    from sondo.report.page import write_report

    with progress():
        page = write_report(
            settings.source,
            settings.out,
            overwrite=settings.overwrite,
            cost=settings.bench,
            allow_code=settings.allow_code,
        )
    size = page.stat().st_size
    tell(f"{page}: {f'{size / 1e6:.1f} MB' if size >= 1e5 else f'{size / 1e3:.0f} kB'}, for any browser")
