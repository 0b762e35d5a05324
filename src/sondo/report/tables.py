"""Tables on the screen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from sondo.screen import output, tell, tell_table

METRIC_NAMES = {"accuracy": "accuracy", "map": "mAP"}
"""How a reader knows a metric."""


def show_summary(summary: dict[str, Any], run: Path, *, is_old: bool = False) -> None:
    """The last word of a run: what was kept, how large it is, where the file lies.

    Args:
        summary: As in `summary.json`.
        run: The run's folder, which may have been copied or moved since.
        is_old: Whether the run was finished before, so that nothing took any time now.
    """
    student = summary["student"]
    teachers = summary.get("teachers") or [summary["teacher"]]
    names = " and ".join(teacher["name"] for teacher in teachers)
    closeness_to = summary.get("alignments") or {"the teacher": summary["alignment"]}
    taught = None not in closeness_to.values()
    # Labels alone ask no teacher: it has a column where a task compares with it.
    beside = taught or bool(summary["tasks"])
    how = f"distilled from {names}" if taught else f"trained on labels alone{f', beside {names}' if beside else ''}"
    table = Table(title=f"{student['name']} {how}", title_justify="left")
    for name in ("", "teacher", "student", "kept") if beside else ("", "student"):
        table.add_column(name, justify="left" if not name else "right")
    if not beside:
        table.add_row("parameters", _count(student["params"]))
        table.add_row("embedding", f"{student['embedding_dim']}")
    for teacher in teachers if beside else ():
        of = f" ({teacher['name']})" if len(teachers) > 1 else ""
        table.add_row(f"parameters{of}", _count(teacher["params"]), _count(student["params"]), "")
        table.add_row(f"embedding{of}", f"{teacher['embedding_dim']}", f"{student['embedding_dim']}", "")
    for name, task in summary["tasks"].items():
        for teacher_name, result in (task.get("teachers") or {"": task}).items():
            table.add_row(*_task_row(f"{name} ({teacher_name})" if teacher_name else name, result))
    for teacher_name, closeness in closeness_to.items() if taught else ():
        table.add_row(f"cosine to {teacher_name}, {closeness['on']}", "", f"{closeness['cosine']:.3f}", "")
    tell_table(table)
    for name, task in summary["tasks"].items():
        _tell_note(name, task)
    for name, about in summary["export"].items():
        is_int8 = name.endswith("_int8") or about.get("precision") == "int8"
        here = {"path": str(run / Path(about["path"]).name)} if "path" in about else {}
        (show_int8 if is_int8 else show_file)(about | here)
    for teacher in teachers if taught else ():
        tell(f"licence handed down by {teacher['name']}: {teacher['licence']}")
    seconds = summary["seconds"]
    stages = ", ".join(f"{stage} {value:.0f} s" for stage, value in seconds.items())
    tell(f"took{', when it ran,' if is_old else ''} {sum(seconds.values()):.0f} s: {stages}")


def show_file(about: dict[str, Any]) -> None:
    """A file that computes in float32: its size, and how close it is to torch."""
    which = "smallest" if about.get("judged", "every clip") == "every clip" else "mean"
    tell(
        f"{about['path']}: {about['bytes'] / 1e6:.2f} MB, raw sound in, embedding out; "
        f"{which} cosine to torch {about['cosine_to_torch']:.6f}"
    )


def show_int8(about: dict[str, Any]) -> None:
    """A file in int8: its size, how close it is, and what it keeps on a task."""
    if "refused" in about:
        tell(f"no file in int8: {about['refused']}")
        return
    kept = ""
    if "task" in about:
        kept = f"; {about['task']} {100 * about['score']:.1f}, {100 * about['float32']:.1f} in float32"
    which = f" ({about['output']}, which agrees least)" if "output" in about else ""
    tell(
        f"{about['path']}: {about['bytes'] / 1e6:.2f} MB in int8, "
        f"mean cosine to torch {about['cosine_to_torch']:.6f}{which}{kept}"
    )


def show_task(name: str, result: dict[str, Any], *, measured: str = "student") -> None:
    """One task: scores with their 95 % intervals and, where there is a teacher, the retention.

    Args:
        name: The task.
        result: What `sondo.evaluate.run.evaluate` says.
        measured: What to call who was scored: `student`, or the name of a teacher.
    """
    table = Table()
    cells = zip(("", "teacher", measured, "kept"), _task_row(name, result), strict=True)
    shown = {column: cell for column, cell in cells if not column or cell}
    for column in shown:
        table.add_column(column, justify="left" if not column else "right")
    table.add_row(*shown.values())
    tell_table(table)
    _tell_note(name, result)


def _tell_note(name: str, task: dict[str, Any]) -> None:
    """What a reader of the score must know, if anything; runs of older versions have none."""
    if note := task.get("note"):
        tell(f"{name}: {note}")


def _task_row(name: str, task: dict[str, Any]) -> tuple[str, str, str, str]:
    """Task, teacher, student, what it keeps; empty where there is no teacher."""
    teacher = kept = ""
    if task.get("retention") is not None:
        kept = f"{100 * task['retention']:.1f} % {_interval(task.get('ci95_retention'))}"
    if task.get("at_chance"):
        kept = "(teacher at chance)"
    if task.get("teacher") is not None:
        teacher = f"{100 * task['teacher']:.1f} {_interval(task['ci95_teacher'])}"
    student = f"{100 * task['student']:.1f} {_interval(task['ci95_student'])}"
    return f"{name}, {METRIC_NAMES[task['metric']]} (95 % interval)", teacher, student, kept


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def _count(number: int) -> str:
    return f"{number / 1e6:.2f} M" if number >= 1e5 else f"{number:,}"


def show_next_steps(run: Path) -> None:
    """What to type after the demo."""
    tell(
        f"\nThis run on one page: sondo report {run}\n"
        "Now your own sound:\n"
        "  sondo distill --audio YOUR_FOLDER --out runs/first --student.width_mult 0.4\n"
        "and what the student hears in a file:\n"
        f"  sondo embed {run / 'student.onnx'} YOUR_FILE.wav --out embeddings.npz"
    )


def show_infos(title: str, infos: Sequence[Any]) -> None:
    """A list of what there is: a name, its figures on one line, its texts below."""
    output.print(title, style="bold")
    for info in infos:
        values = {field.name: getattr(info, field.name) for field in dataclasses.fields(info)}
        values |= {"weights": getattr(info, "weights", None)}
        name = values.pop("name")
        figures = [f"{key.replace('_', ' ')} {value:,}" for key, value in values.items() if isinstance(value, int)]
        output.print(Text.assemble("\n", (str(name), "bold"), "  " + ", ".join(figures) if figures else ""))
        for key, value in values.items():
            if value and not isinstance(value, int):
                text = ", ".join(value) if isinstance(value, tuple) else value
                output.print(f"  {key.replace('_', ' ')}: {text}", soft_wrap=True)
