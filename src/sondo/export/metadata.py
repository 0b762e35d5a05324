"""What an exported file says about itself, all of it text: docs/onnx.md is its reference."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime
import torch
from onnx import ModelProto

from sondo.errors import SondoError
from sondo.runtime.golden import (
    GOLDEN,
    GOLDEN_SAMPLES,
    GoldenVector,
    golden_key,
    golden_sound,
    golden_vectors,
    to_text,
)
from sondo.runtime.metadata import FORMAT, PRECISION, Precision
from sondo.students import Projector, Student

_LINEAGE = ("teacher", "teachers", "source", "checkpoint", "init", "init_licence", "init_source", "init_sha256")


def metadata(
    student: Student,
    *,
    frames: bool,
    projector: Projector | None,
    teacher: str | None = None,
    precision: Precision = "float32",
) -> dict[str, str]:
    """The metadata of a student's file.

    Args:
        student: The student.
        frames: Whether the file has the output `frames`.
        projector: The mapping head, where it has the output `teacher_space`.
        teacher: Whose of several teachers the mapping head is; the first one's when left out.
        precision: How the network keeps its numbers.
    """
    lineage = {key: student.info[key] for key in _LINEAGE if key in student.info}
    return {
        "sondo.format": FORMAT,
        "sondo.name": student.name,
        "sondo.space_id": student.space_id,
        "sondo.sample_rate": str(student.sample_rate),
        "sondo.embedding_dim": str(student.embedding_dim),
        "sondo.licence": student.licence,
        "sondo.lineage": json.dumps(lineage, ensure_ascii=False),
        "sondo.front_end": json.dumps(student.front_end.config.to_dict()),
        PRECISION: precision,
        GOLDEN: to_text(_golden_vectors(student)),
        **({"sondo.frame_stride": str(student.frame_stride)} if frames else {}),
        **({"sondo.teacher": json.dumps(_mapped_to(student, projector, teacher))} if projector is not None else {}),
    }


def _mapped_to(student: Student, projector: Projector, name: str | None) -> Mapping[str, Any]:
    """Into whose space the mapping head maps."""
    each = student.teachers or [{}]
    teacher = next((teacher for teacher in each if name in (None, teacher.get("name"))), None)
    if teacher is None:
        names = ", ".join(str(teacher.get("name")) for teacher in each)
        raise SondoError(f"{name} did not teach this student: its teachers are {names}")
    about = {key: teacher.get(key, "") for key in ("name", "fingerprint", "licence")}
    return about | {"embedding_dim": projector.embedding_dim}


def _golden_vectors(student: Student) -> list[GoldenVector]:
    """What torch gives for the golden sounds."""
    student = copy.deepcopy(student).cpu().float().eval()
    with torch.inference_mode():
        return [
            GoldenVector.of(student(torch.from_numpy(golden_sound(samples))[None])[0].numpy(), samples=samples)
            for samples in GOLDEN_SAMPLES
        ]


def golden_of_file(model: ModelProto, outputs: Sequence[str]) -> dict[str, str]:
    """What the file itself gives for the golden sounds, in onnxruntime, as metadata.

    Args:
        model: The file.
        outputs: Those that golden vectors are wanted of: further outputs, and the embedding where its numbers are not
            torch's.
    """
    if not outputs:
        return {}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return {golden_key(output): to_text(golden_vectors(session, output)) for output in outputs}
