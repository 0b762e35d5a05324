"""A mapping head as ONNX operators: from one window's vector to the teacher's space."""

from __future__ import annotations

from torch import nn

from sondo.export.steps import Constants, Step
from sondo.students import Projector


def head_steps(projector: Projector, *, vector: str, mapped: str) -> tuple[list[Step], Constants]:
    """Steps and their constants.

    Args:
        projector: The mapping head.
        vector: Name of the embedding, (1, embedding_dim).
        mapped: Name of the result, (1, embedding_dim of the teacher).
    """
    steps: list[Step] = []
    constants: Constants = {}
    layers = [layer for layer in projector.mlp if not isinstance(layer, nn.Dropout)]
    last = vector
    for number, layer in enumerate(layers):
        result = mapped if number == len(layers) - 1 else f"{mapped}/layer{number}"
        if isinstance(layer, nn.Linear):
            weight, bias = f"{mapped}/weight{number}", f"{mapped}/bias{number}"
            constants |= {key: value.detach().numpy() for key, value in ((weight, layer.weight), (bias, layer.bias))}
            steps.append(("Gemm", [last, weight, bias], result, {"transB": 1}))
        else:
            assert isinstance(layer, nn.Hardswish), f"a mapping head has no {type(layer).__name__}"
            steps.append(("HardSwish", [last], result, {}))
        last = result
    return steps, constants
