"""`sondo verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_code

HELP = "an exported file by itself, and against torch"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("file", help="the exported file; owner/name on the hub, or hf://owner/name/FILE")
    verb.add_argument("sounds", nargs="*", default=[], help="real sound to compare on too: files, or folders of them")
    verb.add_argument(
        "--against",
        help="folder of the run or of the student that it was exported from, owner/name on the hub, or a "
        "published .ckpt or its name; what "
        "lies beside the file by default",
    )
    verb.add_argument(
        "--threshold",
        type=float | None,
        help="cosine to torch that must be reached; that of the file's precision by default",
    )
    add_code(verb)


def run(settings: Any) -> None:
    """Check, compare, show; exit code 1 where something does not pass."""
    from sondo.report.verification import show_checks, show_comparison
    from sondo.verification import verify_file

    checks, report = verify_file(
        settings.file,
        against=settings.against,
        sounds=[Path(sound) for sound in settings.sounds],
        threshold=settings.threshold,
        allow_code=settings.allow_code,
    )
    show_checks(settings.file, checks)
    if report is not None:
        show_comparison(report)
    if not all(check.passed for check in checks) or (report is not None and not report.passed):
        raise SystemExit(1)
