"""A student on disk: a folder of safetensors and JSON. Nothing in it is code, and loading is strict.

- `model.safetensors`: weights; tensor names as in the published checkpoints (`model.features.…`)
- `projector.safetensors`: the mapping head (`mlp.0.…`), when there is one; those of further teachers are
  `projector-2.safetensors` and so on
- `config.json`: what to build, the front-end, the space id, where it comes from; written last
- `README.md`: the model card
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as as_safetensors
from torch import Tensor, nn

from sondo.audio.logmel import LogMelConfig
from sondo.errors import SondoError, check_readable
from sondo.scratch import replacing
from sondo.students.card import model_card
from sondo.students.head import Projector
from sondo.students.registry import create, is_code
from sondo.students.student import Student
from sondo.weights import fill, located
from sondo.weights.layout import CARD, CONFIG, WEIGHTS, projector_file

FORMAT = 1
_Wrapped = TypeVar("_Wrapped")


def save(
    student: Student,
    folder: str | Path,
    *,
    projector: Projector | Sequence[Projector] | None = None,
    info: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a student into a folder. A kill leaves no half-written student: `config.json` comes last.

    Args:
        student: What to keep, also as `torch.compile` wrapped it.
        folder: Where; made if it is missing.
        projector: The mapping head that training left, or those of several teachers in order.
        info: Where the student comes from, JSON-able: ``{"teacher": {"name", "fingerprint", "licence", …}, …}``. It is
            added to `student.info`, so that the student in memory and the one on disk live in one space.
        overwrite: Replace a student that is there already.

    Returns:
        The folder.

    Raises:
        SondoError: The folder holds a student already, or is a file; or a student in a mode that no folder has.
    """
    student, projector, folder = _bare(student), _bare(projector), Path(folder)
    if student.compat is not None:
        raise SondoError(f"a student's folder has no compat={student.compat!r}: load the student without it")
    if (folder / CONFIG).exists() and not overwrite:
        raise SondoError(f"{folder} holds a student already: name another folder, or allow it with overwrite=True")
    if folder.exists() and not folder.is_dir():
        raise SondoError(f"{folder} is a file: a student needs a folder")
    student.info = {**student.info, **(info or {})}
    heads = [] if projector is None else [projector] if isinstance(projector, Projector) else [*map(_bare, projector)]
    shapes = [{"hidden_dim": head.hidden_dim, "embedding_dim": head.embedding_dim} for head in heads]
    config = {
        "format": FORMAT,
        "student": {"name": student.name, "options": student.options},
        "embedding_dim": student.embedding_dim,
        "front_end": student.front_end.config.to_dict(),
        "projector": shapes[0] if shapes else None,
        **({"more_projectors": shapes[1:]} if shapes[1:] else {}),
        "space_id": student.space_id,
        "licence": student.licence,
        "info": student.info,
    }
    try:
        text = json.dumps(config, indent=2) + "\n"
    except TypeError as error:
        raise SondoError(f"the info of a student must be plain JSON values: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    # Written from bytes: safetensors' own files can be read by their owner alone.
    with replacing(folder / WEIGHTS) as path:
        path.write_bytes(as_safetensors(_published(student)))
    for stale in folder.glob("projector*.safetensors"):
        stale.unlink()
    for index, head in enumerate(heads):
        with replacing(folder / projector_file(index)) as path:
            path.write_bytes(as_safetensors(_plain(head.state_dict())))
    for name, content in ((CARD, model_card(config, num_params=student.num_params)), (CONFIG, text)):
        with replacing(folder / name) as path:
            path.write_text(content, encoding="utf-8")
    return folder


def load(folder: str | Path, *, allow_code: bool = False) -> Student:
    """Read a student that `save` wrote, in evaluation mode, on the CPU.

    Args:
        folder: The student's folder; or a repository of the Hugging Face hub, `hf://owner/name`, downloaded once.
        allow_code: Import the module that the folder names, for a student that is a function of your own.

    Raises:
        SondoError: No student there, another format version, a file that is missing or damaged, weights that do not
            fit, or a student of your own that is not allowed; the message names the file.
    """
    folder = located(folder)
    config = read_config(folder)
    path = folder / CONFIG
    try:
        name, options = str(config["student"]["name"]), config["student"]["options"]
        if is_code(name) and not allow_code:
            raise SondoError(
                f"its student is made by {name}, which is code and not sondo's. If you know that code, allow it "
                "(--allow_code, in Python allow_code=True); an exported .onnx needs none"
            )
        student = create(name, front_end=LogMelConfig.from_dict(config["front_end"]), **options)
        student.info = dict(config["info"])
        expected = config["embedding_dim"], config["space_id"]
    except (KeyError, TypeError, AttributeError) as error:
        raise SondoError(f"{path} is damaged: {type(error).__name__} {error}. Save the student again") from error
    except SondoError as error:
        raise SondoError(f"{path}: {error}") from error
    _fill(student, folder / WEIGHTS)
    found = student.embedding_dim, student.space_id
    if found != expected:
        raise SondoError(
            f"{folder / WEIGHTS} does not belong to {path}: that one names {expected[0]} values in space "
            f"{expected[1]}, the weights give {found[0]} in {found[1]}. Put the files of one student together"
        )
    return student.eval()


def load_projectors(folder: str | Path) -> list[Projector]:
    """Read the mapping heads of a student that `save` wrote, one for each of its teachers; none when there is none.

    Raises:
        SondoError: As `load`.
    """
    folder = located(folder)
    config = read_config(folder)
    shapes = [config["projector"]] if config.get("projector") else []
    heads = []
    for index, shape in enumerate([*shapes, *config.get("more_projectors", [])]):
        try:
            head = Projector(int(config["embedding_dim"]), **shape)
        except (KeyError, TypeError, ValueError) as error:
            raise SondoError(f"{folder / CONFIG} is damaged: projector: {error}. Save the student again") from error
        _fill(head, folder / projector_file(index))
        heads.append(head.eval())
    return heads


def load_projector(folder: str | Path) -> Projector | None:
    """Read the mapping head into the space of a student's first teacher; None when there is none.

    Raises:
        SondoError: As `load`.
    """
    return next(iter(load_projectors(folder)), None)


def _bare(module: _Wrapped) -> _Wrapped:
    """What `torch.compile` wrapped: the wrapper has other names for the tensors, which `load` does not know."""
    bare: _Wrapped = getattr(module, "_orig_mod", module)
    return bare


def _published(student: Student) -> dict[str, Tensor]:
    return {_published_name(key): tensor for key, tensor in _plain(student.state_dict()).items()}


def _published_name(key: str) -> str:
    """The name in the file: `backbone.features.…` of ours is `model.features.…` in the published checkpoints."""
    return f"model.{key.removeprefix('backbone.')}" if key.startswith("backbone.") else key


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}


