"""Who teaches: the protocol, the teachers by name, and what each needs.

May import: `sondo.audio`, `sondo.errors`, `sondo.screen`, `sondo.weights`, numpy; torch, pyarrow and onnxruntime inside
functions or in a teacher's own module, which is loaded when that teacher is made. Knows neither the students nor the
bank.
"""

from __future__ import annotations

from sondo.teachers.base import Teacher, TeacherInfo
from sondo.teachers.registry import available, create, label_of

__all__ = ["Teacher", "TeacherInfo", "available", "create", "label_of"]
