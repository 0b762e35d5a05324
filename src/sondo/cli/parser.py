"""The parser of all verbs. Options, their types and their help come from the dataclasses of `sondo.recipe`."""

from __future__ import annotations

from collections.abc import Container

import jsonargparse

from sondo.cli.verbs import NAMES, load_verb


def make_parser(asked: Container[str] = NAMES) -> jsonargparse.ArgumentParser:
    """The parser of all verbs.

    Args:
        asked: The verbs that get their options, for making them is most of the work; what was typed will do.
    """
    from sondo import __version__

    parser = jsonargparse.ArgumentParser(
        prog="sondo",
        description="Make audio foundation models small: any teacher's embeddings into a student that runs anywhere.",
        exit_on_error=False,
        allow_abbrev=False,
        version=f"sondo {__version__}",
    )
    verbs = parser.add_subcommands(required=True, dest="command", metavar="VERB")
    for name in NAMES:
        file = load_verb(name)
        verb = jsonargparse.ArgumentParser(description=file.HELP, exit_on_error=False, allow_abbrev=False)
        verbs.add_subcommand(
            name, verb, help=file.HELP
        )  # first: a verb may have actions, which are added in level order
        if name not in asked:
            continue
        file.build(verb)
        for action in verb._actions:
            if getattr(action, "_typehint", None) is bool:  # `--teacher.online` is `--teacher.online true`
                action.nargs, action.const = "?", True
    return parser
