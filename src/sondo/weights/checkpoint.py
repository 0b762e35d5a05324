"""Foreign checkpoints: read as tensors and plain values, never as code."""

from __future__ import annotations

import re
import warnings
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
        path: A `.pt`, `.pth`, `.ckpt` or `.safetensors` file.

    Returns:
        Its dictionary, tensors on the CPU.

    Raises:
        SondoError: No such file, or one that is empty, truncated, a web page, a Git LFS pointer, holds code, or holds no
            dictionary; the message says which.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    torch = require("torch", extra="train", why=f"Reading {path} needs torch")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_harmless()):
            warnings.simplefilter("ignore")  # about the layout of old files, which nobody here can change
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and zip raise a dozen classes for a file that is not what it seems
        raise SondoError(_why_not(path, error)) from error
    if not isinstance(content, Mapping):
        raise SondoError(f"{path} holds a {type(content).__name__}, not a dictionary of weights")
    return dict(content)


def fill(module: nn.Module, tensors: Mapping[str, Tensor], *, path: str | Path, what: str) -> None:
    """Load tensors strictly into a module.

    Args:
        module: What they belong to.
        tensors: Under the names of the module's own state.
        path: Where they come from, for the message.
        what: What the module is, for the message, e.g. "a DyMN of width 1.0".

    Raises:
        SondoError: One sentence about what is missing, unknown or of another shape.
    """
    own = module.state_dict()
    missing, unknown = sorted(set(own) - set(tensors)), sorted(set(tensors) - set(own))
    # A counter of batches changes no vector, and old checkpoints lack it.
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    other = [
        f"{key} is {tuple(tensors[key].shape)} where {tuple(own[key].shape)} belongs"
        for key in sorted(set(own) & set(tensors))
        if tensors[key].shape != own[key].shape
    ]
    problems = [_some("lacks", missing), _some("has unknown", unknown), _some("has another shape:", other)]
    problems = [problem for problem in problems if problem]
    if problems:
        raise SondoError(f"{path} does not fit {what}: it {'; it '.join(problems)}")
    module.load_state_dict({key: tensors.get(key, value) for key, value in own.items()})


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
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise SondoError(f"{path} is empty: download it again")
    if head.startswith(b"version https://git-lfs"):
        raise SondoError(f"{path} is a Git LFS pointer, not the weights: fetch them with `git lfs pull`")
    if head.lstrip().startswith(b"<"):
        raise SondoError(f"{path} is a web page, not weights: the download went wrong, get the file itself")


def _read_safetensors(path: Path) -> dict[str, Any]:
    module = require("safetensors.torch", extra="train", why=f"Reading {path} needs safetensors")
    try:
        tensors: dict[str, Any] = module.load_file(path)
    except Exception as error:  # safetensors raises its own class for each kind of damage
        raise SondoError(f"{path} is damaged or no safetensors file ({error}): get it again") from error
    return tensors


def _harmless() -> list[Any]:
    """Classes that published checkpoints keep beside their tensors and that hold values alone.

    M2D and its kin keep the `argparse.Namespace` of their training; some keep numpy scalars.
    """
    import argparse

    import numpy as np

    scalar = np.float64(0).__reduce__()[0]  # numpy moved its module between versions; a file may name either
    kinds = [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "?")]
    return [argparse.Namespace, scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds]


def _why_not(path: Path, error: Exception) -> str:
    text = str(error)
    refused = re.search(r"(?:Unsupported global: GLOBAL|GLOBAL|class) ([\w.]+)", text)
    if "weights_only" in text.lower() or "Unsupported" in text:
        name = refused.group(1) if refused else "something"
        return (
            f"{path} holds code ({name}), which sondo does not run; nothing in it was executed. Ask its author for the "
            "state dict alone, or save that yourself where you trust the file"
        )
    first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return f"{path} cannot be read as weights: it is truncated, damaged or of another format ({first}). Get it again"
