"""The command line: one verb for each step, each a thin shell over a Python function.

What lives here: `arguments` (short spellings and recipe files), `verbs` (a file for each verb), `shared` (what several
of them need) and `parser` (all verbs in one). May import: everything, heavy libraries inside the verbs' `run` alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import jsonargparse
from rich.text import Text

from sondo.cli.arguments import spelled_out
from sondo.cli.parser import make_parser
from sondo.cli.verbs import load_verb
from sondo.errors import SondoError
from sondo.screen import console


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `sondo`; a user's mistake ends with one message and exit code 1 or 2, an interruption with 130."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = make_parser(given).parse_args(spelled_out(given))
        chosen = str(settings.command)
        load_verb(chosen).run(settings[chosen])
    except jsonargparse.ArgumentError as error:
        _fail(f"{error} (see sondo {' '.join(given[:1])} --help)", code=2)
    except SondoError as error:
        _fail(str(error), code=1)
    except KeyboardInterrupt:
        console.print("interrupted: what was done is kept, the same command goes on from there")
        raise SystemExit(130) from None


def _fail(message: str, *, code: int) -> None:
    console.print(Text.assemble(("error: ", "bold red"), message))
    raise SystemExit(code)
