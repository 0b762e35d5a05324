"""Distillation: the teacher's vectors, their clusters, balanced sampling, losses, schedule and the training run.

What lives here: the stages `teach` and `cluster` and `train`, each a function over a bank, and the parts they are
made of. May import: `sondo.bank`, `sondo.audio`, the protocols of `sondo.teachers` and `sondo.students`, the metrics of
`sondo.evaluate`, `sondo.claim`, `sondo.errors`, `sondo.fonts`, `sondo.in_threads`, `sondo.recipe`, `sondo.scratch`,
`sondo.screen`, torch, lightning, scikit-learn; Ray inside functions. `distill` itself, which is also the verb, calls
`sondo.pipeline` and `sondo.recipes`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any


def distill(
    *,
    out: str | Path,
    audio: str | Path | None = None,
    teacher: Any = None,
    student: Any = None,
    recipe: str | Path | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Distil a teacher into a student: `sondo.distill(audio="clips/", out="runs/first")`.

    Args:
        out: Folder of the run. The same call goes on where an earlier one stopped.
        audio: Folder of sound, or a manifest ending in .csv or .parquet.
        teacher: A teacher's name, a `sondo.recipe.TeacherConfig` or its fields, or any object with the teacher's shape;
            `modulation` when left out.
        student: A student's name, or a `sondo.recipe.StudentConfig` or its fields; `mobilenetv3` when left out.
        recipe: A recipe by name (`paper`) or a YAML file; the other arguments win over it.
        settings: The other fields of `sondo.recipe.Recipe`; `train={"epochs": 20}` or `train=TrainConfig(epochs=20)`,
            `task="esc10"`, ….

    Returns:
        The summary, as in `summary.json` of the run's folder.

    Raises:
        SondoError: Whatever a user can put right; the message says how.
    """
    from sondo.errors import SondoError
    from sondo.pipeline import distil
    from sondo.recipe import AugmentConfig, ClusterConfig, RayConfig, Recipe, StudentConfig, TeacherConfig, TrainConfig
    from sondo.recipes import merged, named_recipe

    given = {"teacher": _named(teacher), "student": _named(student)}
    settings |= {name: value for name, value in given.items() if value is not None}
    if recipe is not None:
        whom = settings.get("student")
        name = whom.get("name") if isinstance(whom, Mapping) else getattr(whom, "name", None)
        settings = merged(named_recipe(str(recipe), student=name), settings)
    taught = _config(TeacherConfig, settings.pop("teacher", {}))
    learns = _config(StudentConfig, settings.pop("student", {}))
    kinds = {"cluster": ClusterConfig, "train": TrainConfig, "augment": AugmentConfig, "ray": RayConfig}
    settings |= {name: _config(kind, settings[name]) for name, kind in kinds.items() if name in settings}
    ready = None if isinstance(taught, TeacherConfig) else taught
    if more := settings.get("more_teachers"):
        more = [more] if isinstance(more, (str, Mapping)) else more
        settings["more_teachers"] = [_config(TeacherConfig, _named(each)) for each in more]
    if isinstance(ready, type):
        raise SondoError(f"the teacher is the class {ready.__name__}: give an object of it")
    if lacking := [part for part in _TEACHERS_SHAPE if ready is not None and not hasattr(ready, part)]:
        raise SondoError(
            f"the teacher {ready!r} has no {', '.join(lacking)}: give a name (of a function of yours "
            "'module:function', in a notebook '__main__:function'), the fields of a sondo.recipe.TeacherConfig, or an "
            "object with what sondo.teachers.Teacher asks for"
        )
    parts = {
        "out": str(out),
        **({"audio": str(audio)} if audio is not None else {}),
        "teacher": TeacherConfig(name=ready.name) if ready is not None else taught,
        "student": learns,
    }
    return distil(_config(Recipe, settings | parts), teacher=ready)


_TEACHERS_SHAPE = ("name", "sample_rate", "embedding_dim", "embed")


def _named(value: Any) -> Any:
    """A name as the fields of a part."""
    return {"name": value} if isinstance(value, str) else value


def _config(kind: type[Any], value: Any) -> Any:
    """A part of the recipe from its fields; what is no mapping is taken as it is."""
    from sondo.errors import SondoError, near_settings

    if not isinstance(value, Mapping):
        return value
    known = inspect.signature(kind).parameters
    if unknown := [name for name in value if name not in known]:
        near = near_settings(unknown[0], known)
        guess = f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}"
        raise SondoError(f"sondo.recipe.{kind.__name__} has no field {unknown[0]!r}: {guess}")
    try:
        return kind(**value)
    except TypeError as error:
        raise SondoError(f"{kind.__name__}: {error}") from error


class _Room(ModuleType):
    """The room is also the verb: `sondo.distill(...)` calls `distill` above."""

    def __call__(self, **settings: Any) -> dict[str, Any]:
        return distill(**settings)


sys.modules[__name__].__class__ = _Room
