"""`sondo ingest`."""

from __future__ import annotations

from typing import Any

import jsonargparse

HELP = "stage 1: sound into a bank"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("--bank", required=True, help="the bank's path, usually NAME.lance")
    verb.add_argument(
        "--audio",
        help="folder of sound, or of Parquet shards with sound in a column audio; a pattern of shards; a manifest",
    )
    verb.add_argument("--manifest", help="CSV or Parquet with a path column; paths start from --audio where given")
    verb.add_argument("--compat", choices=["ssondo"], help="one clip of each file, as the published training takes it")
    verb.add_argument("--max_bad_share", type=float, default=0.05, help="share of unreadable files that stops the job")
    verb.add_argument("--workers", type=jsonargparse.typing.PositiveInt | None, help="decoding threads")


def run(settings: Any) -> None:
    """Ingest and say how much."""
    from sondo.errors import require
    from sondo.screen import counted, tell

    require("lance", extra="train", why="A bank needs lance")
    from sondo.bank import ingest
    from sondo.bank.schema import BankInfo

    report = ingest(
        settings.bank,
        audio=settings.audio,
        manifest=settings.manifest,
        max_bad_share=settings.max_bad_share,
        workers=settings.workers,
        info=BankInfo(compat=settings.compat),
    )
    tell(
        f"{settings.bank}: {counted(report.num_clips, 'clip')} ({report.num_added:,} new), "
        f"{counted(len(report.rejected), 'file')} set aside"
    )
