"""`sondo audioset`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

HELP = "AudioSet: its official lists as a manifest, its sound from YouTube"

_MANIFEST = "an official list of segments as a manifest for sondo ingest, with all labels of every clip"
_DOWNLOAD = "segments of AudioSet from YouTube, 32 kHz mono FLAC, with their manifest"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its two actions and their options."""
    actions = verb.add_subcommands(required=True, dest="action", metavar="ACTION")
    action = jsonargparse.ArgumentParser(description=_MANIFEST, exit_on_error=False, allow_abbrev=False)
    action.add_argument("--segments", required=True, help="balanced_train_segments.csv or a sibling; names the split")
    action.add_argument("--labels", required=True, help="class_labels_indices.csv, or ontology.json")
    action.add_argument("--audio", help="folder of the segments' sound; those without are left out of the manifest")
    action.add_argument("--out", required=True, help="the manifest, .csv or .parquet")
    actions.add_subcommand("manifest", action, help=_MANIFEST)
    action = jsonargparse.ArgumentParser(description=_DOWNLOAD, exit_on_error=False, allow_abbrev=False)
    action.add_argument(
        "--subset",
        choices=["balanced_train", "eval", "unbalanced_train"],
        default="balanced_train",
        help="which part of AudioSet",
    )
    positive = jsonargparse.typing.PositiveInt
    action.add_argument("--n", type=positive | None, help="segments to draw at random, each alike; all if left out")
    action.add_argument("--seed", type=int, default=0, help="seed of the draw; a larger --n keeps those of a smaller")
    action.add_argument("--out", required=True, help="folder of the sound, of gone.csv and of the manifest")
    action.add_argument("--workers", type=positive, default=4, help="downloads at a time")
    action.add_argument("--retry", action="store_true", help="ask again for what gone.csv says is gone")
    actions.add_subcommand("download", action, help=_DOWNLOAD)


def run(settings: Any) -> None:
    """Do one of them and say what came of it."""
    {"manifest": _manifest, "download": _download}[settings.action](settings[settings.action])


def _manifest(settings: Any) -> None:
    from sondo.audioset import make_manifest
    from sondo.screen import tell

    out = Path(settings.out)
    audio = None if settings.audio is None else Path(settings.audio)
    report = make_manifest(Path(settings.segments), Path(settings.labels), out, audio=audio)
    absent = f", {report.num_absent:,} without sound left out" if report.num_absent else ""
    tell(f"{out}: {report.num_clips:,} clips of {report.subset}, {report.num_labels:,} labels{absent}")


def _download(settings: Any) -> None:
    from sondo.audioset import download
    from sondo.screen import tell

    out = Path(settings.out)
    report = download(
        settings.subset,
        out,
        n=settings.n,
        seed=settings.seed,
        workers=settings.workers,
        retry=settings.retry,
    )
    tell(f"{out}: {report.num_there:,} of {report.num_asked:,} segments are there ({report.num_new:,} new)")
    if report.gone:
        tell(f"{out / 'gone.csv'}: {', '.join(f'{count:,} {reason}' for reason, count in report.gone.items())}")
    if report.failed:
        last = list(report.failed.values())[-1]
        tell(f"failed this time, asked for again by the same command: {len(report.failed):,}, the last with: {last}")
    if report.manifest is not None:
        manifest = out / f"{settings.subset}.csv"
        tell(f"{manifest}: {report.manifest.num_clips:,} clips, {report.manifest.num_labels:,} labels")
        tell(f"next: sondo ingest --manifest {manifest} --bank {out.name}.lance")
