"""A student of width 0.1 that "learned" from a teacher: seeded weights, and a mapping head into 24 values."""

import pytest

TEACHER = {"name": "toy", "fingerprint": "0123456789abcdef", "licence": "CC0-1.0", "embedding_dim": 24}


@pytest.fixture
def student_folder(student, tmp_path):
    import torch

    from sondo.students.storage import save

    torch.manual_seed(0)
    student.info = {"teacher": dict(TEACHER)}
    save(student, tmp_path / "run" / "student", projector=student.make_projector(24).eval())
    return tmp_path / "run"
