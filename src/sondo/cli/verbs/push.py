"""`sondo push`."""

from __future__ import annotations

from typing import Any

import jsonargparse

HELP = "a student to the Hugging Face hub"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("run", help="folder of a run or of a student")
    verb.add_argument("repository", help="owner/name on the hub; made where it is missing")
    verb.add_argument("--private", action="store_true", help="make it a private one")
    verb.add_argument("--message", help="of the commit")
    verb.add_argument("--revision", help="the branch, made where it is missing; main by default")
    verb.add_argument(
        "--accept_licence",
        action="store_true",
        help="go on where the teacher's licence is known to limit what may be handed on",
    )
    verb.add_argument("--dry_run", action="store_true", help="show what would go, without the network")


def run(settings: Any) -> None:
    """Show what goes, and push it."""
    from sondo.errors import require
    from sondo.screen import tell

    require("torch", extra="train", why="Reading a student before it is pushed needs torch")
    from sondo.pushing import push_to_hub

    address = push_to_hub(
        settings.run,
        settings.repository,
        private=settings.private,
        message=settings.message,
        revision=settings.revision,
        accept_licence=settings.accept_licence,
        dry_run=settings.dry_run,
    )
    name = f"{settings.repository}@{settings.revision}" if settings.revision else settings.repository
    branch = f", branch {settings.revision}" if settings.revision else ""
    tell(f"would go to {address}{branch}" if settings.dry_run else f'{address}: sondo.load("{name}") opens it')
