"""Weights of EfficientAT to start training from, by name or from a file.

Source:
    Schmid et al. 2023 (arXiv 2211.04772, arXiv 2310.15648); names and files of the release v0.0.1 of
    github.com/fschmid56/EfficientAT, MIT. Its authors publish no hashes, so a file is trusted on first use. Its
    variants with other strides, mel bands, hops, heads or static blocks are left out: our students are not made so.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sondo.catalogue import LICENCE, PREFIX, WEIGHTS
from sondo.errors import SondoError
from sondo.students.dymn import EVEN_TEMPERATURE
from sondo.students.dymn_blocks import DynamicKernels
from sondo.weights import fetch, fill, read_checkpoint, sha256_of

_CLASSIFIER = "classifier."
_NONE = ", or --student.init null for random weights"


def student_options(reference: str | Path | None) -> dict[str, float]:
    """What a student must be made with for the weights that it starts from; nothing is downloaded.

    A DyMN of ImageNet (`_im`) ended its training with a softmax temperature of 30, one of AudioSet (`_as`) with 1, and
    the files do not say which.

    Args:
        reference: As for `efficientat_weights`; None for random weights.

    Returns:
        Options for `sondo.students.create` that differ from its defaults: `temperature`, or none.

    Raises:
        SondoError: No weights of that name, no such file.
    """
    name = None if reference is None else _name(reference)
    return {"temperature": EVEN_TEMPERATURE} if name and name.startswith("dymn") and name.endswith("_im") else {}


def efficientat_weights(reference: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read weights to start from, downloading them once. Nothing in the file is executed.

    Args:
        reference: `efficientat/mn10_im` and the like, or a file: EfficientAT's, or any state dict of a network of ours.

    Returns:
        The network's tensors, without EfficientAT's classifier; and what a student's card should know, JSON-able:
        `init`, `init_source` (address or path), `init_sha256`, `init_licence`.

    Raises:
        SondoError: No weights of that name, no such file, no network, or a file without tensors.
    """
    name = _name(reference)
    path = Path(reference) if name is None else fetch(WEIGHTS[name])
    note = {
        "init": str(reference) if name is None else f"{PREFIX}{name}",
        "init_source": str(path) if name is None else WEIGHTS[name].url,
        "init_sha256": sha256_of(path),
        "init_licence": "that of the file" if name is None else LICENCE,
    }
    return _features(read_checkpoint(path), path), note


def start_from(
    backbone: nn.Module, reference: str | Path, *, student_name: str, width_mult: float = 1.0
) -> dict[str, Any]:
    """Fill a student's network with weights to start from.

    Args:
        backbone: The network of a `mobilenetv3` or a `dymn`; from a file, of any student.
        reference: As for `efficientat_weights`.
        student_name: Which student it is.
        width_mult: Its width.

    Returns:
        What the student's card should know, as `efficientat_weights` says.

    Raises:
        SondoError: As `efficientat_weights`, or weights of another student, width or temperature, or a file that does
            not fit. What a name says is compared before anything is downloaded.
    """
    check_start(reference, student_name=student_name, width_mult=width_mult)
    name = _name(reference)
    if name is not None:
        _check_temperature(name, backbone)
    tensors, note = efficientat_weights(reference)
    fill(backbone, tensors, path=reference, what=f"a {student_name} of width {width_mult:g}")
    return note


def check_start(reference: str | Path, *, student_name: str, width_mult: float = 1.0) -> None:
    """Compare what the name of weights to start from says with a student; nothing is downloaded.

    Args:
        reference: As for `efficientat_weights`.
        student_name: Which student it is.
        width_mult: Its width.

    Raises:
        SondoError: No weights of that name, no such file, or weights of another student or width.
    """
    name = _name(reference)
    if name is not None:
        _check_match(name, student_name, width_mult)


def _name(reference: str | Path) -> str | None:
    """The name in the table, None for a file."""
    text = str(reference)
    name = text.removeprefix(PREFIX)
    if name in WEIGHTS and (text.startswith(PREFIX) or not Path(text).exists()):
        return name
    if Path(text).is_dir():
        raise SondoError(f"{text} is a folder: weights to start from are a file, or a name such as {PREFIX}mn10_im")
    if Path(text).exists():
        return None
    if text.startswith(PREFIX):
        near = difflib.get_close_matches(name, WEIGHTS, n=3, cutoff=0.3) or list(WEIGHTS)
        raise SondoError(f"EfficientAT has no weights {name!r} for sondo's students: there is {', '.join(near)}, …")
    raise SondoError(f"no weights at {text}: give a file, or a name such as {PREFIX}mn10_im")


def _check_match(name: str, student_name: str, width_mult: float) -> None:
    family = "dymn" if name.startswith("dymn") else "mobilenetv3"
    width = int(name.removeprefix("dymn").removeprefix("mn").partition("_")[0]) / 10
    if family != student_name:
        raise SondoError(
            f"{PREFIX}{name} is a {family}, this student is {student_name}: take --student {family}{_NONE}"
        )
    if not math.isclose(width, width_mult):
        kind = name.rpartition("_")[2]
        fitting = f"{'dymn' if family == 'dymn' else 'mn'}{round(10 * width_mult):02d}_{kind}"
        is_there = fitting in WEIGHTS and math.isclose(round(10 * width_mult), 10 * width_mult)
        other = f"--student.init {PREFIX}{fitting} or " if is_there else ""
        raise SondoError(
            f"{PREFIX}{name} has width {width:g} and this student {width_mult:g}: "
            f"take {other}--student.width_mult {width:g}{_NONE}"
        )


def _check_temperature(name: str, backbone: nn.Module) -> None:
    wanted = student_options(f"{PREFIX}{name}").get("temperature", 1.0)
    found = {module.temperature for module in backbone.modules() if isinstance(module, DynamicKernels)}
    if found - {wanted}:
        raise SondoError(
            f"{PREFIX}{name} was trained with temperature {wanted:g} and this student has {max(found - {wanted}):g}: "
            f"make it with temperature={wanted:g}"
        )


def _features(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """The network's tensors: without EfficientAT's classifier, out of a wrapping dictionary where there is one."""
    for key in ("state_dict", "model"):
        if isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise SondoError(f"{path} holds no tensors to start from")
    return {key.removeprefix("model."): value for key, value in tensors.items() if not key.startswith(_CLASSIFIER)}
