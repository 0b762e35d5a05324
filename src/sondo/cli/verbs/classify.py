"""`sondo classify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_threads

HELP = "what is heard in sound files, with probabilities"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument(
        "model", help="a classifier that `sondo probe` wrote, an .onnx file, or the run of `sondo finetune`"
    )
    verb.add_argument("files", nargs="+", help="sound files, or folders of them")
    verb.add_argument(
        "--top",
        type=jsonargparse.typing.PositiveInt | None,
        help="classes to show for a sound, with several labels a * at those that reach their thresholds; left out, 3, "
        "or with several labels those that reach their thresholds",
    )
    verb.add_argument("--segments", action="store_true", help="a line for each window of 10 s, with its times")
    add_threads(verb)


def run(settings: Any) -> None:
    """Classify, a line for each sound."""
    from sondo.classify import classify_files

    classify_files(
        settings.model,
        [Path(file) for file in settings.files],
        top=settings.top,
        segments=settings.segments,
        threads=settings.threads,
    )
