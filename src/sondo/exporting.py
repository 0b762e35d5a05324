"""`sondo export`: the student of a run as a file, with real sound to calibrate it with and to compare it on.

May import: every room; `sondo.pipeline` calls it, not the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sondo.audio.decode import read_clips
from sondo.audio.errors import AudioError
from sondo.audio.folders import sounds_of
from sondo.bank import Bank
from sondo.bank.sound import open_sound
from sondo.catalogue import PUBLISHED, available
from sondo.claim import write_json
from sondo.distill.run_folder import has_begun
from sondo.distill.sampling import balanced_weights, draw
from sondo.errors import SondoError, near_path
from sondo.evaluate import Task, compare, embed_task, load_task
from sondo.export import to_onnx
from sondo.export.onnx_file import check_exports
from sondo.export.precision import LEAST_SOUNDS, ON_AVERAGE
from sondo.loading import load as open_model
from sondo.recipe import StudentConfig
from sondo.runtime import Model
from sondo.runtime.files import FILES
from sondo.runtime.metadata import Precision
from sondo.screen import say
from sondo.students import Projector, Student, TorchModel, create, load, load_projectors
from sondo.students.published import HUB, load_published
from sondo.weights import located

NUM_CALIBRATION_CLIPS = 128
_LONGEST_S = 25.0
_EVERY = 5
_LEAST_CLIPS = LEAST_SOUNDS * _EVERY // (_EVERY - 1)  # of which every fifth does not calibrate
_FEW, _MANY = 4, 32

Form = Literal["onnx", "executorch", "litert"]
_SUFFIXES: dict[Form, str] = {"onnx": ".onnx", "executorch": ".pte", "litert": ".tflite"}

_Clip = tuple[str, float, float]


@dataclass(frozen=True)
class RealSound:
    """Clips of a bank or of files: every fifth to compare on, the others to calibrate with.

    Args:
        clips: Each as the address of its file, its beginning and its length in seconds; in random order.
        sample_rate: The student's rate in Hz.
    """

    clips: Sequence[_Clip]
    sample_rate: int

    def to_compare(self, precision: Precision) -> list[NDArray[np.float32]]:
        """A few clips where every one must agree, more where the average counts."""
        return list(islice(self._read(self.clips[::_EVERY]), _MANY if precision in ON_AVERAGE else _FEW))

    def to_calibrate(self, precision: Precision) -> list[NDArray[np.float32]]:
        """Clips for int8, none for others.

        Raises:
            SondoError: Too few clips for int8, counted with those that are compared, as whoever names them counts.
        """
        if precision == "int8" and len(self.clips) < _LEAST_CLIPS:
            raise SondoError(
                f"int8 needs {_LEAST_CLIPS} clips of real sound or more, to calibrate with and to compare on, not "
                f"{len(self.clips)}: name more files, or a folder of them (sondo export RUN SOUNDS --int8)"
            )
        rest = [clip for index, clip in enumerate(self.clips) if index % _EVERY]
        return list(islice(self._read(rest), NUM_CALIBRATION_CLIPS if precision == "int8" else 0))

    def all(self) -> list[NDArray[np.float32]]:
        """Every one."""
        return list(self._read(self.clips))

    def _read(self, clips: Sequence[_Clip]) -> Iterator[NDArray[np.float32]]:
        """Those that can still be read."""
        lost: list[AudioError] = []
        try:
            for address, offset_s, duration_s in clips:
                try:
                    yield from read_clips(open_sound(address), [(offset_s, duration_s)], sample_rate=self.sample_rate)
                except AudioError as error:
                    lost.append(error)
        finally:
            if lost:
                say(f"{len(lost)} clips of real sound cannot be read and are passed over: {lost[0]}")


@dataclass(frozen=True)
class Source:
    """What a file is made of.

    Args:
        student: The student.
        projectors: Its mapping heads, one for each of its teachers, by the teacher's name; none where it has none.
        sound: Clips of its run's bank; none where there is no bank.
    """

    student: Student
    projectors: dict[str, Projector]
    sound: RealSound


def export_run(
    source: str | Path,
    path: Path | None = None,
    *,
    overwrite: bool = False,
    allow_code: bool = False,
    frames: bool = False,
    teacher_space: bool = False,
    teacher: str | None = None,
    precision: Precision = "float32",
    sounds: Sequence[Path] = (),
    form: Form = "onnx",
) -> Path:
    """Export the student of a run, of a student's folder or of a published checkpoint, as one file.

    Args:
        source: Folder of a run or of a student, also of a repository of the hub; a published checkpoint, or its name.
        path: The file to write; `student.onnx` (`.pte`, `.tflite`) in the folder by default, and for another precision
            `student.<precision>.onnx`.
        overwrite: Replace a file that is there.
        allow_code: Import the module that the folder names, for a student that is a function of your own.
        frames: Give the output `frames` too: embeddings along time.
        teacher_space: Give the output `teacher_space` too: vectors in the space of a teacher.
        teacher: Of which teacher, where there are several; of the first when left out.
        precision: How the network keeps its numbers.
        sounds: Real sound instead of that of the run's bank: files, or folders of them.
        form: `onnx`; `executorch` (`.pte`) or `litert` (`.tflite`), which have the embedding alone.

    Returns:
        The file. It has been compared with torch, on real sound too where there is some.

    Raises:
        SondoError: No student there, one without a mapping head, a file in the way, too little sound for int8, or a
            file that does not agree with torch.
    """
    found = read_source(source, allow_code=allow_code)
    if path is None and not Path(source).is_dir():
        raise SondoError(f"where to write {source}? Name a file: --out student.onnx")
    projector = _head_of(found, teacher, source) if teacher_space else None
    sound = sound_of_files(sounds, found.student.sample_rate) if sounds else found.sound
    if precision == "int8" and not sound.clips:
        raise SondoError(
            f"int8 needs real sound to calibrate with, and there is no bank of {source}: name some files or a folder "
            "of it"
        )
    target = path or Path(source) / file_name(precision, form)
    clips, calibration = sound.to_compare(precision), sound.to_calibrate(precision)
    if form == "onnx":
        return to_onnx(
            found.student,
            target,
            overwrite=overwrite,
            clips=clips,
            sound=calibration,
            precision=precision,
            frames=frames,
            projector=projector,
            teacher=teacher,
        )
    if frames or teacher_space:
        raise SondoError(f"a file for {form} has the embedding alone: leave --frames and --teacher_space out")
    write = _writer(form)
    return write(found.student, target, overwrite=overwrite, clips=clips, sound=calibration, precision=precision)


def _head_of(found: Source, teacher: str | None, source: str | Path) -> Projector:
    """The mapping head into the space of a teacher."""
    if not found.projectors:
        raise SondoError(f"{source} has no mapping head into a teacher's space: was it trained on labels alone?")
    if teacher is not None and teacher not in found.projectors:
        raise SondoError(f"{teacher} did not teach {source}: its teachers are {', '.join(found.projectors)}")
    return found.projectors[teacher or next(iter(found.projectors))]


def _writer(form: Form) -> Callable[..., Path]:
    if form == "executorch":
        from sondo.export.executorch import to_executorch

        return to_executorch
    from sondo.export.litert import to_litert

    return to_litert


def check_own_student(config: StudentConfig, out: Path) -> None:
    """Export a network that is not one of sondo's before it is trained, so that training does not end in a refusal.

    Args:
        config: Which student.
        out: Folder of the run; where training has begun, nothing is looked at again.

    Raises:
        SondoError: No file can be made of it, or one that differs from torch.
    """
    if has_begun(out) or config.name in {info.name for info in available()}:
        return
    say(f"student {config.name}: trying the export of the untrained network")
    check_exports(create(config.name, **config.options()))


def about_file(path: Path) -> dict[str, Any]:
    """What the summary of a run says of an exported file, from the report beside it.

    Returns:
        `path`, `bytes`, `precision`, `cosine_to_torch` and what it is of (`judged`: the smallest of `every clip`, or
        the mean of `real clips`); and the `output` that it is the cosine of, where that is not the embedding.
    """
    report = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    found = {
        "path": str(path),
        "bytes": path.stat().st_size,
        "precision": report["precision"],
        "cosine_to_torch": report["judged_cosine"],
        "judged": report["judged"],
    }
    output, _, _ = report.get("judged", "").rpartition(", ")
    return found | ({"output": output} if output else {})


def kept_in_file(task: Task | None, student: Model, path: Path) -> dict[str, Any]:
    """What a file keeps of the score of its student in float32: `task`, `float32`, `score`, `retention`, or nothing."""
    if task is None:
        return {}
    vectors = embed_task(task, student.embed, description=f"{task.name}: student", at_once=student.at_once)
    file = open_model(path)
    of_file = embed_task(task, file.embed, description=f"{task.name}: {path.name}", at_once=file.at_once)
    found = compare(task, vectors, of_file)
    return {"task": task.name, "float32": found.teacher, "score": found.student, "retention": found.retention}


def note_in_run(run: Path, path: Path, *, form: Form = "onnx", allow_code: bool = False) -> dict[str, Any]:
    """Write what an exported file is into the summary of its run, in place of what was said of a file of that name.

    A file that computes in int8 is measured on the run's task first. A file outside of the run's folder leaves the
    summary as it is.

    Args:
        run: Where the file came from; only a folder of a run has a summary and a task.
        path: The file.
        form: As in `export_run`.
        allow_code: As in `export_run`.

    Returns:
        `about_file`, and of int8 `kept_in_file` where the run has a task whose data are there.
    """
    found = about_file(path)
    task = _task_of_run(run) if found["precision"] == "int8" else None
    if task is not None:
        found |= kept_in_file(task, TorchModel(read_source(run, allow_code=allow_code).student), path)
    file = run / "summary.json"
    if file.is_file() and path.resolve().parent == run.resolve():
        summary = json.loads(file.read_text(encoding="utf-8"))
        others = {
            name: about
            for name, about in summary.get("export", {}).items()  # a fine-tuning writes none itself
            if Path(about.get("path", "")).name != path.name  # of a run that was copied, the path is another's
        }
        write_json(file, summary | {"export": others | {_summary_key(path, form, found["precision"]): found}})
    return found


def _summary_key(path: Path, form: Form, precision: Precision) -> str:
    """What a summary calls a file: `onnx`, `onnx_int8`, `executorch` and so on; its name where that is another."""
    if path.name not in (file_name(precision, form), file_name("float32", form)):
        return path.name
    return form if precision == "float32" else f"{form}_{precision}"


def _task_of_run(folder: Path) -> Task | None:
    """The task that a run was measured on, where its data are still there."""
    note = folder / "recipe.json"
    recipe = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    name, data = recipe.get("task"), recipe.get("data")
    return load_task(name, Path(data)) if name and data and Path(data).is_dir() else None


def file_name(precision: Precision, form: Form = "onnx") -> str:
    """What a run calls its exported file."""
    middle = "" if precision == "float32" else f".{precision}"
    return f"student{middle}{_SUFFIXES[form]}"


def read_source(source: str | Path, *, allow_code: bool = False) -> Source:
    """Read what an exported file is made of and compared with.

    Args:
        source: Folder of a run or of a student, also of a repository of the hub; a published checkpoint, or its name.
        allow_code: Import the module that the folder names, for a student that is a function of your own.

    Raises:
        SondoError: No student there, or an exported file.
    """
    folder = located(source)
    if not folder.exists() and str(source) not in PUBLISHED and not str(source).startswith(HUB):
        advice = near_path(source) or f"by name there is {', '.join(PUBLISHED)}"
        raise SondoError(f"there is no run, student or checkpoint at {source}; {advice}")
    if folder.suffix.lower() in FILES:
        raise SondoError(f"{source} is an exported file already: give the run or the student's folder")
    if not folder.is_dir():
        student, projector = load_published(str(source))
        heads = [] if projector is None else [projector]
        return Source(student, _by_teacher(student, heads), RealSound([], student.sample_rate))
    home = folder / "student" if (folder / "student").is_dir() else folder
    student = load(home, allow_code=allow_code)
    note = folder / "train.json"
    bank = folder / json.loads(note.read_text(encoding="utf-8"))["bank"]["path"] if note.exists() else None
    if bank is not None and not Bank.exists(bank):
        say(f"the bank of {folder}, {bank}, is not there: no real sound of it to compare on")
        bank = None
    sound = RealSound([], student.sample_rate) if bank is None else sound_of_bank(Bank(bank))
    return Source(student, _by_teacher(student, load_projectors(home)), sound)


def _by_teacher(student: Student, projectors: Sequence[Projector]) -> dict[str, Projector]:
    """The mapping heads by their teachers' names; a student that was saved without its teacher has one of no name."""
    names = [str(teacher.get("name", "")) for teacher in student.teachers] or [""]
    return dict(zip(names, projectors, strict=False))


def sound_of_bank(bank: Bank) -> RealSound:
    """Clips drawn evenly from the bank's clusters, where it has some, and from all of it where it has none."""
    columns = [name for name in bank.columns("cluster") if bank.num_missing(name) == 0]
    clusters = bank.read(columns[:1]).column(0).to_pylist() if columns else range(len(bank))
    weights = balanced_weights(np.array(clusters, dtype=np.int64))
    count = min(len(bank), NUM_CALIBRATION_CLIPS + _MANY)
    rows = draw(weights, count, replacement=False, generator=np.random.default_rng(0))
    table = bank.take(rows, ["uri", "offset_s", "duration_s"]).to_pylist()
    clips = [(row["uri"], row["offset_s"], row["duration_s"]) for row in table]
    return RealSound(clips, bank.info.front_end.sample_rate)


def sound_of_files(sounds: Sequence[Path], sample_rate: int) -> RealSound:
    """The beginnings of files, and of those in folders.

    Raises:
        SondoError: One that was named is not there, or there is no sound.
    """
    files = sounds_of(sounds)
    order = np.random.default_rng(0).permutation(len(files))
    return RealSound([(str(files[index]), 0.0, _LONGEST_S) for index in order], sample_rate)
