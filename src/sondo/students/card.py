"""The model card that lies beside a student's weights: what it is, who taught it, what its licence is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sondo.students.student import Student


def model_card(student: Student) -> str:
    """The card as Markdown, with the front matter that model hubs read."""
    teacher = student.teacher
    options = ", ".join(f"{key} {value}" for key, value in student.options.items())
    front_matter = [
        "---",
        "library_name: sondo",
        "pipeline_tag: feature-extraction",
        "tags: [audio, embeddings, knowledge-distillation]",
        "license: other",
        f"license_name: {json.dumps(student.licence, ensure_ascii=False)}",
        "---",
    ]
    lines = [
        f"# {student.name} ({options})",
        "",
        f"A small audio model: raw sound at {student.sample_rate} Hz in, {student.embedding_dim} numbers out, at any "
        f"length from 0.1 s. {student.num_params:,} parameters.",
        "",
        "```python",
        "import sondo",
        'model = sondo.load("this folder")',
        'model.embed("dog.wav")',
        "```",
        "",
        "| | |",
        "|---|---|",
        f"| space id | `{student.space_id}` |",
        f"| teacher | {teacher.get('name') or 'none: these weights were not distilled'} |",
        f"| teacher's fingerprint | {teacher.get('fingerprint') or '-'} |",
        f"| licence | {student.licence} |",
    ]
    if teacher:
        lines += ["", _licence_note(str(teacher.get("name") or "its teacher"), student.licence)]
    training = student.info.get("training")
    if training:
        lines += ["", "## Training", "", "```json", json.dumps(training, indent=2, default=str), "```"]
    return "\n".join([*front_matter, "", *lines, ""])


def _licence_note(teacher: str, licence: str) -> str:
    if licence == "unknown":
        return (
            f"The licence of {teacher} is not known to sondo. Find it out before you hand this student on: a student "
            "is bound by the licence of what taught it."
        )
    return f"This student was made from the outputs of {teacher}, whose licence ({licence}) it hands down."
