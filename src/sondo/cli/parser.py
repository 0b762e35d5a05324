"""The parser of all verbs. Options, their types and their help come from the dataclasses of `sondo.recipe`."""

from __future__ import annotations

import argparse
import re
from collections import deque
from collections.abc import Container, Sequence
from typing import Any, NoReturn

import jsonargparse

from sondo.cli.verbs import NAMES, load_verb
from sondo.errors import near_settings


def make_parser(asked: Container[str] = NAMES) -> jsonargparse.ArgumentParser:
    """The parser of all verbs.

    Args:
        asked: The verbs that get their options, for making them is most of the work; what was typed will do.
    """
    from sondo import __version__

    parser = _Sondo(
        prog="sondo",
        description="Make audio foundation models small: any teacher's embeddings into a student that runs anywhere.",
        exit_on_error=False,
        allow_abbrev=False,
        version=__version__,
    )
    verbs = parser.add_subcommands(required=True, dest="command", metavar="VERB")
    for name in NAMES:
        file = load_verb(name)
        verb = _Verb(description=file.HELP, exit_on_error=False, allow_abbrev=False)
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


class _Sondo(jsonargparse.ArgumentParser):
    """The parser of all verbs; what is lacking is named as it is typed, which the message alone does not tell."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Stop with a message."""
        start, lead, keys = message.partition("the following arguments are required: ")
        if lead:
            message = start + lead + ", ".join(_as_typed(key, self) for key in keys.split(", "))
        super().error(message, ex)


def guess_options(message: str, parser: argparse.ArgumentParser) -> str:
    """The options that may have been meant, where a message of the parser names some that there are not."""
    _, _, typed = message.partition("unrecognized arguments: ")
    unknown = re.findall(r"(?:^|\s)(--[\w.]+)", typed)
    unknown += [f"--{key}" for key in re.findall("does not accept option '([^']+)'", message)]
    known = _options(parser) if unknown else []
    near = [" or ".join(found) for option in unknown if (found := near_settings(option, known))]
    return f"; did you mean {', '.join(near)}?" if near else ""


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """The options of a parser and of the verbs in it."""
    found: list[str] = []
    for action in parser._actions:
        found += action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            found += [option for verb in action.choices.values() for option in _options(verb)]
    return found


def _as_typed(key: str, parser: argparse.ArgumentParser) -> str:
    """`embed.files` is typed as `files`, `audioset.manifest.out` as `--out`."""
    first, _, rest = key.partition(".")
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and first in action.choices:
            return _as_typed(rest, action.choices[first])
        if action.dest == key and action.option_strings:
            return max(action.option_strings, key=len)
    return key


class _Verb(jsonargparse.ArgumentParser):
    """The parser of one verb; files may stand behind options too, which argparse refuses where their number is free."""

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, *further: Any, **options: Any
    ) -> jsonargparse.Namespace:
        """Parse, whatever stands first."""
        takes_files = any(not action.option_strings and action.nargs in ("*", "+") for action in self._actions)
        given = self._words_last(args) if args is not None and takes_files else args
        return super().parse_args(given, *further, **options)

    def _words_last(self, arguments: Sequence[str]) -> list[str]:
        words: list[str] = []
        options: list[str] = []
        rest = deque(arguments)
        while rest:
            argument = rest.popleft()
            if argument == "--":
                words += rest
                break
            if not argument.startswith("-"):
                words.append(argument)
                continue
            options.append(argument)
            action = self._option_string_actions.get(argument)
            most = len(rest) if action is None or action.nargs in ("+", "*") else 0 if action.nargs == 0 else 1
            while most and rest and not rest[0].startswith("--"):
                options.append(rest.popleft())
                most -= 1
        return [*options, "--", *words] if words else options
