"""Seeded weights and sound of the golden student vectors. The order and kind of the draws are part of the recipe.

Each tensor comes from its own generator, seeded with the CRC-32 of its key; drawn in float64, rounded once.
"""

import math
import runpy
import zlib
from pathlib import Path

import numpy as np

_waveform = runpy.run_path(str(Path(__file__).with_name("frontend_signal.py")))["golden_waveform"]


def golden_batch(sample_rate, seconds, seed, batch):
    """Row b is the golden waveform of seed + b."""
    return np.stack([_waveform(sample_rate, seconds, seed + row) for row in range(batch)])


def golden_normal(shape, seed, scale=1.0):
    return (scale * np.random.default_rng(seed).standard_normal(tuple(shape))).astype(np.float32)


def seeded_weights(shapes):
    """{key: shape} to {key: array}; counters of batches are zero."""
    return {key: _seeded(key, tuple(shape)) for key, shape in shapes.items()}


def fingerprint(arrays):
    """CRC-32 over the bytes in the order of the keys, and the mean magnitude for platforms that round otherwise."""
    crc, total, count = 0, 0.0, 0
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        crc = zlib.crc32(array.tobytes(), zlib.crc32(key.encode(), crc))
        total += float(np.abs(array.astype(np.float64)).sum())
        count += array.size
    return {"arrays": len(arrays), "elements": count, "mean_abs": total / count, "crc32": crc}


def same(first, second):
    close = math.isclose(first["mean_abs"], second["mean_abs"], rel_tol=1e-9)
    return first["elements"] == second["elements"] and (first["crc32"] == second["crc32"] or close)


def _seeded(key, shape):
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    draw = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("running_var"):
        value = draw.uniform(0.5, 1.5, shape)
    elif key.endswith("running_mean"):
        value = 0.1 * draw.standard_normal(shape)
    elif key.endswith("bias"):
        value = 0.05 * draw.standard_normal(shape)
    elif len(shape) == 1:
        value = draw.uniform(0.7, 1.3, shape)
    else:
        value = math.sqrt(1.5 / math.prod(shape[1:])) * draw.standard_normal(shape)
    return np.asarray(value, dtype=np.float32)
