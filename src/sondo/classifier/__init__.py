"""Classifiers on top of a student: heads, how they are fitted, and one file from sound to labels with probabilities.

    sondo.classifier.probe("runs/first", data="dogs_and_cats/", out="classifier.onnx")
    sondo.load("classifier.onnx").classify("dog.wav")       # needs none of this room, and no torch

What lives here: heads (numpy), the fit and its held-out predictions, the classifier's ONNX file, heads of words and
published ones, and fine-tuning. May import: `sondo.evaluate`, `sondo.runtime`, `sondo.loading`, `sondo.bank`,
`sondo.students`, `sondo.teachers` (who reads words), `sondo.export`, `sondo.distill`, `sondo.weights`, `sondo.fonts`,
`sondo.audio`, `sondo.recipe`, `sondo.claim`, `sondo.errors`, `sondo.in_threads`, `sondo.screen`, `sondo.scratch`;
scikit-learn, onnx, torch, lightning and matplotlib inside functions or in the modules of fine-tuning alone, so that
importing this package loads none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sondo.classifier.head import Head

if TYPE_CHECKING:
    from sondo.classifier.finetuning import finetune
    from sondo.classifier.probing import probe
    from sondo.classifier.published import load_head

__all__ = ["Head", "finetune", "load_head", "probe"]

_NAMES = {"finetune": "finetuning", "load_head": "published", "probe": "probing"}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"Any", "TYPE_CHECKING", "annotations", "importlib"})
