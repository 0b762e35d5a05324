"""Where Google publishes AudioSet's lists."""

from __future__ import annotations

from pathlib import Path

from sondo.weights import RemoteFile, fetch

ADDRESS = "https://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv"
LABELS = "class_labels_indices.csv"


def fetch_segments(subset: str) -> Path:
    """The list of a subset, downloaded at first use.

    Raises:
        SondoError: It cannot be downloaded; the message says where to get it and where to put it.
    """
    return _fetch(f"{subset}_segments.csv")


def fetch_labels() -> Path:
    """The names and indices of the 527 classes, downloaded at first use.

    Raises:
        SondoError: As `fetch_segments`.
    """
    return _fetch(LABELS)


def _fetch(name: str) -> Path:
    return fetch(RemoteFile(url=f"{ADDRESS}/{name}", file_name=name, licence="CC BY 4.0", source="AudioSet by Google"))
