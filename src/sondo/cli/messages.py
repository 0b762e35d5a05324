"""Messages of libraries in words for who typed a command.

Source: the messages of jsonargparse 4, whose words are those of a type checker, Lance 14, numpy 2, libsndfile 1.2 and
torch 2; one of another form is left as it is.
"""

from __future__ import annotations

import errno
import re

_WHOLE = re.compile(r'Parser key "(?P<key>[^"]+)"(?: element \d+)?:\s(?P<rest>.*)', re.DOTALL)
_EXPECTED = re.compile(
    r"(?:Expected(?: a)?|Not of type) (<class '(?P<kind>\w+)'>|typing\.Literal\[(?P<choices>.*?)\]|(?P<other>.+?))"
    r"(?:\. Got value|: |$)",
    re.MULTILINE,
)
_GIVEN = re.compile(r"(?:Got|Given) value: (?P<value>.*)", re.DOTALL)
_LACKING = re.compile(r'expected "(?:\w+\.)*(?P<what>\w+)" to be one of \{(?P<names>.*)\}, but it was not provided')
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list, such as '[12, 4]'",
    "PositiveInt": "a whole number from 1 on",
}


_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NUMBER = re.compile(r"\(os error (\d+)\)")  # Lance's errors have no errno
_CUT_OFF = re.compile(r"\d+ requested and \d+ written")  # and numpy's of a full disk none either
_NO_MEMORY = re.compile(r"can't allocate memory|out of memory|can't start new thread", re.IGNORECASE)


def of_the_machine(error: Exception) -> str | None:
    """What is wrong where the disk or the memory, and not the code, made a command fail; None for other errors."""
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return (
            "there is not enough memory: end other programs, or take smaller pieces (--train.batch_size, "
            "--teacher.batch_size, --workers, --threads)"
        )
    if not isinstance(error, OSError):
        return None
    found = _NUMBER.search(str(error))
    number = int(found[1]) if found else errno.ENOSPC if _CUT_OFF.search(str(error)) else error.errno
    where = f" ({error.filename})" if error.filename else ""
    if number in _FULL:
        return f"no space is left on the disk{where}: make room or name another place, then type the same again"
    if number in _FORBIDDEN:
        return f"permission denied{where}: allow reading and writing there, or name another place"
    if number == errno.ENOENT and error.filename:
        return f"{error.filename} is not there: what a command works on must stay in its place until it ends"
    return None


def plain(message: str) -> str:
    """A message of the parser, for somebody who typed a command or wrote a recipe."""
    if lacking := _LACKING.search(message):
        return f"no {lacking['what']} is given: expected one of {re.sub(', *', ', ', lacking['names'])}"
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
