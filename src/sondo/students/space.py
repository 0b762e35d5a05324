"""The name of the space that a student's vectors lie in."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from sondo.students.student import Student


def space_id(student: Student) -> str:
    """`student-teacher-dim-hash`; the hash is over the weights, the teacher's fingerprint and the front-end.

    Two students have the same space id only if they give the same vectors.
    """
    teacher = student.info.get("teacher", {})
    digest = hashlib.sha256()
    for key, value in sorted(student.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    facts = {
        "student": student.name,
        "settings": student.settings,
        "teacher": [teacher.get("name"), teacher.get("fingerprint")],
        "front_end": student.front_end.config.to_dict(),
    }
    digest.update(json.dumps(facts, sort_keys=True).encode())
    return f"{student.name}-{teacher.get('name', 'untrained')}-{student.embedding_dim}-{digest.hexdigest()[:12]}"
