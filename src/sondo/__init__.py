"""sondo makes audio foundation models small: any teacher's embeddings into a student that runs anywhere.

    model = sondo.load("student.onnx")          # also: the folder of a run or of a student
    model.embed("dog.wav")                      # (embedding_dim,) float32
    sondo.distill(audio="clips/", out="runs/first", teacher="modulation", student="mobilenetv3")

Importing sondo imports neither torch nor anything else that is heavy: each name below is loaded when it is first used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# onnxruntime 1.32 keeps an id of the device, and events for its makers, in the home folder, and complains at each start
# where it cannot. It looks once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from sondo import bank, classifier, evaluate, export, hear, recipe, runtime, search, students, teachers
    from sondo.distill import distill  # the verb that the room is too: a module cannot be called, says a type checker
    from sondo.errors import SondoError
    from sondo.loading import load
    from sondo.pushing import push_to_hub
    from sondo.runtime import read_embeddings, similarity

__version__ = "0.1.0"

__all__ = [
    "SondoError",
    "bank",
    "classifier",
    "distill",
    "evaluate",
    "export",
    "hear",
    "load",
    "push_to_hub",
    "read_embeddings",
    "recipe",
    "runtime",
    "search",
    "similarity",
    "students",
    "teachers",
]

_ROOMS = (
    "bank",
    "classifier",
    "distill",
    "evaluate",
    "export",
    "hear",
    "recipe",
    "runtime",
    "search",
    "students",
    "teachers",
)
_NAMES = {
    "SondoError": "sondo.errors",
    "load": "sondo.loading",
    "push_to_hub": "sondo.pushing",
    "read_embeddings": "sondo.runtime",
    "similarity": "sondo.runtime",
}


def __getattr__(name: str) -> Any:
    from sondo.errors import import_own

    if name in _ROOMS:
        needs = ("torch", "lightning", "lance") if name == "distill" else ()  # it imports them when it is called
        return import_own(f"sondo.{name}", what=f"sondo.{name}", needs=needs)
    if name in _NAMES:
        return getattr(import_own(_NAMES[name], what=f"sondo.{name}"), name)
    raise AttributeError(f"module 'sondo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"Any", "TYPE_CHECKING", "annotations"})
