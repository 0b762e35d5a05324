"""The files of a student's folder, by name: what `sondo.students.save` writes, and what a repository of the hub has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONFIG, WEIGHTS, PROJECTOR, CARD = "config.json", "model.safetensors", "projector.safetensors", "README.md"
EXPORTED, CLASSIFIER = "student.onnx", "classifier.onnx"


def projector_file(index: int) -> str:
    """The file of the mapping head of a teacher, counted from 0."""
    return PROJECTOR if index == 0 else f"projector-{index + 1}.safetensors"


def weight_files(config: Mapping[str, Any]) -> list[str]:
    """The files of weights that a `config.json` needs beside it: the network's, then those of its mapping heads."""
    heads = len(config.get("more_projectors") or []) + 1 if config.get("projector") else 0
    return [WEIGHTS, *map(projector_file, range(heads))]
