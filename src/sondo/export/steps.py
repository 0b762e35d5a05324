"""Graphs written down as lists of steps, and the constants that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Step = tuple[str, Sequence[str], str | Sequence[str], Mapping[str, Any]]
"""Operator, inputs, output or outputs, attributes."""

Constants = dict[str, NDArray[Any]]


def nodes(steps: Sequence[Step], *, prefix: str = "", outside: Mapping[str, str] | None = None) -> list[NodeProto]:
    """Steps as nodes.

    Args:
        steps: In the order in which they run. An input without a name is one left out.
        prefix: What the names begin with, also those of `named` constants.
        outside: Names of the graph around, here -> there; they get no prefix.
    """

    def name(local: str) -> str:
        return (outside or {}).get(local, prefix + local) if local else ""

    made = []
    for kind, inputs, output, attributes in steps:
        outputs = [name(item) for item in ([output] if isinstance(output, str) else output)]
        made.append(helper.make_node(kind, [name(item) for item in inputs], outputs, name=outputs[0], **attributes))
    return made


def named(constants: Constants, *, prefix: str) -> Constants:
    """Constants under the names that `nodes` gives them."""
    return {prefix + local: value for local, value in constants.items()}


def tensors(constants: Constants) -> list[TensorProto]:
    """Constants as initializers."""
    return [numpy_helper.from_array(np.array(value, order="C"), name) for name, value in constants.items()]
