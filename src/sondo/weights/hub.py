"""Files of the Hugging Face hub, pinned to the commit that was used first."""

from __future__ import annotations

import re
from pathlib import Path

from sondo.errors import SondoError, require
from sondo.screen import say
from sondo.weights.cache import home, is_offline, recall, record

HUB = "hf://"
REVISIONS = "revisions.json"

_STATUS = {
    401: "it does not accept the token: run `hf auth login`",
    403: "the account or its token has no permission to do this there (to push, a token must be allowed to write)",
    429: "it was asked too often: wait a while",
}


def fetch_hub(reference: str, *, revision: str | None = None) -> Path:
    """The path of a file of the hub, in huggingface_hub's own cache.

    A reference without a revision is resolved once: the commit that it led to is recorded for the whole repository and
    used from then on. Without a network, what is in that cache is used.

    Args:
        reference: `hf://owner/repository/path/file`, with `@revision` (commit, branch or tag) behind it if wanted.
        revision: The same, apart.

    Raises:
        SondoError: No such file, no access or no network; the message says how to give the file by hand.
    """
    repository, name, named = _parts(reference)
    given = revision or named
    try:
        return download(repository, name, given)
    except SondoError:
        raise
    except Exception as error:  # the hub's client raises its own and its transport's errors
        pinned = given or _pinned(repository)
        raise SondoError(
            f"{name} of {repository}{recorded(repository, given)} could not be had from the Hugging Face hub: "
            f"{reason(error)}. Get https://huggingface.co/{repository}/resolve/{pinned or 'main'}/{name} by other "
            "means and give the file's path instead"
        ) from error


def download(repository: str, name: str, revision: str | None) -> Path:
    """A file of the hub, for who has words of their own where it cannot be had.

    Args:
        repository: `owner/name`.
        name: The file's path in it.
        revision: Commit, branch or tag; the commit that is recorded when left out.

    Raises:
        Exception: What the hub's client raises, which `reason` has words for.
        SondoError: No huggingface_hub, or a cache that cannot be written to.
    """
    hub = require("huggingface_hub", extra="hub", why=f"Downloading {HUB}{repository}/{name} needs huggingface_hub")
    pinned = revision or _pinned(repository)
    offline = {"local_files_only": True} if is_offline() else {}
    check_reachable(repository, name, pinned)
    path = Path(hub.hf_hub_download(repository, name, revision=pinned, **offline))
    commit = commit_of(path, name)
    if pinned is None and commit is not None:
        record(REVISIONS, repository, {"revision": commit})
        say(
            f"{repository}: its commit {commit} is used from now on; "
            f'for a newer one, remove the entry "{repository}" from {home() / REVISIONS}'
        )
    return path


def check_reachable(repository: str, name: str, revision: str | None) -> None:
    """Find out at once where there is no way to the hub, which its client tries for half a minute.

    What is in its cache is not asked for. Whatever else is wrong, a slow network too, is left to the client, which is
    patient and has the words.

    Raises:
        LocalEntryNotFoundError: There is no way; an OSError.
    """
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    if is_offline() or isinstance(try_to_load_from_cache(repository, name, revision=revision), str):
        return
    try:
        get_hf_file_metadata(hf_hub_url(repository, name, revision=revision))
    except Exception as error:  # its transport's errors, of httpx or of requests
        if type(error).__name__ in ("ConnectError", "ConnectionError"):
            raise errors.LocalEntryNotFoundError(f"the hub cannot be reached: {error}") from error


def hub_is_here(reference: str) -> bool:
    """Whether a file of the hub is in its cache, without asking the network.

    Raises:
        SondoError: The reference names no file of the hub.
    """
    repository, name, revision = _parts(reference)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    pinned = revision or _pinned(repository)
    return isinstance(try_to_load_from_cache(repository, name, revision=pinned), str)


def reason(error: Exception) -> str:
    """Why the hub's client failed, in words for who asked it."""
    from huggingface_hub import errors

    # The order matters: a gated repository is one that was not found, and a local entry is an entry.
    for kind, words in (
        (errors.GatedRepoError, "its owner grants access on request: ask there, then run `hf auth login`"),
        (errors.RepositoryNotFoundError, "there is no such repository, or it is private (`hf auth login`)"),
        (errors.RevisionNotFoundError, "the repository has no such revision"),
        (errors.LocalEntryNotFoundError, "it is not in the hub's cache, and the hub cannot be reached"),
        (errors.EntryNotFoundError, "the repository has no such file"),
    ):
        if isinstance(error, kind):
            return words
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in _STATUS:
        return _STATUS[status]
    if status is None and (isinstance(error, ConnectionError) or re.search("Connect|Timeout", type(error).__name__)):
        return "the hub cannot be reached"
    first = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}{': ' if first else ''}{''.join(first).rstrip('.')}"


def _pinned(repository: str) -> str | None:
    """The commit that is recorded for a repository."""
    return (recall(REVISIONS, repository) or {}).get("revision")


def recorded(repository: str, given: str | None) -> str:
    """Which commit was asked for, for a message, where the user did not name a revision."""
    known = None if given else _pinned(repository)
    return f" at commit {known}, recorded in {home() / REVISIONS}" if known else ""


def _parts(reference: str) -> tuple[str, str, str | None]:
    """`hf://owner/repository/path/file@revision` as (repository, path, revision)."""
    body, _, revision = reference.removeprefix(HUB).partition("@")
    pieces = [piece for piece in body.split("/") if piece]
    if not reference.startswith(HUB) or len(pieces) < 3:
        raise SondoError(
            f"{reference!r} names no file of the hub: expected hf://owner/repository/file, or of a student "
            "hf://owner/repository"
        )
    return "/".join(pieces[:2]), "/".join(pieces[2:]), revision or None


def commit_of(path: Path, name: str) -> str | None:
    """The commit in the layout of the hub's cache, `snapshots/<commit>/<name in the repository>`."""
    folder = path.parents[name.count("/")]
    return folder.name if folder.parent.name == "snapshots" else None
