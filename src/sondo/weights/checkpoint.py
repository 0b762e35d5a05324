"""Foreign checkpoints: read as tensors and plain values, never as code."""

from __future__ import annotations

import pickle  # for a constant: nothing is unpickled here
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sondo.errors import SondoError, require

if TYPE_CHECKING:
    from torch import Tensor, nn

_HEAD_BYTES = 512
_NAMED = 3


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint that torch or safetensors wrote. Nothing in it is executed.

    Args:
        path: A `.safetensors` file, or one that `torch.save` wrote (`.pt`, `.pth`, `.ckpt`), of today or of old.
            Tensors of today's are mapped from the disk, and read when they are used.

    Returns:
        Its dictionary, tensors on the CPU.

    Raises:
        SondoError: No such file, or one that is empty, truncated, a web page, a Git LFS pointer, holds code, or holds
            no dictionary; the message says which.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    torch = require("torch", extra="train", why=f"Reading {path} needs torch")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_harmless()):
            warnings.simplefilter("ignore")  # about the layout of old files, which nobody here can change
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=_can_be_mapped(path))
    except Exception as error:  # torch, pickle and zip raise a dozen classes for a file that is not what it seems
        raise SondoError(_why_not(path, error)) from error
    if not isinstance(content, Mapping):
        raise SondoError(f"{path} holds a {type(content).__name__}, not a dictionary of weights")
    return dict(content)


def fill(module: nn.Module, tensors: Mapping[str, Tensor], *, path: str | Path, what: str) -> None:
    """Load tensors strictly into a module.

    Only batch counters (`num_batches_tracked`) may be absent: they change no output, and old checkpoints lack them.

    Args:
        module: What they belong to.
        tensors: Under the names of the module's own state.
        path: Where they come from, for the message.
        what: What the module is, for the message, e.g. "a DyMN of width 1.0".

    Raises:
        SondoError: One sentence about what is missing, unknown, of another shape or not finite. The module is as it
            was.
    """
    own = module.state_dict()
    missing = sorted(key for key in set(own) - set(tensors) if not key.endswith("num_batches_tracked"))
    unknown = sorted(map(str, set(tensors) - set(own)))
    other = [
        f"{key} is {_shape(tensors[key])} where {_shape(own[key])} belongs"
        for key in sorted(set(own) & set(tensors))
        if _shape(tensors[key]) != _shape(own[key])
    ]
    problems = [_some("lacks", missing), _some("has unknown", unknown), _some("has another shape:", other)]
    problems = [problem for problem in problems if problem]
    if problems:
        raise SondoError(
            f"{path} does not fit {what}: it {'; it '.join(problems)}. Give the weights of that very model and size"
        )
    _check_finite(tensors, path)
    module.load_state_dict({key: tensors.get(key, value) for key, value in own.items()})


def _check_finite(tensors: Mapping[str, Any], path: str | Path) -> None:
    """Refuse what gives vectors of NaN: neither a file's layout nor its shapes tell."""
    broken = sorted(key for key, value in tensors.items() if value.is_floating_point() and not value.isfinite().all())
    if broken:
        raise SondoError(
            f"{path} {_some('has values that are not finite in', broken)}: its training failed or the file is damaged. "
            "Get it again, or take an earlier one"
        )


def _shape(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else str(tuple(shape))


def _some(verb: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    rest = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return f"{verb} {', '.join(items[:_NAMED])}{rest}"


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise SondoError(f"{path} is a folder: name the file of weights in it")
    if not path.is_file():
        raise SondoError(f"there is no file of weights at {path}")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise SondoError(f"{path} cannot be read: {error.strerror or error}") from error
    if not head:
        raise SondoError(f"{path} is empty: get it again")
    if head.startswith(b"version https://git-lfs"):
        raise SondoError(f"{path} is a Git LFS pointer, not the weights: fetch them with `git lfs pull`")
    # Binary files can begin with the same byte (in safetensors it is part of a length), but not without zeros.
    if head.lstrip().startswith(b"<") and b"\0" not in head:
        raise SondoError(f"{path} is a web page, not weights: the download went wrong, get the file itself")


def _can_be_mapped(path: Path) -> bool:
    """Whether tensors lie in the file as they are: in today's layout, and not compressed by another tool."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


def _read_safetensors(path: Path) -> dict[str, Any]:
    module = require("safetensors.torch", extra="train", why=f"Reading {path} needs safetensors")
    try:
        tensors: dict[str, Any] = module.load_file(path)
    except Exception as error:  # safetensors raises its own class for each kind of damage
        raise SondoError(f"{path} is damaged or no safetensors file ({error}): get it again") from error
    return tensors


def _harmless() -> list[Any]:
    """What published checkpoints keep beside their tensors, and what holds values alone: nothing here runs code.

    M2D and its kin keep the `argparse.Namespace` of their training, which is a bag of attributes. Metrics are often
    numpy scalars: made by `scalar` from a dtype and bytes. Files name its module as numpy did when they were written.
    """
    import argparse

    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("f8", "f4", "f2", "i8", "i4", "?")]
    return [argparse.Namespace, np.dtype, *names, *kinds]


def _why_not(path: Path, error: Exception) -> str:
    text = str(error)
    refused = re.search(r"GLOBAL ([\w.]+)", text)  # torch's word in all its messages about what it refuses to load
    name = refused.group(1) if refused else "TorchScript" if "TorchScript" in text else None
    if name is None and _is_bare_pickle(path):
        name = "pickled objects of Python"
    if name is not None:
        return (
            f"{path} holds code ({name}); sondo executes nothing of a checkpoint, and nothing in it was executed. Ask "
            "its author for the tensors alone, or save its state dict yourself where you trust the file"
        )
    return (
        f"{path} cannot be read as weights: it is truncated, damaged or of another format than torch.save writes by "
        "default; nothing in it was executed. Get it again"
    )


def _is_bare_pickle(path: Path) -> bool:
    """Whether Python's own pickle wrote the file: torch keeps to protocol 2, and does not read later ones."""
    with path.open("rb") as file:
        head = file.read(2)
    return head[:1] == pickle.PROTO and head[1:] > b"\x02"
