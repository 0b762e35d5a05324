"""What AudioSet's label ids mean: `class_labels_indices.csv`, or the whole `ontology.json`."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sondo.audioset.segments import Segment
from sondo.errors import SondoError

_COLUMNS = ("index", "mid", "display_name")
_SHOWN = 10


@dataclass(frozen=True)
class Label:
    """A class of sound.

    Args:
        name: Its display name.
        index: Its official place among the 527 classes that are evaluated; the ontology, which has more, gives none.
    """

    name: str
    index: int | None


def read_labels(path: Path) -> dict[str, Label]:
    """Read the classes by their id.

    Args:
        path: `class_labels_indices.csv` (index, mid, display_name), or `ontology.json` (a list of id, name, ...).

    Raises:
        SondoError: There is no such file, or it is neither.
    """
    if not path.is_file():
        raise SondoError(f"no such file of labels: {path}")
    labels = _from_ontology(path) if path.suffix.lower() == ".json" else _from_indices(path)
    if not labels:
        raise SondoError(f"{path} has no label")
    return labels


def check_known(segments: Sequence[Segment], labels: dict[str, Label], *, lists: tuple[Path, Path]) -> None:
    """Make sure that every label of every segment has a meaning.

    Args:
        segments: The segments.
        labels: What is known.
        lists: Where segments and labels are from, for the message.

    Raises:
        SondoError: The message names the ids that are unknown, and how many segments have each.
    """
    unknown = Counter(mid for segment in segments for mid in segment.mids if mid not in labels)
    if not unknown:
        return
    shown = [f"{mid} ({count:,} segments)" for mid, count in unknown.most_common(_SHOWN)]
    more = f" and {len(unknown) - len(shown)} more" if len(unknown) > len(shown) else ""
    raise SondoError(
        f"{lists[0]} has {len(unknown)} label ids that {lists[1]} does not have: {', '.join(shown)}{more}. Give the "
        "file of labels that belongs to it, or ontology.json, which has all of AudioSet's"
    )


def _from_indices(path: Path) -> dict[str, Label]:
    labels: dict[str, Label] = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if not set(_COLUMNS) <= set(rows.fieldnames or ()):
            raise SondoError(f"{path}: expected the columns {', '.join(_COLUMNS)}; it has {rows.fieldnames or 'none'}")
        for row in rows:
            mid, index = row["mid"], row["index"]
            if not mid or not row["display_name"] or not (index or "").isdecimal():
                raise SondoError(f"{path}, line {rows.line_num}: expected an index, an id and a name, not {row}")
            if mid in labels:
                raise SondoError(f"{path}, line {rows.line_num}: {mid} is there twice")
            labels[mid] = Label(row["display_name"], int(index))
    return labels


def _from_ontology(path: Path) -> dict[str, Label]:
    try:
        return {entry["id"]: Label(entry["name"], None) for entry in json.loads(path.read_text(encoding="utf-8"))}
    except (ValueError, TypeError, KeyError) as error:
        raise SondoError(
            f"{path} is not AudioSet's ontology, a list of classes with id and name ({error!r})"
        ) from error
