"""Whether the fields of a configuration are of the kinds that their annotations name: the command line checks what is
typed, Python nothing.

May import: the standard library and `sondo.errors`.
"""

from __future__ import annotations

import dataclasses
import numbers
import os
import types
import typing
from typing import Any, Literal

from sondo.errors import SondoError

_NAMES: dict[Any, tuple[str, tuple[type, ...]]] = {
    int: ("a whole number", (numbers.Integral,)),
    float: ("a number", (numbers.Real,)),
    str: ("a text", (str, os.PathLike)),
    bool: ("True or False", (bool,)),
    types.NoneType: ("None", (types.NoneType,)),
}


def check_kinds(config: Any, group: str = "") -> None:
    """Refuse a configuration one of whose fields is of another kind.

    Args:
        config: A dataclass of plain fields.
        group: What stands before the names of its fields, such as `train.`.

    Raises:
        SondoError: A field of another kind, or a choice that there is not; says what was expected.
    """
    for name, kind in typing.get_type_hints(type(config)).items():
        value = getattr(config, name)
        if not _fits(value, kind):
            raise SondoError(f"{group}{name} is {value!r}: expected {_named(kind)}")


def plain(value: Any) -> Any:
    """A value of the kinds that are taken as JSON has it: paths as text, numbers of other libraries as Python's."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, numbers.Real) and not isinstance(value, (bool, int, float)):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    return value


def _fits(value: Any, kind: Any) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in arguments)
    if origin is list:
        return isinstance(value, (list, tuple)) and all(_fits(each, arguments[0]) for each in value)
    if kind in _NAMES:
        return isinstance(value, _NAMES[kind][1]) and (kind is bool or not isinstance(value, bool))
    return isinstance(value, kind)


def _named(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_named, arguments))
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin is list:
        return f"a list of which each is {_named(arguments[0])}"
    if dataclasses.is_dataclass(kind):
        return f"a sondo.recipe.{getattr(kind, '__name__', kind)} or its fields"
    return _NAMES[kind][0]
