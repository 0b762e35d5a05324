"""Weights kept in fewer bits: what a runtime makes of them, against arithmetic by hand."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sondo.export.small_weights import keep_small

WEIGHTS = (np.random.default_rng(0).standard_normal((40, 600)) * np.logspace(-3, 2, 40)[:, None]).astype(np.float32)


def graph():
    """A product with a large matrix, a large vector and a small matrix."""
    constants = {"big": WEIGHTS, "bias": np.linspace(-1, 1, 600).astype(np.float32), "front/big": WEIGHTS.T.copy()}
    constants["small"] = np.eye(3, dtype=np.float32)
    return helper.make_graph(
        [helper.make_node("MatMul", ["x", "big"], ["product"]), helper.make_node("Add", ["product", "bias"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 600])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )


def found(bits):
    """The weights as a runtime sees them: what the unit vectors give, less the bias."""
    changed = graph()
    keep_small(changed, bits=bits, passed_over="front/")
    model = helper.make_model(changed, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (values,) = session.run(None, {"x": np.eye(40, dtype=np.float32)})
    kinds = {item.name: item.data_type for item in changed.initializer}
    return values - np.linspace(-1, 1, 600).astype(np.float32), kinds


def test_16_bits_are_those_of_the_weights_rounded():
    values, kinds = found(16)
    wanted = WEIGHTS.astype(np.float16).astype(np.float32)
    assert not np.array_equal(wanted, WEIGHTS)
    np.testing.assert_allclose(values, wanted, rtol=1e-6, atol=3e-4)  # the bias has 16 bits too
    assert TensorProto.FLOAT16 in kinds.values()


def test_8_bits_are_within_half_a_step_of_each_block():
    values, kinds = found(8)
    blocks = WEIGHTS.reshape(-1, 200)  # the largest divisor of a row of 600 up to 256
    steps = np.abs(blocks).max(axis=1, keepdims=True) / 127
    difference = np.abs(values.reshape(-1, 200) - blocks) / steps
    assert 0.4 < difference.max() <= 0.51
    assert TensorProto.INT8 in kinds.values()
    assert kinds["bias"] == TensorProto.FLOAT


@pytest.mark.parametrize("bits", [8, 16])
def test_small_ones_and_those_passed_over_stay(bits):
    kinds = found(bits)[1]
    assert kinds["small"] == kinds["front/big"] == TensorProto.FLOAT
    assert "big" not in kinds
