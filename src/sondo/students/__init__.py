"""Students: small networks from raw sound to an embedding, their mapping heads, and their folders on disk.

    student = sondo.students.create("mobilenetv3", width_mult=0.4)
    sondo.students.save(student, "student/")
    student = sondo.students.load("student/")

May import: `sondo.audio`, `sondo.catalogue`, `sondo.errors`, `sondo.runtime.model`, `sondo.scratch`, `sondo.weights`,
numpy, torch, safetensors; huggingface_hub inside functions only.
"""

from __future__ import annotations

from sondo.catalogue import StudentInfo, available
from sondo.students.embedder import TorchModel
from sondo.students.front_end import LogMel
from sondo.students.head import Projector, ProjectorEnsemble
from sondo.students.registry import create
from sondo.students.storage import load, load_projector, load_projectors, save
from sondo.students.student import Student

__all__ = [
    "LogMel",
    "Projector",
    "ProjectorEnsemble",
    "Student",
    "StudentInfo",
    "TorchModel",
    "available",
    "create",
    "load",
    "load_projector",
    "load_projectors",
    "save",
]
