"""The audio transformer that MATPAC and M2D share: network, front-end, checkpoint layouts, and how a sound is cut.

May import: `sondo.audio`, `sondo.errors`, `sondo.weights`, torch. What sets the two apart beyond the names of their
tensors (normalisation, where to get them, what folders say) is in `sondo.teachers.matpac` and `sondo.teachers.m2d`.
"""

from __future__ import annotations

from sondo.teachers.vit.checkpoint import M2D, MATPAC, find_encoder, read_shape
from sondo.teachers.vit.encoder import AudioTransformer, TransformerShape
from sondo.teachers.vit.front_end import NormalisedLogMel
from sondo.teachers.vit.teacher import TransformerTeacher, make_teacher

__all__ = [
    "M2D",
    "MATPAC",
    "AudioTransformer",
    "NormalisedLogMel",
    "TransformerShape",
    "TransformerTeacher",
    "find_encoder",
    "make_teacher",
    "read_shape",
]
