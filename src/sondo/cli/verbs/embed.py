"""`sondo embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_code, add_threads

HELP = "embeddings of sound files"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument(
        "model",
        help="an exported file (.onnx, .tflite or .pte), the folder of a run or of a student, owner/name on the hub, a "
        "published .ckpt or its name",
    )
    verb.add_argument("files", nargs="+", help="sound files, or folders of them")
    verb.add_argument("--out", required=True, help="embeddings.npz, .csv, .npy or .parquet")
    verb.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    add_threads(verb)
    verb.add_argument("--compat", choices=["ssondo"], help="embed a published .ckpt as its authors' code does")
    add_code(verb)


def run(settings: Any) -> None:
    """Embed and say how many."""
    from sondo.embed import embed_files
    from sondo.screen import counted, tell

    names, shape = embed_files(
        settings.model,
        [Path(file) for file in settings.files],
        Path(settings.out),
        overwrite=settings.overwrite,
        threads=settings.threads,
        compat=settings.compat,
        allow_code=settings.allow_code,
    )
    tell(f"{settings.out}: {counted(len(names), 'sound')}, {shape[1]} values each")
