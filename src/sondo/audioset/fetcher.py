"""Who gets the sound of a video: a small protocol, and yt-dlp behind it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Protocol

from sondo.errors import SondoError, require

_RETRIES = 3
_TIMEOUT_S = 30

_TRY_LATER = ("not a bot", "too many requests", "rate-limit", "try again later", "captcha", "timed out")
_REASONS = {
    "private": ("private video", "video is private"),
    "account closed": ("account associated with this video", "has closed their youtube account"),
    "blocked": ("in your country", "copyright", "blocked it"),
    "removed": ("has been removed", "violating youtube"),
    "age-restricted": ("confirm your age", "age-restricted", "inappropriate for some users"),
    "members only": ("members-only", "join this channel", "premium members", "requires payment"),
    "unavailable": (
        "video unavailable",
        "video is unavailable",
        "video is not available",
        "recording is not available",
        "no longer available",
    ),
}
"""Reason to what YouTube or yt-dlp says of it, lower case; the first that fits counts."""


class GoneError(Exception):
    """A video cannot be had, and asking again will not help. `reason` is a word or two, the message what was said."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class FetchError(Exception):
    """A video could not be had this time: the network, or YouTube's patience with this machine."""


class Fetcher(Protocol):
    """Gets the sound of videos; called from several threads."""

    def fetch(self, ytid: str, folder: Path) -> Path:
        """Put the sound of a video into a folder, as a file that `sondo.audio` reads, and say which.

        What an interrupted call left in the folder may be gone on with.

        Raises:
            GoneError: The video cannot be had.
            FetchError: It could not be had this time.
        """

    def stop(self) -> None:
        """Give up what is being fetched, in all threads, as a FetchError."""


class YtDlp:
    """yt-dlp: the best sound as it is there, m4a or WebM, so that nothing is converted and no ffmpeg is needed.

    Args:
        address: A video's address, with `{}` for its name.

    Raises:
        MissingExtraError: yt-dlp is not installed.
    """

    def __init__(self, address: str = "https://www.youtube.com/watch?v={}") -> None:
        self._yt_dlp: Any = require("yt_dlp", extra="audioset", why="Downloading from YouTube needs yt-dlp")
        self._address = address
        self._stopped = threading.Event()

    def fetch(self, ytid: str, folder: Path) -> Path:
        """See `Fetcher`."""
        options = {
            "format": "bestaudio/best",
            "outtmpl": {"default": "sound.%(ext)s"},
            "paths": {"home": str(folder)},
            "fixup": "never",
            "retries": _RETRIES,
            "socket_timeout": _TIMEOUT_S,
            "noprogress": True,
            "logger": _Silence(),
            "progress_hooks": [self._give_up],
        }
        try:
            with self._yt_dlp.YoutubeDL(options) as client:
                found = client.extract_info(self._address.format(ytid), download=True)
            return Path(found["requested_downloads"][0]["filepath"])
        except self._yt_dlp.utils.YoutubeDLError as error:
            said = str(error).removeprefix("ERROR: ")
            reason = None if self._stopped.is_set() else reason_of(said)
            if reason is None:
                raise FetchError(said) from error
            raise GoneError(reason, said) from error

    def stop(self) -> None:
        """See `Fetcher`."""
        self._stopped.set()

    def _give_up(self, _: dict[str, Any]) -> None:
        if self._stopped.is_set():
            raise self._yt_dlp.utils.DownloadCancelled("interrupted")


def reason_of(said: str) -> str | None:
    """Why a video is gone, by what was said; None where it may be there another time.

    Example:
        >>> reason_of("[youtube] x: Private video. Sign in if you've been granted access to this video")
        'private'
        >>> reason_of("[youtube] x: Sign in to confirm you're not a bot")
    """
    low = said.lower().replace("\u2019", "'")
    if any(words in low for words in _TRY_LATER):
        return None
    return next((reason for reason, signs in _REASONS.items() if any(sign in low for sign in signs)), None)


def explain(error: FetchError) -> SondoError:
    """What to tell the user when one download after the other fails."""
    return SondoError(
        f"one download after the other failed, the last with: {error}. What is there is kept, and the same command "
        "goes on. YouTube may refuse this machine for a while, or need a newer yt-dlp: pip install -U 'yt-dlp[default]'"
    )


class _Silence:
    """What yt-dlp says goes into the table of what is gone, not onto the screen."""

    def debug(self, message: str) -> None:
        """Ignore."""

    info = warning = error = debug
