"""Files from a plain address: fetched once, resumed where a download stopped, and checked."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any

from sondo.errors import SondoError
from sondo.screen import say, track
from sondo.weights.cache import home, is_offline, locked, recall, record, sha256_of

HASHES = "hashes.json"
_BLOCK_BYTES = 1 << 20
_MEGABYTE = 1e6
_TIMEOUT_S = 30


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file that its authors published.

    Args:
        url: Its address, http or https.
        file_name: Its name in the cache.
        sha256: Its hash where that is known; else the first download is trusted, its hash recorded, and another file
            under the same address refused.
        licence: Licence of what is in it.
        licence_note: What to know of that licence, shown before the download.
        source: Who published it, for messages.
    """

    url: str
    file_name: str
    sha256: str | None = None
    licence: str = "unknown"
    licence_note: str = ""
    source: str = ""

    @property
    def path(self) -> Path:
        """Its place in the cache, named after its address, so that two files of one name do not meet."""
        address = urllib.parse.urlsplit(self.url)
        folders = PurePosixPath(urllib.parse.unquote(address.path)).parent.parts
        inner = [folder for folder in folders if folder not in ("/", "..")]
        return (home() / "files" / (address.hostname or "local")).joinpath(*inner, self.file_name)


def is_here(file: RemoteFile) -> bool:
    """Whether the file is in the cache."""
    return file.path.is_file()


def fetch(file: RemoteFile) -> Path:
    """The file's path, after downloading it if it is not there.

    A file whose size and date are as recorded is not hashed again, and then nothing is written.

    Raises:
        SondoError: It cannot be downloaded, or is not the file that was published or that was seen first. The message
            says where to get it and where to put it, or how to accept it.
    """
    path = file.path
    if path.is_file() and _is_as_recorded(file, path):
        return path
    with locked(path):
        if not path.is_file():
            _download(file, path)
        elif not _is_as_recorded(file, path):
            _accept(file, path, sha256_of(path))
    return path


def _download(file: RemoteFile, path: Path) -> None:
    if is_offline():
        raise SondoError(f"{file.file_name} is not here and the network is off (SONDO_OFFLINE): {_by_hand(file)}")
    note = f" ({file.licence_note})" if file.licence_note else ""
    source = f", {file.source}" if file.source else ""
    say(f"downloading {file.file_name} from {file.url}{source}; its licence {file.licence}{note}")
    part = path.with_name(f"{path.name}.part")
    try:
        _stream(file, part)
    except (OSError, http.client.HTTPException) as error:  # OSError is also urllib's, and a full disk
        if isinstance(error, urllib.error.HTTPError):
            reason = f"HTTP {error.code} {error.reason}"
        else:
            reason = str(getattr(error, "reason", None) or error or type(error).__name__)
        can_go_on = part.exists() and _validator_file(part).exists()
        again = "; another try goes on where this one stopped" if can_go_on else ""
        raise SondoError(f"{file.file_name} could not be downloaded ({reason}){again}. Or {_by_hand(file)}") from error
    found = sha256_of(part)
    wanted, whose = _wanted(file)
    if wanted is not None and found != wanted:
        part.unlink()
        again = "try again, and if it stays so, do not trust that address" if file.sha256 else _how_to_accept(file)
        raise SondoError(
            f"what {file.url} gives is not the file that it was: its SHA-256 is {found}, the one {whose} is {wanted}. "
            f"It was deleted; {again}"
        )
    os.replace(part, path)
    _validator_file(part).unlink(missing_ok=True)
    _accept(file, path, found)


def _stream(file: RemoteFile, part: Path) -> None:
    """Write the file to `part`, from where an earlier try stopped if the server still has the same file."""
    assert file.url.startswith(("http://", "https://")), "tables name web addresses alone"
    validator = _validator_file(part)
    if not (part.exists() and validator.exists()):
        part.unlink(missing_ok=True)
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "sondo"}
    if start:  # If-Range: the rest only if the file is still the one that was begun, else all of it
        headers |= {"Range": f"bytes={start}-", "If-Range": validator.read_text(encoding="utf-8")}
    request = urllib.request.Request(file.url, headers=headers)  # noqa: S310 - http and https, see above
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if not start or error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] != str(start):
            part.unlink()
            _stream(file, part)
        return  # nothing was left to fetch
    with answer:
        if answer.headers.get_content_type() == "text/html":  # such as the log-in page of a network
            raise OSError("the server sent a web page instead")
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        if goes_on and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink()
            raise OSError("the server sent another part of the file than was asked for")
        if not goes_on:  # a server may ignore the range, or have another file by now
            start = 0
            part.unlink(missing_ok=True)  # first: a tag must never stand beside another file's bytes
            _note_validator(answer.headers, validator)
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        _write(answer, part, name=file.file_name, start=start, total=total)
    if total is not None and part.stat().st_size < total:
        raise OSError(f"the connection ended after {part.stat().st_size:,} of {total:,} bytes")


def _write(answer: Any, part: Path, *, name: str, start: int, total: int | None) -> None:
    megabytes = max(round((total or 0) / _MEGABYTE), 1)
    with (
        part.open("ab" if start else "wb") as out,
        track(name, total=megabytes, done=round(start / _MEGABYTE), unit="MB") as line,
    ):
        while block := answer.read(_BLOCK_BYTES):
            out.write(block)
            line.advance(len(block) / _MEGABYTE)


def _validator_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _note_validator(headers: Message, validator: Path) -> None:
    """Keep what tells this file from its successors; a weak tag does not, and then no download is resumed."""
    tag = headers.get("ETag") or ""
    tag = headers.get("Last-Modified") or "" if not tag or tag.startswith("W/") else tag
    if tag:
        validator.write_text(tag, encoding="utf-8")
    else:
        validator.unlink(missing_ok=True)


def _wanted(file: RemoteFile) -> tuple[str | None, str]:
    """The hash that the file must have, None before the first use, and whose it is."""
    if file.sha256 is not None:
        return file.sha256, "published"
    known = recall(HASHES, file.url)
    return (known.get("sha256") if known else None), "recorded when it was first used"


def _state(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _is_as_recorded(file: RemoteFile, path: Path) -> bool:
    known = recall(HASHES, file.url) or {}
    is_published = file.sha256 is None or known.get("sha256") == file.sha256
    return is_published and all(known.get(key) == value for key, value in _state(path).items())


def _accept(file: RemoteFile, path: Path, found: str) -> None:
    """Record the hash of a file in the cache, unless another one is wanted."""
    wanted, whose = _wanted(file)
    if wanted is not None and found != wanted:
        accept = "" if file.sha256 else f"; {_how_to_accept(file)}"
        raise SondoError(
            f"{path} is not the file that it was: its SHA-256 is {found}, the one {whose} is {wanted}. Delete it to "
            f"download it again{accept}"
        )
    if wanted is None:
        say(f"{path.name}: no hash is published, so it is trusted on first use; its SHA-256 {found} is recorded")
    record(HASHES, file.url, {"sha256": found, **_state(path)})


def _by_hand(file: RemoteFile) -> str:
    return f"get {file.url} by other means and put it there as {file.path}"


def _how_to_accept(file: RemoteFile) -> str:
    return f'to accept the new one, remove the entry "{file.url}" from {home() / HASHES}'
