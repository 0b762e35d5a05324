"""`sondo evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import add_code, instance
from sondo.errors import SondoError, check_places
from sondo.recipe import TeacherConfig

HELP = "what models keep of their teacher: one on a task, or several on the tasks of the paper"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument(
        "models",
        nargs="+",
        help="folder of a run or of a student, an exported file, owner/name on the hub, a published .ckpt or its name, "
        "teacher:NAME[@CHECKPOINT]",
    )
    verb.add_argument("--task", help="name of a task, see `sondo tasks`")
    verb.add_argument("--suite", help="paper: the seven tasks of the paper")
    verb.add_argument("--data", required=True, help="folder of the task; with --suite the folder of the tasks' folders")
    verb.add_class_arguments(TeacherConfig, "teacher", skip={"online", "batch_size"})  # it hears file after file
    verb.set_defaults({"teacher.name": None})
    verb.add_argument("--dim", type=list[int], default=[], help="score the first values of the vectors too, e.g. [64]")
    verb.add_argument(
        "--seeds", type=int, default=0, help="also fit probes on training clips drawn anew, so many; widens intervals"
    )
    verb.add_argument("--cache", help="folder in which vectors are kept for the next time; with --suite in --out")
    verb.add_argument("--compare", action="store_true", help="add the published lines of the paper's Table 1")
    verb.add_argument("--out", help="folder for evaluation.json, .csv and .tex; with --suite `evaluation` if left out")
    verb.add_argument("--json", help="write the result here too")
    add_code(verb)


def run(settings: Any) -> None:
    """Score and show."""
    from sondo.claim import write_json
    from sondo.evaluate.contender import TEACHER
    from sondo.evaluate.run import evaluate
    from sondo.report import show_task

    if settings.task is not None and settings.suite is not None:
        raise SondoError(f"--task {settings.task} and --suite {settings.suite}: give one, not both")
    if settings.task is None and settings.suite is None:
        raise SondoError("name what to score on: --task NAME, see `sondo tasks`, or --suite paper")
    if settings.seeds < 0 or settings.seeds == 1:
        raise SondoError(f"--seeds is {settings.seeds}: one draw has no spread, give 2 or more, or leave it out")
    check_places(settings.json)
    if settings.suite or len(settings.models) > 1 or settings.dim or settings.compare or settings.out:
        _run_several(settings)
        return
    model = settings.models[0]
    result = evaluate(
        model,
        task=settings.task,
        data=Path(settings.data),
        teacher=_teacher(settings),
        cache=None if settings.cache is None else Path(settings.cache),
        seeds=settings.seeds,
        allow_code=settings.allow_code,
    )
    show_task(settings.task, result, measured=model if model.startswith(TEACHER) else "student")
    if settings.json:
        write_json(Path(settings.json), {settings.task: result})


def _run_several(settings: Any) -> None:
    """The table of models and tasks."""
    from sondo.claim import write_json
    from sondo.evaluate.run import evaluate_suite
    from sondo.report import beside_paper, show_suite, write_suite
    from sondo.reproduce.paper import paper_table, paper_tasks
    from sondo.screen import tell

    out = Path(settings.out or "evaluation") if settings.suite or settings.out else None
    check_places(out and out / "evaluation.json")
    cache = settings.cache or (out / "vectors" if out else None)

    def write(results: dict[str, Any]) -> list[Path]:
        if settings.compare:
            tasks = list(results["tasks"])
            results["paper"] = beside_paper(paper_table("table1"), tasks, all_tasks=list(paper_tasks()))
        return [] if out is None else write_suite(results, out)

    results = evaluate_suite(
        settings.models,
        data=Path(settings.data),
        suite=settings.suite,
        task=settings.task,
        teacher=_teacher(settings),
        dims=settings.dim,
        cache=None if cache is None else Path(cache),
        seeds=settings.seeds,
        allow_code=settings.allow_code,
        after_task=write,
    )
    written = write(results)
    show_suite(results)
    if written:
        tell(f"written: {', '.join(map(str, written))}")
    if settings.json:
        write_json(Path(settings.json), results)


def _teacher(settings: Any) -> TeacherConfig | None:
    return None if settings.teacher.name is None else instance(TeacherConfig, settings.teacher)
