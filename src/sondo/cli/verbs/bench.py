"""`sondo bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_code

HELP = "what models cost: parameters, work, size, memory, latency"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument(
        "models",
        nargs="+",
        help="an .onnx file, the folder of a run or of a student, owner/name on the hub, a published .ckpt or its name",
    )
    verb.add_argument("--against", help="a model to compare the others with, call by call")
    verb.add_argument("--threads", type=int, nargs="+", default=[1], help="numbers of threads")
    verb.add_argument("--batch", type=int, nargs="+", default=[1], help="numbers of sounds in a call")
    verb.add_argument("--seconds", type=float, default=10.0, help="length of each sound")
    verb.add_argument("--json", help="write the result to this file too")
    verb.add_argument("--markdown", help="write the tables to this file too, with what each figure means")
    add_code(verb)


def run(settings: Any) -> None:
    """Measure, show, write."""
    from sondo.bench.run import bench
    from sondo.bench.tables import markdown, show
    from sondo.claim import write_json
    from sondo.errors import check_places

    check_places(settings.json, settings.markdown)
    result = bench(
        settings.models,
        against=settings.against,
        threads=settings.threads,
        batch=settings.batch,
        seconds=settings.seconds,
        allow_code=settings.allow_code,
    )
    show(result)
    if settings.json:
        write_json(Path(settings.json), result)
    if settings.markdown:
        Path(settings.markdown).parent.mkdir(parents=True, exist_ok=True)
        Path(settings.markdown).write_text(markdown(result), encoding="utf-8")
