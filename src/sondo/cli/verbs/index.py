"""`sondo index`."""

from __future__ import annotations

import os
from typing import Any

import jsonargparse

from sondo.cli.shared import add_code, add_threads

HELP = "sound into an index that can be searched by sound"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("source", help="folder of sound, a manifest, Parquet shards, or a bank")
    verb.add_argument("--out", required=True, help="the index's path, usually NAME.lance; one that is there goes on")
    verb.add_argument(
        "--model", help="who hears the sound: an exported file, the folder of a run, owner/name on the hub, …"
    )
    verb.add_argument(
        "--teacher.name",
        help="without --model: a bank's column of this teacher; with --teacher_space: which of the student's teachers",
    )
    verb.add_argument(
        "--teacher_space",
        action="store_true",
        help="map the student's vectors into its teacher's space, where the teacher can ask too; CLAP also in words",
    )
    verb.add_argument("--max_bad_share", type=float, default=0.05, help="share of unreadable files that stops the job")
    add_threads(verb)
    add_code(verb)


def run(settings: Any) -> None:
    """Index and say how much."""
    # Lance warns of clusters that came out empty, as equal vectors make them: nothing that a user could mend.
    os.environ.setdefault("LANCE_LOG", "error")
    from sondo import search
    from sondo.screen import counted, tell
    from sondo.search.results import how_searched

    report = search.build(
        settings.source,
        settings.out,
        model=settings.model,
        teacher=settings.teacher.name,
        teacher_space=settings.teacher_space,
        max_bad_share=settings.max_bad_share,
        threads=settings.threads,
        allow_code=settings.allow_code,
    )
    index = search.Index(settings.out)
    dropped = f", {report.num_dropped:,} dropped" if report.num_dropped else ""
    counts = f"{counted(report.num_clips, 'clip')} ({report.num_added:,} new{dropped})"
    tell(f"{settings.out}: {counts}, {len(report.rejected)} set aside")
    tell(f"space {index.info.space_id}; licence {index.info.licence}")
    tell(f"a search is an {how_searched(index)}")
