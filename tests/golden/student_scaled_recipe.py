"""What the golden DyMN and ERes2Net have besides `student_recipe.py`: scaled variances, and banks of kernels."""

import math
import zlib

import numpy as np


def scaled_weights(recipe, shapes, scales):
    """As `recipe.seeded_weights`, but banks of kernels by their own fan-in, and some variances times a power of two.

    A bank `X_conv.weight` is (1, 1, kernels, values of a kernel set); its output channels are those of `X_norm`.
    """
    weights = recipe.seeded_weights(shapes)
    for key, shape in shapes.items():
        norm = key.removesuffix("_conv.weight") + "_norm.weight"
        if key.endswith("_conv.weight") and len(shape) == 4 and shape[0] == 1 and norm in shapes:
            draw = np.random.default_rng(zlib.crc32(key.encode()))
            fan_in = shape[3] / shapes[norm][0] / shape[2]
            weights[key] = (math.sqrt(1.5 / fan_in) * draw.standard_normal(shape)).astype(np.float32)
    for key, factor in scales.items():
        weights[key] = weights[key] * np.float32(factor)
    return weights
