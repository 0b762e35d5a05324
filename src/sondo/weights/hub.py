"""Files of the Hugging Face hub, pinned to the commit that was used first."""

from __future__ import annotations

from pathlib import Path

from sondo.errors import SondoError, require
from sondo.screen import say
from sondo.weights.cache import record

HUB = "hf://"
REVISIONS = "revisions.json"


def _parts(reference: str) -> tuple[str, str, str | None]:
    """`hf://owner/repository/path/file@revision` as (repository, path, revision)."""
    body, _, revision = reference.removeprefix(HUB).partition("@")
    pieces = [piece for piece in body.split("/") if piece]
    if not reference.startswith(HUB) or len(pieces) < 3:
        raise SondoError(f"{reference!r} names no file of the hub: expected hf://owner/repository/file")
    return "/".join(pieces[:2]), "/".join(pieces[2:]), revision or None


def fetch_hub(reference: str) -> Path:
    """The path of a file of the hub, in huggingface_hub's own cache.

    A reference without a revision is resolved once: the commit that it led to is recorded and used from then on.

    Args:
        reference: `hf://owner/repository/path/file`, with `@revision` (commit, branch or tag) behind it if wanted.

    Raises:
        SondoError: No such file, no access or no network; the message says how to give the file by hand.
    """
    repository, name, revision = _parts(reference)
    hub = require("huggingface_hub", extra="train", why=f"Downloading {reference} needs huggingface_hub")
    known = None if revision else record(REVISIONS, repository)
    try:
        path = Path(hub.hf_hub_download(repository, name, revision=revision or (known or {}).get("revision")))
    except Exception as error:  # the hub's client raises its own and its transport's errors
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SondoError(
            f"{name} of {repository} could not be had from the Hugging Face hub ({type(error).__name__}: {first}). "
            f"Get https://huggingface.co/{repository}/resolve/{revision or 'main'}/{name} and give the file's path instead"
        ) from error
    if revision is None and known is None:
        commit = _commit(path)
        if commit is not None:
            record(REVISIONS, repository, {"revision": commit})
            say(f"{repository}: commit {commit} is trusted on first use, and recorded")
    return path


def hub_is_here(reference: str) -> bool:
    """Whether a file of the hub is in the cache, without asking the network."""
    repository, name, revision = _parts(reference)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    known = {} if revision else record(REVISIONS, repository) or {}
    return isinstance(try_to_load_from_cache(repository, name, revision=revision or known.get("revision")), str)


def _commit(path: Path) -> str | None:
    """The commit in the cache's own layout, `snapshots/<commit>/file`."""
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts[:-1] else None
