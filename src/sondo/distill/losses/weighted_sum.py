"""Losses by name, alone or added up: `"0.7 * cosine + 0.3 * queue_kl(temperature=0.05)"`."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from sondo.distill.augment import Mix
from sondo.distill.losses.base import Loss
from sondo.errors import SondoError

_EXAMPLE = 'write it like "cosine" or "0.7 * cosine + 0.3 * queue_kl(temperature=0.05)"'


class WeightedSum(Loss):
    """`sum(weight * loss)`.

    Args:
        parts: The losses.
        weights: A factor for each.
    """

    def __init__(self, parts: Sequence[Loss], weights: Sequence[float]) -> None:
        super().__init__()
        self.parts, self.weights = nn.ModuleList(parts), list(weights)
        self.needs_clusters = any(part.needs_clusters for part in parts)

    def value(self, student_BD: Tensor, teacher_BD: Tensor, clusters_B: Tensor | None, mix: Mix | None) -> Tensor:
        """See the class."""
        values = [part(student_BD, teacher_BD, clusters_B=clusters_B, mix=mix) for part in self.parts]
        return torch.stack([weight * value for weight, value in zip(self.weights, values, strict=True)]).sum()


def parse(spec: str, kinds: Mapping[str, type[Loss]], *, teacher_dim: int | None) -> Loss:
    """Make what a text describes: names, each with options that are numbers, weighed by numbers and added.

    The text is read, never run.

    Args:
        spec: E.g. `"cosine + 0.5 * clap(temperature=0.1)"`.
        kinds: The losses by name.
        teacher_dim: Values of the teacher's vector, for the losses that keep some.

    Raises:
        SondoError: Another kind of text, an unknown loss or option, or a value that does not fit.
    """
    try:
        tree = ast.parse(spec.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SondoError(f"the loss {spec!r} cannot be read: {_EXAMPLE}") from error
    terms = [_weight(node, spec) for node in _summands(tree)]
    parts = [_make(node, spec, kinds, teacher_dim) for _, node in terms]
    weights = [weight for weight, _ in terms]
    return parts[0] if weights == [1.0] else WeightedSum(parts, weights)


def _summands(node: ast.expr) -> Iterator[ast.expr]:
    """The terms from left to right; `a + b + c` is a tree that leans to the left."""
    terms = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        terms.append(node.right)
        node = node.left
    return reversed([*terms, node])


def _weight(node: ast.expr, spec: str) -> tuple[float, ast.expr]:
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
        return 1.0, node
    weight = _number(node.left)
    if weight is None or not (0 < weight < math.inf):
        raise SondoError(f"in the loss {spec!r}, what stands before * is no number above 0: {_EXAMPLE}")
    return float(weight), node.right


def _number(node: ast.expr) -> int | float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    return node.value if is_number else None  # type: ignore[attr-defined]


def _make(node: ast.expr, spec: str, kinds: Mapping[str, type[Loss]], teacher_dim: int | None) -> Loss:
    name, keywords = node, []
    if isinstance(node, ast.Call):
        name, keywords = node.func, node.keywords
        if node.args:
            raise SondoError(f"in the loss {spec!r}, each option needs its name, as in clap(temperature=0.1)")
    if not isinstance(name, ast.Name):
        raise SondoError(f"the loss {spec!r} cannot be read: {_EXAMPLE}")
    if name.id not in kinds:
        raise SondoError(f"no loss is called {name.id!r}: there is {', '.join(sorted(kinds))}")
    kind = kinds[name.id]
    # Losses without options have the constructor of nn.Module, whose * and ** are no names.
    options_of = inspect.signature(kind).parameters
    known = {key: option for key, option in options_of.items() if option.kind is option.POSITIONAL_OR_KEYWORD}
    options: dict[str, int | float] = {}
    if known.pop("teacher_dim", None):
        assert teacher_dim is not None, f"{name.id} is made with the teacher's dimension"
        options["teacher_dim"] = teacher_dim
    for keyword in keywords:
        if keyword.arg not in known:
            raise SondoError(
                f"the loss {name.id} has no option {keyword.arg or '**'!r}: there is {', '.join(known) or 'none'}"
            )
        value = _number(keyword.value)
        whole = isinstance(known[keyword.arg].default, int)
        if value is None or (whole and not isinstance(value, int)) or not math.isfinite(value):
            raise SondoError(f"the loss {name.id} takes a {'whole ' if whole else ''}number for {keyword.arg}")
        options[keyword.arg] = value if whole else float(value)
    return kind(**options)
