"""The libraries that turn a network into a file: without what they say while they work, and why they refused."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_PLACE = re.compile(
    r'The following call raised this error:\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in .*\n\s*(?P<code>.+)'
)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without their progress, advice, deprecations of their own parts and, where they fail, whole graphs."""
    silence, before = io.StringIO(), logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(silence), contextlib.redirect_stdout(silence), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def reason_of(error: Exception) -> str:
    """Why an exporter refused, in one line: what it met first and, where torch says so, the line of the network."""
    text = _COLOURS.sub("", str(error.__cause__ or error)).strip()
    first = text.splitlines()[0].strip() if text else type(error).__name__
    place = _PLACE.search(text)
    return f"{first} ({place['file']}, line {place['line']}: {place['code'].strip()})" if place else first
