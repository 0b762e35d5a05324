"""The verbs, each a thin shell over a Python function.

Heavy libraries are imported inside the verbs, so that `sondo --help` answers at once and the runtime's verbs work where
torch is not installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sondo.recipe import AugmentConfig, ClusterConfig, Recipe, StudentConfig, TeacherConfig, TrainConfig


def _instance(kind: type, values: Any) -> Any:
    """A configuration dataclass from what was parsed."""
    return kind(**values.as_dict())


def _demo(settings: Any) -> None:
    from sondo.errors import require

    require("lightning", extra="train", why="The demo trains, which needs torch and lightning")
    from sondo.demo.run import run_demo
    from sondo.report import show_next_steps, show_summary

    summary = run_demo(Path(settings.out), seconds=settings.seconds, seed=settings.seed)
    show_summary(summary)
    show_next_steps(Path(settings.out))


def _recipe(settings: Any) -> Recipe:
    values = settings.as_dict()
    values.pop("config", None)
    groups = {
        "teacher": TeacherConfig,
        "student": StudentConfig,
        "cluster": ClusterConfig,
        "train": TrainConfig,
        "augment": AugmentConfig,
    }
    made = {name: kind(**values[name]) for name, kind in groups.items()}
    more = [TeacherConfig(**teacher) for teacher in values["more_teachers"]]
    return Recipe(**(values | made | {"more_teachers": more}))


def _teacher_configs(settings: Any) -> list[TeacherConfig]:
    values = settings.as_dict()
    return [TeacherConfig(**teacher) for teacher in (values["teacher"], *values["more_teachers"])]


def _distill(settings: Any) -> None:
    from sondo.errors import require

    recipe = _recipe(settings)
    require("lightning", extra="train", why="Distilling needs torch and lightning")
    from sondo.pipeline import distil
    from sondo.report import show_summary

    show_summary(distil(recipe))


def _ingest(settings: Any) -> None:
    from sondo.errors import require
    from sondo.screen import tell

    require("lance", extra="train", why="A bank needs lance")
    from sondo.bank import ingest
    from sondo.bank.schema import BankInfo

    report = ingest(
        settings.bank,
        audio=settings.audio,
        manifest=settings.manifest,
        max_bad_share=settings.max_bad_share,
        workers=settings.workers,
        info=BankInfo(compat=settings.compat),
    )
    tell(f"{settings.bank}: {report.num_clips} clips ({report.num_added} new), {len(report.rejected)} files set aside")


def _teach(settings: Any) -> None:
    from sondo.errors import require
    from sondo.screen import tell

    require("torch", extra="train", why="A teacher needs torch")
    from sondo.bank import Bank
    from sondo.distill.teach import say_licence, teach
    from sondo.teachers import create

    bank = Bank(settings.bank)
    for config in _teacher_configs(settings):
        teacher = create(config.name, **config.options())
        say_licence(teacher)
        column = teach(bank, teacher, batch_size=config.batch_size, overwrite=settings.overwrite)
        tell(f"{settings.bank}: column {column}, {teacher.embedding_dim} values for each of {len(bank)} clips")


def _cluster(settings: Any) -> None:
    from sondo.errors import require
    from sondo.screen import tell

    require("torch", extra="train", why="Clustering needs scikit-learn and lance")
    from sondo.bank import Bank
    from sondo.distill.cluster import cluster, default_k

    bank = Bank(settings.bank)
    for teacher in _columns(settings):
        column = cluster(bank, teacher=teacher, k=settings.k or default_k(len(bank)), seed=settings.seed)
        tell(f"{settings.bank}: column {column}")


def _columns(settings: Any) -> list[str]:
    """The columns of the teachers that were named, without making them."""
    from sondo.bank.schema import slug
    from sondo.teachers import label_of

    return [f"teacher.{slug(config.label or label_of(config.name))}" for config in _teacher_configs(settings)]


def _train(settings: Any) -> None:
    from sondo.errors import require
    from sondo.screen import tell

    config: TrainConfig = _instance(TrainConfig, settings.train)
    clusters: ClusterConfig = _instance(ClusterConfig, settings.cluster)
    require("lightning", extra="train", why="Training needs torch and lightning")
    from sondo.bank import Bank
    from sondo.distill.cluster import cluster_column, default_k
    from sondo.distill.train import train

    bank = Bank(settings.bank)
    columns = _columns(settings)
    balanced = config.sampling == "balanced"
    folder = train(
        bank,
        teachers=columns,
        clusters=cluster_column(columns[0], clusters.k or default_k(len(bank))) if balanced else None,
        student=_instance(StudentConfig, settings.student),
        config=config,
        augmentation=_instance(AugmentConfig, settings.augment),
        out=Path(settings.out),
    )
    tell(f"student: {folder}")


def _evaluate(settings: Any) -> None:
    from sondo.evaluate.run import evaluate
    from sondo.recipe import write_json
    from sondo.report import show_task

    teacher = None if settings.teacher.name is None else _instance(TeacherConfig, settings.teacher)
    result = evaluate(
        settings.model,
        task=settings.task,
        data=Path(settings.data),
        teacher=teacher,
        allow_code=settings.allow_code,
    )
    show_task(settings.task, result)
    if settings.json:
        write_json(Path(settings.json), {settings.task: result})


def _export(settings: Any) -> None:
    from sondo.errors import require
    from sondo.screen import tell

    require("torch", extra="train", why="Exporting needs torch and onnx")
    from sondo.pipeline import export_run

    path = export_run(
        settings.run,
        None if settings.out is None else Path(settings.out),
        overwrite=settings.overwrite,
        allow_code=settings.allow_code,
    )
    report = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
    tell(f"{path}: {path.stat().st_size:,} bytes, smallest cosine to torch {report['smallest_cosine']:.7f}")


def _embed(settings: Any) -> None:
    from sondo.embed import embed_files
    from sondo.screen import tell

    names, shape = embed_files(
        settings.model,
        [Path(file) for file in settings.files],
        Path(settings.out),
        overwrite=settings.overwrite,
        threads=settings.threads,
        compat=settings.compat,
        allow_code=settings.allow_code,
    )
    tell(f"{settings.out}: {len(names)} sounds, {shape[1]} values each")


def _teachers(settings: Any) -> None:
    from sondo.report import show_infos
    from sondo.teachers import available

    show_infos("teachers", available())


def _students(settings: Any) -> None:
    from sondo.errors import require

    require("torch", extra="train", why="Students are made with torch")
    from sondo.report import show_infos
    from sondo.screen import tell
    from sondo.students import available
    from sondo.students.efficientat import PREFIX, WEIGHTS
    from sondo.students.published import PUBLISHED
    from sondo.weights import is_here

    show_infos("students to train", available())
    show_infos("published students, for `sondo.load`, `sondo embed` and `sondo export`", list(PUBLISHED.values()))
    here = [name for name, file in WEIGHTS.items() if is_here(file)]
    tell("")
    tell(f"weights to start from, for --student.init {PREFIX}NAME (MIT, downloaded at first use): {', '.join(WEIGHTS)}")
    tell(f"here already: {', '.join(here) or 'none'}")


def _tasks(settings: Any) -> None:
    from sondo.evaluate import available
    from sondo.report import show_infos

    show_infos("tasks", available())


VERBS: dict[str, Callable[[Any], None]] = {
    "demo": _demo,
    "distill": _distill,
    "ingest": _ingest,
    "teach": _teach,
    "cluster": _cluster,
    "train": _train,
    "evaluate": _evaluate,
    "export": _export,
    "embed": _embed,
    "teachers": _teachers,
    "students": _students,
    "tasks": _tasks,
}
