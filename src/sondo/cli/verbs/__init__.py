"""The verbs, a file each, thin shells over Python functions.

A verb's file has `HELP` (a line for `sondo --help`), `build(verb)` (its options) and `run(settings)` (what it does).
Heavy libraries are imported inside `run`, so that `sondo --help` answers at once and the runtime's verbs work where
torch is not installed. May import: `sondo.recipe`, `sondo.recipes`, `sondo.cli.shared`; everything inside `run`.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast

import jsonargparse

NAMES = (
    "demo",
    "distill",
    "ingest",
    "teach",
    "cluster",
    "train",
    "evaluate",
    "reproduce",
    "export",
    "report",
    "verify",
    "embed",
    "probe",
    "finetune",
    "classify",
    "index",
    "search",
    "bench",
    "push",
    "audioset",
    "teachers",
    "students",
    "tasks",
)
"""In the order in which `sondo --help` lists them."""


class Verb(Protocol):
    """What a verb's file offers."""

    HELP: str

    def build(self, verb: jsonargparse.ArgumentParser) -> None:
        """Add the options."""

    def run(self, settings: Any) -> None:
        """Do it."""


def load_verb(name: str) -> Verb:
    """The file of a verb."""
    return cast(Verb, importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))
