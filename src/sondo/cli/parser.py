"""What each verb takes. Options, their types and their help come from the dataclasses of `sondo.recipe`."""

from __future__ import annotations

from collections.abc import Callable

import jsonargparse

from sondo.cli.arguments import MORE_TEACHERS
from sondo.recipe import AugmentConfig, ClusterConfig, Recipe, StudentConfig, TeacherConfig, TrainConfig


def _new(description: str) -> jsonargparse.ArgumentParser:
    return jsonargparse.ArgumentParser(description=description, exit_on_error=False, allow_abbrev=False)


def make_parser() -> jsonargparse.ArgumentParser:
    """The parser of all verbs."""
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
    verb.add_argument("--compat", choices=["ssondo"], help="one clip of each file, as the published training takes it")
    verb.add_argument("--max_bad_share", type=float, default=0.05, help="share of unreadable files that stops the job")
    verb.add_argument("--workers", type=jsonargparse.typing.PositiveInt | None, help="decoding threads")


def _add_teachers(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_class_arguments(TeacherConfig, "teacher")
    verb.add_argument(
        f"--{MORE_TEACHERS}",
        type=list[TeacherConfig],
        default=[],
        help="further teachers; on the command line, repeat --teacher instead",
    )


def _build_teach(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--bank", required=True, help="the bank")
    _add_teachers(verb)
    verb.add_argument("--overwrite", action="store_true", help="replace a column that another version made")


def _build_cluster(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--bank", required=True, help="the bank")
    _add_teachers(verb)
    verb.add_argument("--k", type=int | None, help="number of clusters; 50, or fewer for a bank of under 200 clips")
    verb.add_argument("--seed", type=int, default=0, help="seed of k-means")


def _build_train(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--config", action="config", help="recipe file (YAML); options given beside it win")
    verb.add_argument("--bank", required=True, help="the bank")
    verb.add_argument("--out", required=True, help="folder of the run")
    _add_teachers(verb)
    verb.add_class_arguments(StudentConfig, "student")
    verb.add_class_arguments(ClusterConfig, "cluster")
    verb.add_class_arguments(TrainConfig, "train")
    verb.add_class_arguments(AugmentConfig, "augment")


def _add_code(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("--allow_code", action="store_true", help="import the module of a student that is your own code")


def _build_evaluate(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("model", help="folder of a run or of a student, an .onnx file, a published .ckpt or its name")
    verb.add_argument("--task", required=True, help="name of the task, see `sondo tasks`")
    verb.add_argument("--data", required=True, help="folder of the task")
    verb.add_class_arguments(TeacherConfig, "teacher")
    verb.set_defaults({"teacher.name": None})
    verb.add_argument("--json", help="write the result here too")
    _add_code(verb)


def _build_export(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("run", help="folder of a run or of a student; a published .ckpt or its name")
    verb.add_argument("--format", choices=["onnx"], default="onnx", help="what to write")
    verb.add_argument("--out", help="the file to write; RUN/student.onnx by default")
    verb.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    _add_code(verb)


def _build_embed(verb: jsonargparse.ArgumentParser) -> None:
    verb.add_argument("model", help="an .onnx file, the folder of a run or of a student, a published .ckpt or its name")
    verb.add_argument("files", nargs="+", help="sound files, or folders of them")
    verb.add_argument("--out", required=True, help="embeddings.npz, .csv, .npy or .parquet")
    verb.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    verb.add_argument("--threads", type=int | None, help="threads for an .onnx file; all cores by default")
    verb.add_argument("--compat", choices=["ssondo"], help="embed a published .ckpt as its authors' code does")
    _add_code(verb)


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
