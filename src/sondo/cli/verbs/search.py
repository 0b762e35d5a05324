"""`sondo search`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_code, add_threads

HELP = "the clips of an index that sound most like a file, or like what words say"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("index", help="what `sondo index` wrote")
    verb.add_argument("query", help="a sound file; with --text, words")
    verb.add_argument(
        "--text", action="store_true", help="the query is words, for --model teacher:hf:MODEL of a CLAP model"
    )
    verb.add_argument("--model", help="who hears the query, if not the model that built the index; or teacher:NAME")
    verb.add_argument("--k", type=int, default=10, help="how many clips")
    verb.add_argument("--exact", action="store_true", help="compare with every clip even where there is a faster way")
    verb.add_argument("--out", help="write the clips to this .csv file too")
    verb.add_argument("--overwrite", action="store_true", help="replace a .csv file that is there")
    verb.add_argument("--json", help="write the clips to this file too, as JSON")
    add_threads(verb)
    add_code(verb)


def run(settings: Any) -> None:
    """Search and show."""
    from sondo import search
    from sondo.claim import write_json
    from sondo.errors import check_places
    from sondo.screen import tell
    from sondo.search.results import as_json, check_csv, how_searched, show_hits, write_csv

    check_places(settings.json)
    if settings.out:
        check_csv(settings.out, overwrite=settings.overwrite)
    index = search.Index(settings.index)
    hits = search.query(
        index,
        settings.query,
        text=settings.text,
        model=settings.model,
        k=settings.k,
        exact=settings.exact,
        threads=settings.threads,
        allow_code=settings.allow_code,
    )
    show_hits(hits)
    tell(how_searched(index, exact=settings.exact))
    if settings.out:
        write_csv(settings.out, hits, overwrite=settings.overwrite)
    if settings.json:
        write_json(Path(settings.json), {"query": settings.query, "hits": as_json(hits)})
