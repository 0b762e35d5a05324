"""Sound and someone's own network, for the tests of files for phones."""

import numpy as np
from torch import nn

from sondo.students import Student
from sondo.students.own import OwnBackbone
from sondo.students.readout import make_readout


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def tones(number, seconds=2.0):
    """Sounds as unlike as an octave each, for int8: noise alone is one sound many times."""
    time = np.arange(round(seconds * 32000)) / 32000
    return [
        (0.3 * np.sin(2 * np.pi * 110 * 2 ** (k / 2) * time)).astype(np.float32) + noise(len(time))
        for k in range(number)
    ]


def own(network):
    """A student of a network that gives 64 values."""
    backbone = OwnBackbone(network, name="small", num_mels=128)
    readout = make_readout("last", backbone, num_mels=128, pool=nn.Identity())
    return Student(backbone, name="small", options={}, readout=readout).eval()
