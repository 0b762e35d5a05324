"""The command line: one verb for each step, each a thin shell over a Python function.

What lives here: `arguments` (short spellings and recipe files), `verbs` (a file for each verb), `shared` (what several
of them need), `parser` (all verbs in one) and `messages` (what is said of wrong values and of the machine). May import:
everything, heavy libraries inside the verbs' `run` alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import jsonargparse
from rich.text import Text

from sondo.cli.arguments import spelled_out
from sondo.cli.messages import of_the_machine, plain
from sondo.cli.parser import guess_options, make_parser
from sondo.cli.verbs import NAMES, load_verb
from sondo.errors import SondoError
from sondo.screen import console

GO_ON = frozenset(
    ("demo", "distill", "ingest", "teach", "train", "reproduce", "finetune", "embed", "index", "audioset")
)
"""Verbs that keep what was done when they are interrupted."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `sondo`; a user's mistake ends with one message and exit code 1 or 2, an interruption with 130."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser = make_parser(given)
        settings = parser.parse_args(spelled_out(given))
        chosen = str(settings.command)
        load_verb(chosen).run(settings[chosen])
    except jsonargparse.ArgumentError as error:
        verb = given[0] if given[:1] and given[0] in NAMES else ""
        message = plain(str(error).replace(f" {verb}.", " ") if verb else str(error))
        message += guess_options(message, parser)
        _fail(f"{message} (see {' '.join(filter(None, ('sondo', verb, '--help')))})", code=2)
    except SondoError as error:
        _fail(str(error), code=1)
    except (OSError, MemoryError, RuntimeError) as error:
        if (reason := of_the_machine(error)) is None:
            raise
        _fail(reason, code=1)
    except KeyboardInterrupt:
        kept = ": what was done is kept, the same command goes on from there" if _goes_on(given) else ""
        console.print(f"interrupted{kept}")
        raise SystemExit(130) from None


def _goes_on(given: Sequence[str]) -> bool:
    """Whether a command keeps what was done; `evaluate` does where it has a folder for vectors."""
    keeps_vectors = {"--suite", "--cache", "--out"} & {each.partition("=")[0] for each in given}
    return bool(given) and (given[0] in GO_ON or (given[0] == "evaluate" and bool(keeps_vectors)))


def _fail(message: str, *, code: int) -> None:
    console.print(Text.assemble(("error: ", "bold red"), message))
    raise SystemExit(code)
