"""Files from a plain address: fetched once, resumed where a download stopped, and checked."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from sondo.errors import SondoError, require
from sondo.screen import say, track
from sondo.weights.cache import home, is_offline, record, sha256_of

HASHES = "hashes.json"
_BLOCK_BYTES = 1 << 20
_TIMEOUT_S = 30


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file that its authors published.

    Args:
        url: Its address.
        file_name: Its name in the cache.
        sha256: Its hash where that is known; else the first download is trusted, its hash recorded, and another file
            under the same address refused.
        licence: Licence of what is in it.
        source: Who published it, for messages.
    """

    url: str
    file_name: str
    sha256: str | None = None
    licence: str = "unknown"
    source: str = ""

    @property
    def path(self) -> Path:
        """Its place in the cache; a file that is put there by hand is taken."""
        host = urllib.parse.urlsplit(self.url).hostname or "local"
        return home() / "files" / host / self.file_name


def is_here(file: RemoteFile) -> bool:
    """Whether the file is in the cache."""
    return file.path.is_file()


def fetch(file: RemoteFile) -> Path:
    """The file's path, after downloading it if it is not there.

    Raises:
        SondoError: It cannot be downloaded, or is not the file that was published or that was seen first. The message says
            where to get it and where to put it.
    """
    path = file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    filelock = require("filelock", extra="train", why="Downloading needs filelock")
    with filelock.FileLock(f"{path}.lock"):
        if not path.is_file():
            say(f"{file.file_name}: {file.source or file.url}, licence {file.licence}")
            _download(file, path)
        _check(file, path)
    return path


def _by_hand(file: RemoteFile) -> str:
    return f"get {file.url} with another machine and put it there as {file.path}"


def _download(file: RemoteFile, path: Path) -> None:
    if is_offline():
        raise SondoError(f"{file.file_name} is not here and the network is off (SONDO_OFFLINE): {_by_hand(file)}")
    part = path.with_name(f"{path.name}.part")
    try:
        _stream(file, part)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        code = f"HTTP {error.code} " if isinstance(error, urllib.error.HTTPError) else ""
        raise SondoError(f"{file.file_name} could not be downloaded ({code}{reason}): {_by_hand(file)}") from error
    part.replace(path)


def _stream(file: RemoteFile, part: Path) -> None:
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "sondo"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(file.url, headers=headers)  # noqa: S310 - addresses come from our own tables
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            part.unlink()  # it is whole or longer than the file: begin anew, the hash decides
            _stream(file, part)
            return
        raise
    with answer:
        start = start if answer.status == http.client.PARTIAL_CONTENT else 0  # a server may ignore the range
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else 0
        with part.open("ab" if start else "wb") as out, track(file.file_name, total=total, done=start, unit="B") as line:
            while block := answer.read(_BLOCK_BYTES):
                out.write(block)
                line.advance(len(block))
    if length and part.stat().st_size < total:
        raise OSError(f"the connection ended after {part.stat().st_size:,} of {total:,} bytes; try again to go on")


def _check(file: RemoteFile, path: Path) -> None:
    """Compare with the published hash, or with the one that was seen first."""
    stat = path.stat()
    known = record(HASHES, file.url)
    state = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if known is not None and all(known.get(key) == value for key, value in state.items()):
        return  # not touched since it was hashed
    found = sha256_of(path)
    wanted = file.sha256 or (known or {}).get("sha256")
    if wanted is not None and found != wanted:
        whose = "published" if file.sha256 else "recorded when it was first used"
        raise SondoError(
            f"{path} is not the file that it was: its SHA-256 is {found}, the one {whose} is {wanted}. Delete the file to "
            f"download it again{'' if file.sha256 else f'; to accept it, remove its entry from {home() / HASHES}'}"
        )
    if wanted is None:
        say(f"{path.name}: no hash is published; this file is trusted on first use, its SHA-256 {found} is recorded")
    record(HASHES, file.url, {"sha256": found, **state})
