"""AudioSet as a manifest for `sondo ingest`: a row for each clip, with all of its labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sondo.audio.folders import list_audio_files
from sondo.audioset.labels import Label, check_known, read_labels
from sondo.audioset.segments import Segment, read_segments, subset_of
from sondo.errors import SondoError, check_places, check_utf8, require
from sondo.scratch import replacing

COLUMNS = ("path", "split", "labels", "label_indices", "ytid", "start_s", "end_s")
"""`path`, `split` and `labels` are what an ingest reads. Labels and indices are lists: in CSV with `;` between them."""

FORMATS = (".csv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class ManifestReport:
    """What a manifest holds: its subset, its clips, their labels, and the segments of the list that have no sound."""

    subset: str
    num_clips: int
    num_labels: int
    num_absent: int


def make_manifest(segments: Path, labels: Path, out: Path, *, audio: Path | None = None) -> ManifestReport:
    """Write the manifest of an official list of segments.

    Args:
        segments: `balanced_train_segments.csv`, `eval_segments.csv`, `unbalanced_train_segments.csv`, or a part of one
            whose name begins alike; the split of every clip is that name.
        labels: `class_labels_indices.csv`, or `ontology.json` (then there are no indices).
        out: The manifest, .csv or .parquet; one that stands there is replaced.
        audio: Folder of the sound, each file the segment alone, named `YTID_START`, `YTID` or `YYTID` with any
            extension. Segments that are not there are left out. Without it, all are listed as `sondo audioset download`
            names them.

    Raises:
        SondoError: A file that cannot be used, a label without a meaning, or no segment with sound.
    """
    if out.suffix.lower() not in FORMATS:
        raise SondoError(f"{out}: a manifest is {' or '.join(FORMATS)}")
    if out.suffix.lower() == ".parquet":
        check_utf8(out)
    check_places(out)
    listed, known = read_segments(segments), read_labels(labels)
    check_known(listed, known, lists=(segments, labels))
    files = None if audio is None else {path.stem: path for path in list_audio_files(audio)}
    return write_manifest(listed, known, out, subset=subset_of(segments), files=files)


def write_manifest(
    segments: Sequence[Segment],
    labels: dict[str, Label],
    out: Path,
    *,
    subset: str,
    files: dict[str, Path] | None,
) -> ManifestReport:
    """Write the manifest of segments that were read.

    Args:
        segments: The segments.
        labels: The meaning of each of their labels.
        out: The manifest, .csv or .parquet.
        subset: The split of every clip.
        files: Sound by the stem of its name; None lists every segment under the name that its file would have.

    Raises:
        SondoError: None of the segments has sound.
    """
    rows: list[dict[str, Any]] = []
    for segment in segments:
        file: str | None = f"{segment.stem}.flac"
        if files is not None:
            found = next((files[name] for name in _names(segment) if name in files), None)
            file = None if found is None else _seen_from(out.parent, found)
        if file is not None:
            rows.append(_row(segment, labels, file, subset))
    if not rows:
        raise SondoError(
            f"none of the {len(segments):,} segments of {subset} is there: expected sound named like "
            f"{segments[0].stem}.flac, {segments[0].ytid}.wav or Y{segments[0].ytid}.wav"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as scratch:
        (_write_parquet if out.suffix.lower() == ".parquet" else _write_csv)(rows, scratch)
    return ManifestReport(
        subset=subset,
        num_clips=len(rows),
        num_labels=sum(len(row["labels"]) for row in rows),
        num_absent=len(segments) - len(rows),
    )


def _names(segment: Segment) -> tuple[str, ...]:
    return segment.stem, f"{segment.ytid}_{segment.start_s:g}", segment.ytid, f"Y{segment.ytid}"


def _seen_from(folder: Path, file: Path) -> str:
    """A path as a manifest in `folder` names it: relative where the file is below, so that both can be moved."""
    file, folder = file.resolve(), folder.resolve()
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)


def _row(segment: Segment, labels: dict[str, Label], file: str, subset: str) -> dict[str, Any]:
    found = [labels[mid] for mid in segment.mids]
    values = (
        file,
        subset,
        [label.name for label in found],
        [label.index for label in found if label.index is not None],
        segment.ytid,
        segment.start_s,
        segment.end_s,
    )
    return dict(zip(COLUMNS, values, strict=True))


def _write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    split = [name for row in rows for name in row["labels"] if ";" in name]
    if split:
        raise SondoError(
            f"the label {split[0]!r} holds the `;` that separates labels in CSV: write a .parquet manifest"
        )
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows:
            joined = {name: ";".join(map(str, row[name])) for name in ("labels", "label_indices")}
            writer.writerow(row | joined)


def _write_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    arrow = require("pyarrow", extra="train", why="Writing a .parquet manifest needs pyarrow")
    parquet = require("pyarrow.parquet", extra="train", why="Writing a .parquet manifest needs pyarrow")
    kinds = (arrow.string(), arrow.string(), arrow.list_(arrow.string()), arrow.list_(arrow.int32()), arrow.string())
    schema = arrow.schema(list(zip(COLUMNS, (*kinds, arrow.float64(), arrow.float64()), strict=True)))
    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), path)
