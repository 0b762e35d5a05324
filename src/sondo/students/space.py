"""The name of an embedding space: vectors that carry different names are never compared."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from sondo.students.student import Student


def space_id(student: Student) -> str:
    """Name the space of a student: readable words and twelve hexadecimal digits.

    The digits come from the weights, the teacher's name and fingerprint, the dimension and the front-end; the device
    and the memory format of the weights do not matter.

    Example:
        `mobilenetv3-0.4.modulation.384d.1f3b5c79a2de`
    """
    words = "-".join(
        [student.name, *(f"{value}" for value in student.options.values()), *filter(None, [student.compat])]
    )
    teacher = str(student.teacher.get("name") or "untaught")
    parts = [words, teacher, f"{student.embedding_dim}d", _digest(student)]
    return ".".join(re.sub(r"[^A-Za-z0-9.+-]+", "_", part) for part in parts)


def _digest(student: Student) -> str:
    teacher = student.teacher
    origin: dict[str, object] = {
        "student": [student.name, student.options],
        "teacher": [teacher.get("name"), teacher.get("fingerprint")],
        "embedding_dim": student.embedding_dim,
        "front_end": student.front_end.config.hash(),
    }
    if student.compat is not None:
        origin["compat"] = student.compat
    digest = hashlib.sha256(json.dumps(origin, sort_keys=True).encode())
    for key, tensor in sorted(student.state_dict().items()):
        if not tensor.is_floating_point():
            continue  # counters of batches change no vector
        array = tensor.detach().to(device="cpu", dtype=torch.float32).contiguous().numpy()
        digest.update(f"{key}{array.shape}".encode())
        digest.update(array.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()[:12]
