"""The whole way: the stages in order, from a folder of sound to a measured student and one file for any device.

May import: every room. Each stage finds what an earlier run left and goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sondo.bank import Bank, ingest
from sondo.bank.moved import follow_moved
from sondo.bank.schema import BankInfo
from sondo.bank.sources import find_sources
from sondo.claim import NEVER_BOUND, claim_folder, no_trace_if_refused, write_json
from sondo.distill.alignment import alignment
from sondo.distill.cluster import cluster, configured_k
from sondo.distill.devices import check_devices
from sondo.distill.online import OnlineTeacher, check_listening
from sondo.distill.ray_teachers import check_ray, ray_teachers
from sondo.distill.run_folder import has_begun
from sondo.distill.teach import origin_of, say_licence, teach, teacher_column
from sondo.distill.train import check_columns, check_fits, train
from sondo.errors import SondoError
from sondo.evaluate import Task, compare, embed_task, load_task, teacher_embedder, told_copies
from sondo.export import to_onnx
from sondo.exporting import RealSound, about_file, check_own_student, file_name, kept_in_file, sound_of_bank
from sondo.recipe import Recipe
from sondo.runtime import Model, OnnxModel
from sondo.screen import progress, say
from sondo.students import Student, load, load_projectors
from sondo.students.efficientat import check_start
from sondo.students.registry import check_name
from sondo.teachers import Teacher
from sondo.teachers import create as create_teacher

_SUMMARY, _FILE = "summary.json", "student.onnx"

_OF_THE_BANK, _AFTER_TRAINING = ("audio", "manifest", "bank", "compat"), ("task", "data", "int8")
"""Settings that a bank was made with, and those of what follows on training."""


def distil(recipe: Recipe, *, teacher: Teacher | None = None) -> dict[str, Any]:
    """Run a recipe.

    Args:
        recipe: What to do; `recipe.out` becomes the run's folder.
        teacher: A teacher that exists already, instead of the one that the recipe names.

    Returns:
        The summary, as it stands in `summary.json` of the run's folder.

    Raises:
        SondoError: See the stages; everything that was done before stays, and where nothing was, nothing does.
    """
    with no_trace_if_refused(Path(recipe.out)):
        return _distil(recipe, teacher)


def _distil(recipe: Recipe, teacher: Teacher | None) -> dict[str, Any]:
    _check_names(recipe)
    check_ray(recipe.ray, recipe.teachers, is_object=teacher is not None)
    out = Path(recipe.out)
    changed = claim_folder(
        out,
        recipe.to_dict() | _told_apart(teacher),
        bound=_bound(recipe),
        advice=f", with --bank {recipe.bank_path}" if Bank.exists(recipe.bank_path) else "",
    )
    if changed.intersection(_AFTER_TRAINING) or _has_other_labels(recipe):
        (out / _SUMMARY).unlink(missing_ok=True)
    if (finished := summary_of(out)) is not None:
        say(f"{out} is finished; this is its summary")
        _say_what_came_later(recipe)
        return finished
    teachers = [teacher] if teacher is not None else [create_teacher(c.name, **c.options()) for c in recipe.teachers]
    for each in teachers:
        _check_teacher(each, recipe.task)
        if recipe.train.supervised < 1:
            say_licence(each)
    _check_training(recipe, teachers)
    check_own_student(recipe.student, out)
    clock = _Clock(out / "seconds.json")
    with progress():
        summary = _stages(recipe, teachers, clock)
    summary["seconds"] = {stage: round(seconds, 2) for stage, seconds in clock.seconds.items()}
    write_json(out / _SUMMARY, summary)
    return summary


def summary_of(out: Path) -> dict[str, Any] | None:
    """The summary of a run that is finished; None where it is not."""
    file = out / _SUMMARY
    summary: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return summary


def _has_other_labels(recipe: Recipe) -> bool:
    """Whether the task of a finished run has other labels or parts by now than when it was scored."""
    finished = summary_of(Path(recipe.out))
    scored = finished.get("tasks", {}).get(recipe.task) if finished else None
    if scored is None or "data" not in scored or recipe.task is None or recipe.data is None:
        return False
    try:
        is_other: bool = load_task(recipe.task, Path(recipe.data)).fingerprint != scored["data"]
    except SondoError:  # a finished run needs its data no longer
        return False
    if is_other:
        say(f"{recipe.data} has other labels or parts than when {recipe.task} was scored: it is scored again")
    return is_other


def _told_apart(teacher: Teacher | None) -> dict[str, Any]:
    """What is known of a teacher that is an object, which no recipe could name."""
    if teacher is None:
        return {}
    fingerprint = getattr(teacher, "fingerprint", None)
    return {"teacher_object": teacher.name} | ({"teacher_fingerprint": fingerprint} if fingerprint else {})


def _check_teacher(teacher: Teacher, task: str | None) -> None:
    if task is not None and not getattr(teacher, "needs_audio", True):
        raise SondoError(
            f"teacher {teacher.name} has vectors of the bank's clips alone, so it cannot be scored on {task}: "
            "leave out --task and --data, and score the student afterwards with `sondo evaluate`"
        )


def _bound(recipe: Recipe) -> Callable[[str], bool]:
    """Which settings what lies in the run's folder was made with.

    A bank looks after itself: teachers and clusters may change until training has begun, but its sound must stay the
    same, though it may lie elsewhere. What is measured when training has ended may always change.
    """
    out = Path(recipe.out)
    if has_begun(out):
        return lambda key: key not in (*NEVER_BOUND, *_AFTER_TRAINING) and not _has_moved(recipe, key)
    if recipe.bank is None and Bank.exists(recipe.bank_path):
        return lambda key: key in _OF_THE_BANK and not _has_moved(recipe, key)
    return lambda _: False


def _has_moved(recipe: Recipe, key: str) -> bool:
    """Whether a setting names another place of the sound that the bank has."""
    audio, manifest = (None if path is None else Path(path) for path in (recipe.audio, recipe.manifest))
    if key not in ("audio", "manifest") or (audio or manifest) is None or not Bank.exists(recipe.bank_path):
        return False
    sources = find_sources(audio, manifest)
    bank = Bank(recipe.bank_path)
    with bank.lock():
        follow_moved(bank, sources.files, workers=recipe.workers or 1)
    return set(bank.files) <= {*sources.files}


def _say_what_came_later(recipe: Recipe) -> None:
    """Name the sound that lies in the folder now and that a finished run has not heard."""
    audio, manifest = (None if path is None else Path(path) for path in (recipe.audio, recipe.manifest))
    if (audio or manifest) is None or not Bank.exists(recipe.bank_path):
        return
    try:
        files = find_sources(audio, manifest).files
    except SondoError:  # a finished run needs its sound no longer
        return
    bank = Bank(recipe.bank_path)
    new = {*files} - {*bank.files} - {row["uri"] for row in bank.rejected()}
    if new:
        say(
            f"{len(new)} files of {audio or manifest} came later and were not heard, such as {min(new)}: name another "
            f"--out, with --bank {recipe.bank_path}, to train on them too"
        )


def _check_training(recipe: Recipe, teachers: Sequence[Teacher]) -> None:
    """Refuse settings of training that do not fit before the teachers listen, not after."""
    is_online = any(config.online for config in recipe.teachers)
    check_devices(recipe.train, is_online=is_online)
    check_listening(
        recipe.augment,
        is_online=is_online,
        supervised=recipe.train.supervised,
        compat=Bank(recipe.bank_path).info.compat if Bank.exists(recipe.bank_path) else recipe.compat,
    )
    check_columns([teacher_column(each) for each in teachers])
    dims = [each.embedding_dim for each in teachers] if recipe.train.supervised < 1 else []
    check_fits(recipe.student, recipe.train, dims, has_clusters=recipe.train.sampling == "balanced")


def _check_names(recipe: Recipe) -> None:
    """Refuse early what would fail after an hour."""
    student = recipe.student
    check_name(student.name)
    if student.init is not None and not has_begun(Path(recipe.out)):
        check_start(student.init, student_name=student.name, width_mult=student.width_mult or 1.0)
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
        columns = [
            teach(bank, each, batch_size=config.batch_size, elsewhere=ray_teachers(recipe.ray, config))
            for each, config in asked
        ]
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
        onnx_path = out / _FILE
        if not onnx_path.exists():
            to_onnx(student, onnx_path, clips=sound_of_bank(bank).to_compare("float32"))
    with clock("evaluate"):
        # The file is heard, not the student in torch: it is what is shipped, and on a processor it is faster.
        tasks = {task.name: _scores(task, teachers, OnnxModel(onnx_path))} if task is not None else {}
        # A student of labels alone has no mapping heads.
        mapped = zip(columns, projectors, strict=True) if projectors else []
        closeness = [alignment(bank, column, student, projector) for column, projector in mapped]
    exported = {"onnx": about_file(onnx_path)}
    if recipe.int8:
        with clock("int8"):
            exported["onnx_int8"] = _in_int8(student, sound_of_bank(bank), task, out)
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
        "export": exported,
    }


def _in_int8(student: Student, sound: RealSound, task: Task | None, out: Path) -> dict[str, Any]:
    """The student's file in int8. A run that has come so far does not fail where int8 does."""
    path = out / file_name("int8")
    try:
        if not path.exists():
            clips, calibration = sound.to_compare("int8"), sound.to_calibrate("int8")
            to_onnx(student, path, precision="int8", clips=clips, sound=calibration)
    except SondoError as error:
        say(f"no file in int8: {error}")
        return {"refused": str(error)}
    return about_file(path) | kept_in_file(task, OnnxModel(out / _FILE), path)


def _scores(task: Task, teachers: list[Teacher], student: Model) -> dict[str, Any]:
    """The student's score beside its first teacher's, under `teachers` beside each of several; and of which `data`."""
    vectors = embed_task(task, student.embed, description=f"{task.name}: student", at_once=student.at_once)
    task = told_copies(task, vectors)
    results = []
    for teacher in teachers:
        theirs = embed_task(task, teacher_embedder(teacher), description=f"{task.name}: {teacher.name}")
        results.append(compare(task, theirs, vectors).told(teacher.name).to_dict() | {"note": task.note})
    several = {"teachers": _by_name(teachers, results)} if len(teachers) > 1 else {}
    return results[0] | several | {"data": task.fingerprint}


def _by_name(teachers: list[Teacher], values: Sequence[Any]) -> dict[str, Any]:
    return {teacher.name: value for teacher, value in zip(teachers, values, strict=True)}


def _about(teacher: Teacher) -> dict[str, Any]:
    return {
        "name": teacher.name,
        "params": int(getattr(teacher, "num_params", 0)),
        "embedding_dim": teacher.embedding_dim,
        "licence": origin_of(teacher)["licence"],
    }


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
