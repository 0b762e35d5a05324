"""The command line: one verb for each step, each a thin shell over a Python function.

Options, their types and their help come from the dataclasses of `sondo.recipe`. Heavy libraries are imported inside
the verbs, so that `sondo --help` answers at once and the runtime's verbs work where torch is not installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonargparse
import yaml
from rich.text import Text

from sondo.errors import SondoError
from sondo.recipe import ClusterConfig, Recipe, StudentConfig, TeacherConfig, TrainConfig
from sondo.screen import console

SHORT_GROUPS = ("teacher", "student")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `sondo`; a user's mistake ends with one message and exit code 1 or 2, an interruption with 130."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = _parser().parse_args(_spelled_out(given))
        chosen = str(settings.command)
        _VERBS[chosen](settings[chosen])
    except jsonargparse.ArgumentError as error:
        _fail(f"{error} (see sondo {' '.join(given[:1])} --help)", code=2)
    except SondoError as error:
        _fail(str(error), code=1)
    except KeyboardInterrupt:
        console.print("interrupted: what was done is kept, the same command goes on from there")
        raise SystemExit(130) from None


def _fail(message: str, *, code: int) -> None:
    console.print(Text.assemble(("error: ", "bold red"), message))
    raise SystemExit(code)


def _spelled_out(arguments: list[str]) -> list[str]:
    """Short forms in full: `--teacher NAME` is `--teacher.name NAME`, here and in a recipe; `--a-b` is `--a_b`."""
    spelled: list[str] = []
    pending_config = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name.startswith("--"):
            name = "--" + name[2:].replace("-", "_")
        if pending_config:
            spelled.append(_read_recipe(argument))
            pending_config = False
        elif name in {f"--{group}" for group in SHORT_GROUPS}:
            spelled.append(f"{name}.name{equals}{value}")
        elif name == "--config":
            pending_config = not equals
            if equals:
                spelled.append(_read_recipe(value))
        else:
            spelled.append(f"{name}{equals}{value}")
    return spelled


def _read_recipe(path: str) -> str:
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SondoError(f"no recipe at {path} ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise SondoError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise SondoError(f"{path} is no recipe: expected settings such as `teacher: modulation`")
    for group in SHORT_GROUPS:
        if isinstance(values.get(group), str):
            values[group] = {"name": values[group]}
    return f"--config={json.dumps(values)}"


# -- the parser ------------------------------------------------------------------------------------------------


def _new(description: str) -> jsonargparse.ArgumentParser:
    return jsonargparse.ArgumentParser(description=description, exit_on_error=False, allow_abbrev=False)


def _parser() -> jsonargparse.ArgumentParser:
    from sondo import __version__

    parser = jsonargparse.ArgumentParser(
        prog="sondo",
        description="Make audio foundation models small: any teacher's embeddings into a student that runs anywhere.",
        exit_on_error=False,
        allow_abbrev=False,
        version=f"sondo {__version__}",
    )
    verbs = parser.add_subcommands(required=True, dest="command", metavar="VERB")
    for name, (description, build) in _BUILDERS.items():
        verb = _new(description)
        build(verb)
        verbs.add_subcommand(name, verb, help=description)
    return parser


def _build_demo(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--out", default="runs/demo", help="folder of the run")
    verb.add_argument("--seconds", type=float, default=120.0, help="seconds to spend on training, about")
    verb.add_argument("--seed", type=int, default=0, help="seed of the sound and of the training")


def _build_distill(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--config", action="config", help="recipe file (YAML); options given beside it win")
    verb.add_class_arguments(Recipe)


def _build_ingest(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--bank", required=True, help="the bank's path, usually NAME.lance")
    verb.add_argument("--audio", help="folder of sound, or a manifest ending in .csv or .parquet")
    verb.add_argument("--manifest", help="CSV or Parquet with a path column; paths start from --audio where given")
    verb.add_argument("--max_bad_share", type=float, default=0.05, help="share of unreadable files that stops the job")
    verb.add_argument("--workers", type=jsonargparse.typing.PositiveInt | None, help="decoding threads")


def _build_teach(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--bank", required=True, help="the bank")
    verb.add_class_arguments(TeacherConfig, "teacher")
    verb.add_argument("--overwrite", action="store_true", help="replace a column that another version made")


def _build_cluster(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--bank", required=True, help="the bank")
    verb.add_class_arguments(TeacherConfig, "teacher")
    verb.add_argument("--k", type=int | None, help="number of clusters; 50, or fewer for a bank of under 200 clips")
    verb.add_argument("--seed", type=int, default=0, help="seed of k-means")


def _build_train(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--config", action="config", help="recipe file (YAML); options given beside it win")
    verb.add_argument("--bank", required=True, help="the bank")
    verb.add_argument("--out", required=True, help="folder of the run")
    verb.add_class_arguments(TeacherConfig, "teacher")
    verb.add_class_arguments(StudentConfig, "student")
    verb.add_class_arguments(ClusterConfig, "cluster")
    verb.add_class_arguments(TrainConfig, "train")


def _build_evaluate(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("model", help="folder of a run or of a student, or an .onnx file")
    verb.add_argument("--task", required=True, help="name of the task, see `sondo tasks`")
    verb.add_argument("--data", required=True, help="folder of the task")
    verb.add_argument("--teacher.name", type=str | None, help="teacher to compare with; that of the run by default")
    verb.add_argument("--teacher.checkpoint", type=str | None, help="file of the teacher")
    verb.add_argument("--teacher.sample_rate", type=int | None, help="sample rate of the teacher in Hz")
    verb.add_argument("--json", help="write the result here too")


def _build_export(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("run", help="folder of a run or of a student")
    verb.add_argument("--format", choices=["onnx"], default="onnx", help="what to write")
    verb.add_argument("--out", help="the file to write; RUN/student.onnx by default")
    verb.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def _build_embed(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("model", help="an .onnx file, or the folder of a run or of a student")
    verb.add_argument("files", nargs="+", help="sound files, or folders of them")
    verb.add_argument("--out", required=True, help="embeddings.npz, .csv, .npy or .parquet")
    verb.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    verb.add_argument("--threads", type=int | None, help="threads for an .onnx file; all cores by default")


def _build_nothing(verb: jsonargparse.ArgumentParser) -> None:
    pass


_BUILDERS: dict[str, tuple[str, Callable[[jsonargparse.ArgumentParser], None]]] = {
    "demo": ("the whole way on sound that sondo makes itself", _build_demo),
    "distill": ("the whole way on your sound: a folder in, a measured student out", _build_distill),
    "ingest": ("stage 1: sound into a bank", _build_ingest),
    "teach": ("stage 2: a teacher's vectors into the bank", _build_teach),
    "cluster": ("stage 3: clusters of a teacher's vectors into the bank", _build_cluster),
    "train": ("stage 4: a student from the bank", _build_train),
    "evaluate": ("what a student keeps of its teacher on a task", _build_evaluate),
    "export": ("one file for any device", _build_export),
    "embed": ("embeddings of sound files", _build_embed),
    "teachers": ("the teachers there are", _build_nothing),
    "students": ("the students there are", _build_nothing),
    "tasks": ("the tasks there are", _build_nothing),
}


# -- the verbs -------------------------------------------------------------------------------------------------


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
    groups = {"teacher": TeacherConfig, "student": StudentConfig, "cluster": ClusterConfig, "train": TrainConfig}
    return Recipe(**(values | {name: kind(**values[name]) for name, kind in groups.items()}))


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

    report = ingest(
        settings.bank,
        audio=settings.audio,
        manifest=settings.manifest,
        max_bad_share=settings.max_bad_share,
        workers=settings.workers,
    )
    tell(f"{settings.bank}: {report.num_clips} clips ({report.num_added} new), {len(report.rejected)} files set aside")


def _teach(settings: Any) -> None:
    from sondo.errors import require
    from sondo.screen import say, tell

    config: TeacherConfig = _instance(TeacherConfig, settings.teacher)
    require("torch", extra="train", why="A teacher needs torch")
    from sondo.bank import Bank
    from sondo.distill.teach import teach
    from sondo.teachers import create

    bank = Bank(settings.bank)
    teacher = create(config.name, **config.options())
    say(f"teacher {teacher.name}: its licence ({getattr(teacher, 'licence', 'unknown')}) holds for the student too")
    column = teach(bank, teacher, batch_size=config.batch_size, overwrite=settings.overwrite)
    tell(f"{settings.bank}: column {column}, {teacher.embedding_dim} values for each of {len(bank)} clips")


def _cluster(settings: Any) -> None:
    from sondo.errors import require
    from sondo.screen import tell

    require("torch", extra="train", why="Clustering needs scikit-learn and lance")
    from sondo.bank import Bank
    from sondo.distill.cluster import cluster, default_k

    bank = Bank(settings.bank)
    column = cluster(
        bank,
        teacher=_column(_instance(TeacherConfig, settings.teacher)),
        k=settings.k or default_k(len(bank)),
        seed=settings.seed,
    )
    tell(f"{settings.bank}: column {column}")


def _column(config: TeacherConfig) -> str:
    from sondo.bank.schema import slug

    return f"teacher.{slug(config.name)}"


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
    column = _column(_instance(TeacherConfig, settings.teacher))
    balanced = config.sampling == "balanced"
    folder = train(
        bank,
        teacher=column,
        clusters=cluster_column(column, clusters.k or default_k(len(bank))) if balanced else None,
        student=_instance(StudentConfig, settings.student),
        config=config,
        out=Path(settings.out),
    )
    tell(f"student: {folder}")


def _evaluate(settings: Any) -> None:
    from sondo.evaluate.run import evaluate
    from sondo.recipe import write_json
    from sondo.report import show_task

    teacher = None if settings.teacher.name is None else _instance(TeacherConfig, settings.teacher)
    result = evaluate(Path(settings.model), task=settings.task, data=Path(settings.data), teacher=teacher)
    show_task(settings.task, result)
    if settings.json:
        write_json(Path(settings.json), {settings.task: result})


def _export(settings: Any) -> None:
    from sondo.errors import require
    from sondo.screen import tell

    require("torch", extra="train", why="Exporting needs torch and onnx")
    from sondo.pipeline import export_run

    path = export_run(
        Path(settings.run), None if settings.out is None else Path(settings.out), overwrite=settings.overwrite
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
    from sondo.students import available

    show_infos("students", available())


def _tasks(settings: Any) -> None:
    from sondo.evaluate import available
    from sondo.report import show_infos

    show_infos("tasks", available())


_VERBS: dict[str, Callable[[Any], None]] = {
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
