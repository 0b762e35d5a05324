"""The whole way: the stages in order, from a folder of sound to a measured student and one file for any device.

May import: every room. Each stage finds what an earlier run left and goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.decode import read_clips
from sondo.audio.errors import AudioError
from sondo.bank import Bank, ingest
from sondo.bank.schema import BankInfo
from sondo.bank.sound import open_sound
from sondo.distill.alignment import alignment
from sondo.distill.cluster import cluster, configured_k
from sondo.distill.online import OnlineTeacher
from sondo.distill.teach import origin_of, say_licence, teach
from sondo.distill.train import train
from sondo.errors import SondoError
from sondo.evaluate import Task, compare, embed_task, load_task, teacher_embedder
from sondo.export import to_onnx
from sondo.recipe import Recipe, claim_folder, write_json
from sondo.screen import progress, say
from sondo.students import Projector, Student, TorchModel, load, load_projectors
from sondo.students.published import load_published
from sondo.students.registry import check_name
from sondo.teachers import Teacher
from sondo.teachers import create as create_teacher

REAL_CLIPS = 4


def distil(recipe: Recipe, *, teacher: Teacher | None = None) -> dict[str, Any]:
    """Run a recipe.

    Args:
        recipe: What to do; `recipe.out` becomes the run's folder.
        teacher: A teacher that exists already, instead of the one that the recipe names.

    Returns:
        The summary, as it stands in `summary.json` of the run's folder.

    Raises:
        SondoError: See the stages; everything that was done before stays.
    """
    _check_names(recipe)
    out = Path(recipe.out)
    claim_folder(out, recipe.to_dict() | ({"teacher_object": teacher.name} if teacher is not None else {}))
    summary_file = out / "summary.json"
    if summary_file.exists():
        say(f"{out} is finished; this is its summary")
        finished: dict[str, Any] = json.loads(summary_file.read_text(encoding="utf-8"))
        return finished
    teachers = [teacher] if teacher is not None else [create_teacher(c.name, **c.options()) for c in recipe.teachers]
    for each in teachers:
        _check_teacher(each, recipe.task)
        if recipe.train.supervised < 1:
            say_licence(each)
    clock = _Clock(out / "seconds.json")
    with progress():
        summary = _stages(recipe, teachers, clock)
    summary["seconds"] = {stage: round(seconds, 2) for stage, seconds in clock.seconds.items()}
    write_json(summary_file, summary)
    return summary


def _check_teacher(teacher: Teacher, task: str | None) -> None:
    if task is not None and not getattr(teacher, "needs_audio", True):
        raise SondoError(
            f"teacher {teacher.name} has vectors of the bank's clips alone, so it cannot be scored on {task}: "
            "leave out --task and --data, and score the student afterwards with `sondo evaluate`"
        )


def _check_names(recipe: Recipe) -> None:
    """Refuse early what would fail after an hour."""
    check_name(recipe.student.name)
    if recipe.audio is None and recipe.manifest is None and not Bank.exists(recipe.bank_path):
        raise SondoError("nothing to listen to: give a folder of sound (--audio) or a bank that exists (--bank)")


def _stages(recipe: Recipe, teachers: list[Teacher], clock: _Clock) -> dict[str, Any]:
    out = Path(recipe.out)
    task = load_task(recipe.task, Path(recipe.data)) if recipe.task and recipe.data else None
    asked = list(zip(teachers, recipe.teachers, strict=True))
    online = [OnlineTeacher(each, batch_size=config.batch_size) for each, config in asked if config.online]
    with clock("ingest"):
        if recipe.audio is not None or recipe.manifest is not None:
            ingest(
                recipe.bank_path,
                audio=recipe.audio,
                manifest=recipe.manifest,
                max_bad_share=recipe.max_bad_share,
                workers=recipe.workers,
                info=BankInfo(compat=recipe.compat),
            )
    bank = Bank(recipe.bank_path)
    balanced = recipe.train.sampling == "balanced"
    if recipe.train.supervised == 1 and not balanced:
        asked = []
    with clock("teach"):
        columns = [teach(bank, each, batch_size=config.batch_size) for each, config in asked]
    clusters = None
    if balanced:
        with clock("cluster"):
            k = configured_k(recipe.cluster, len(bank))
            clusters = cluster(bank, teacher=columns[0], k=k, seed=recipe.cluster.seed)
    with clock("train"):
        folder = train(
            bank,
            teachers=columns,
            clusters=clusters,
            student=recipe.student,
            config=recipe.train,
            augmentation=recipe.augment,
            online=online,
            out=out,
        )
    student, projectors = load(folder, allow_code=True), load_projectors(folder)
    with clock("export"):
        onnx_path = out / "student.onnx"
        if not onnx_path.exists():
            to_onnx(student, onnx_path, clips=_some_sound(bank))
        report = json.loads(onnx_path.with_name("student.onnx.json").read_text(encoding="utf-8"))
    with clock("evaluate"):
        tasks = {task.name: _scores(task, teachers, student)} if task is not None else {}
        # A student of labels alone has no mapping heads.
        mapped = zip(columns, projectors, strict=True) if projectors else []
        closeness = [alignment(bank, column, student, projector) for column, projector in mapped]
    return {
        "teacher": _about(teachers[0]),
        **({"teachers": [_about(each) for each in teachers]} if len(teachers) > 1 else {}),
        "student": {
            "name": recipe.student.name,
            "params": student.num_params,
            "embedding_dim": student.embedding_dim,
            "space_id": student.space_id,
        },
        "bank": {"path": str(recipe.bank_path), "clips": len(bank), "set_aside": len(bank.rejected())},
        "alignment": closeness[0] if closeness else None,
        **({"alignments": _by_name(teachers, closeness)} if len(closeness) > 1 else {}),
        "tasks": tasks,
        "export": {
            "onnx": {
                "path": str(onnx_path),
                "bytes": onnx_path.stat().st_size,
                "cosine_to_torch": report["smallest_cosine"],
            }
        },
    }


def _scores(task: Task, teachers: list[Teacher], student: Student) -> dict[str, Any]:
    """The student's score beside its first teacher's, and under `teachers` beside each of several."""
    vectors = embed_task(task, TorchModel(student).embed, description=f"{task.name}: student")
    results = []
    for teacher in teachers:
        theirs = embed_task(task, teacher_embedder(teacher), description=f"{task.name}: {teacher.name}")
        results.append(compare(task, theirs, vectors).to_dict())
    return results[0] | ({"teachers": _by_name(teachers, results)} if len(teachers) > 1 else {})


def _by_name(teachers: list[Teacher], values: Sequence[Any]) -> dict[str, Any]:
    return {teacher.name: value for teacher, value in zip(teachers, values, strict=True)}


def _about(teacher: Teacher) -> dict[str, Any]:
    return {
        "name": teacher.name,
        "params": int(getattr(teacher, "num_params", 0)),
        "embedding_dim": teacher.embedding_dim,
        "licence": origin_of(teacher)["licence"],
    }


def export_run(
    source: str | Path,
    path: Path | None = None,
    *,
    overwrite: bool = False,
    allow_code: bool = False,
    frames: bool = False,
    teacher_space: bool = False,
) -> Path:
    """Export the student of a run, of a student's folder or of a published checkpoint, as one ONNX file.

    Args:
        source: Folder of a run or of a student; a published checkpoint, or its name.
        path: The file to write; `student.onnx` in the folder by default.
        overwrite: Replace a file that is there.
        allow_code: Import the module that the folder names, for a student that is a function of your own.
        frames: Give the output `frames` too: embeddings along time.
        teacher_space: Give the output `teacher_space` too: vectors in the space of the (first) teacher.

    Returns:
        The file. It has been compared with torch, on clips of the run's bank too where those can be read.

    Raises:
        SondoError: No student there, one without a mapping head, a file in the way, or a file that does not agree with
            torch.
    """
    if path is None and not Path(source).is_dir():
        raise SondoError(f"where to write {source}? Name a file: --out student.onnx")
    student, projector, clips = read_run(source, allow_code=allow_code)
    if teacher_space and projector is None:
        raise SondoError(f"{source} has no mapping head into a teacher's space: was it trained on labels alone?")
    return to_onnx(
        student,
        path or Path(source) / "student.onnx",
        overwrite=overwrite,
        clips=clips,
        frames=frames,
        projector=projector if teacher_space else None,
    )


def read_run(
    source: str | Path, *, allow_code: bool = False
) -> tuple[Student, Projector | None, list[NDArray[np.float32]]]:
    """Read what an exported file is made of and compared with.

    Args:
        source: Folder of a run or of a student; a published checkpoint, or its name.
        allow_code: Import the module that the folder names, for a student that is a function of your own.

    Returns:
        The student; its (first) mapping head where it has one; a few clips of the run's bank that can still be read.

    Raises:
        SondoError: No student there.
    """
    folder = Path(source)
    if not folder.is_dir():
        student, projector = load_published(str(source))
        return student, projector, []
    home = folder / "student" if (folder / "student").is_dir() else folder
    note = folder / "train.json"
    bank = Path(json.loads(note.read_text(encoding="utf-8"))["bank"]["path"]) if note.exists() else None
    clips = _some_sound(Bank(bank)) if bank is not None and Bank.exists(bank) else []
    return load(home, allow_code=allow_code), next(iter(load_projectors(home)), None), clips


def _some_sound(bank: Bank) -> list[NDArray[np.float32]]:
    """A few clips from all over the bank, for comparing an export; those that can no longer be read are passed over."""
    rows = np.unique(np.linspace(0, len(bank) - 1, REAL_CLIPS).astype(np.int64))
    sounds: list[NDArray[np.float32]] = []
    for row in bank.take(rows, ["uri", "offset_s", "duration_s"]).to_pylist():
        try:
            clip = (row["offset_s"], row["duration_s"])
            sounds += read_clips(open_sound(row["uri"]), [clip], sample_rate=bank.info.front_end.sample_rate)
        except AudioError as error:
            say(f"not compared: {error}")
    return sounds


class _Clock:
    """Seconds spent in each stage, over all the calls that a run took."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.seconds: dict[str, float] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
            write_json(self._file, self.seconds)