def read_config(folder: Path) -> dict[str, Any]:
    """Read what a student's folder says of it, without its weights.

    Raises:
        SondoError: No student there, a damaged `config.json`, or one of another format version.
    """
    path = folder / CONFIG
    if not path.is_file():
        what = "is not there" if not folder.exists() else "holds no student"
        raise SondoError(f"{folder} {what}: expected {CONFIG} and {WEIGHTS} in it")
    check_readable(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise SondoError(f"{path} is damaged ({error}): save the student again") from error
    version = config.get("format") if isinstance(config, dict) else None
    if version is None:
        raise SondoError(f"{path} is no configuration of a student: it has no format version")
    if version != FORMAT:
        raise SondoError(
            f"{path} has format version {version}, this sondo reads {FORMAT}: "
            "update sondo, or save the student again with this one"
        )
    return dict(config)


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise SondoError(f"{path} is missing: copy the whole folder of the student")
    check_readable(path)
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise SondoError(f"{path} cannot be read ({error}): it is damaged or no safetensors file") from error
    return weights


def _fill(module: nn.Module, path: Path) -> None:
    """Load strictly, with one sentence about what does not fit."""
    own = {_published_name(key): key for key in module.state_dict()}
    tensors = {own.get(name, name): tensor for name, tensor in _read_weights(path).items()}
    fill(module, tensors, path=path, what=f"the student in {CONFIG}")
