"""What the parser says of a wrong value, as a sentence: its own words are those of a type checker.

Source: the messages of jsonargparse 4; one of another form is left as it is.
"""

from __future__ import annotations

import re

_WHOLE = re.compile(r'Parser key "(?P<key>[^"]+)"(?: element \d+)?:\s(?P<rest>.*)', re.DOTALL)
_EXPECTED = re.compile(
    r"Expected a (<class '(?P<kind>\w+)'>|typing\.Literal\[(?P<choices>.*?)\]|(?P<other>.+?))(?:\. Got value|$)",
    re.MULTILINE,
)
_GIVEN = re.compile(r"(?:Got|Given) value: (?P<value>.*)", re.DOTALL)
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list, such as '[12, 4]'",
}


def plain(message: str) -> str:
    """A message of the parser, for somebody who typed a command or wrote a recipe."""
    whole = _WHOLE.search(message)
    given = _GIVEN.search(whole["rest"]) if whole else None
    if whole is None or given is None:
        return message
    wanted = [_name(found) for found in _EXPECTED.finditer(whole["rest"])]
    expected = " or ".join(dict.fromkeys(filter(None, wanted)))
    if not expected:
        return message
    return f"--{whole['key']} is {given['value'].strip()!r}: expected {expected}"


def _name(found: re.Match[str]) -> str:
    if found["choices"]:
        return " or ".join(re.findall(r"'([^']*)'", found["choices"]))
    kind = found["kind"] or found["other"]
    return "" if kind == "NoneType" else _KINDS.get(kind, kind)
