"""Running a student: raw sound in, embedding out, with numpy, onnxruntime, soundfile and soxr alone.

May import: `sondo.audio`, `sondo.errors`, `sondo.in_threads`, `sondo.scratch`, numpy; onnxruntime and pyarrow inside
functions only. Never torch.
"""

from __future__ import annotations

from sondo.runtime.classifier import OnnxClassifier, Prediction, SegmentPrediction, open_onnx
from sondo.runtime.model import Model
from sondo.runtime.onnx import OnnxModel
from sondo.runtime.read import Embeddings, read_embeddings
from sondo.runtime.similarity import similarity
from sondo.runtime.space import SpaceMismatchError, check_same_space
from sondo.runtime.stream import Stream
from sondo.runtime.write import write_embeddings

__all__ = [
    "Embeddings",
    "Model",
    "OnnxClassifier",
    "OnnxModel",
    "Prediction",
    "SegmentPrediction",
    "SpaceMismatchError",
    "Stream",
    "check_same_space",
    "open_onnx",
    "read_embeddings",
    "similarity",
    "write_embeddings",
]
