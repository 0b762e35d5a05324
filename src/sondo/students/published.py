"""Published S-SONDO checkpoints: the `.ckpt` files of the paper's authors as students of ours.

Such a file holds `training_config` and `state_dict`; the student's tensors are `student_model.model.*`, those of the
mapping head `student_model.classification_head.*`. What else it holds (optimiser, loss) is not looked at.

Source:
    Layout and meaning of the configuration: S-SONDO (arXiv 2604.24933), `inference_ssondo/ssondo/model.py` at f89abf2.
    The networks are told apart by their tensors; the published code goes by letters in `model_name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sondo.audio.clips import WINDOW_S
from sondo.audio.logmel import LogMelConfig
from sondo.audio.windows import Compat
from sondo.catalogue import PUBLISHED, WEIGHTS_LICENCE
from sondo.errors import SondoError
from sondo.students.head import Projector
from sondo.students.registry import create
from sondo.students.student import Student
from sondo.weights import fetch_hub, fill, read_checkpoint, sha256_of

HUB = "hf://"
_SOURCE = "S-SONDO, El Adlouni et al. 2026, arXiv 2604.24933 (huggingface.co/mohammedali2501/ssondo)"
_PREFIX = "student_model."
_MODEL, _HEAD = "model.", "classification_head."

# What the three architectures can be asked for besides their width; anything else is another network.
_MOBILENET_FIXED = {"reduced_tail": False, "dilated": False, "relu_only": False, "se_dims": "c", "se_r": 4}
_STRIDES = [2, 2, 2, 2]
_ERES2NET_FIXED = {"num_blocks": [3, 4, 6, 3, 3], "pooling_func": "TSTP", "add_layer": True}


def load_published(source: str | Path, *, compat: Compat = None) -> tuple[Student, Projector]:
    """Read a published checkpoint, in evaluation mode, on the CPU. Nothing in the file is executed.

    Args:
        source: A `.ckpt` file; a short name such as `matpac-mobilenetv3`; or `hf://owner/repository/file.ckpt`.
        compat: `ssondo` embeds as the published code does: only full windows of 10 s count. By default the rest of a
            sound counts, weighted by its length, and sound from 0.1 s on can be embedded.

    Returns:
        The student and the mapping head into its teacher's space.

    Raises:
        SondoError: No such file, no S-SONDO checkpoint, a damaged one, or an architecture that is not one of the three.
    """
    if compat not in (None, "ssondo"):
        raise SondoError(f"compat is {compat!r}: expected 'ssondo' for the published behaviour, or nothing")
    known = PUBLISHED.get(str(source))
    reference = known.reference if known else str(source)
    path = fetch_hub(reference) if reference.startswith(HUB) else Path(source)
    content = read_checkpoint(path)
    config, tensors = _parts(content, path)
    student = _student(config, tensors, path)
    head = _head(config, tensors, student, path)
    teacher = known.teacher if known else "unknown"
    student.info = {
        "teacher": {
            "name": teacher,
            "fingerprint": "",
            "licence": known.licence if known else f"{WEIGHTS_LICENCE}; that of its teacher is not stated in the file",
            "embedding_dim": head.embedding_dim,
        },
        "source": _SOURCE,
        "checkpoint": {"file": path.name, "sha256": sha256_of(path)},
    }
    student.compat = compat
    return student.eval(), head.eval()


def _parts(content: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    missing = [key for key in ("training_config", "state_dict") if not isinstance(content.get(key), Mapping)]
    if missing:
        there = ", ".join(sorted(map(str, content))[:5]) or "nothing"
        raise SondoError(
            f"{path} is no S-SONDO checkpoint: it lacks {' and '.join(missing)} (there is {there}). "
            "Weights of EfficientAT go to --student.init, those of a teacher to --teacher.checkpoint"
        )
    state = content["state_dict"]
    tensors = {str(key).removeprefix(_PREFIX): value for key, value in state.items() if str(key).startswith(_PREFIX)}
    if not any(key.startswith(_MODEL) for key in tensors):
        raise SondoError(f"{path} is no S-SONDO checkpoint: its state_dict has no tensor {_PREFIX}{_MODEL}…")
    return dict(content["training_config"]), tensors


def _student(config: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> Student:
    settings = _section(config, path, "student_model")
    name, options = _architecture(settings, tensors, path)
    student = create(name, front_end=_front_end(config, settings, path), **options)
    own = {key.removeprefix(_MODEL): value for key, value in tensors.items() if key.startswith(_MODEL)}
    words = ", ".join(f"{key} {value:g}" for key, value in options.items())
    fill(student.backbone, own, path=path, what=f"the {name} ({words}) of its training_config")
    return student


def _architecture(
    settings: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path
) -> tuple[str, dict[str, float]]:
    if any(key.startswith(f"{_MODEL}features.") for key in tensors):
        _refuse_other(settings, {**_MOBILENET_FIXED, "strides": _STRIDES}, path)
        return "mobilenetv3", {"width_mult": float(_value(settings, "width_mult", path))}
    if any(key.startswith(f"{_MODEL}in_c.") for key in tensors):
        _refuse_other(settings, {"strides": _STRIDES}, path)
        temperature = float(settings.get("pretrain_final_temp", 1.0))  # absent: the published code takes 1
        return "dymn", {"width_mult": float(_value(settings, "width_mult", path)), "temperature": temperature}
    if any(key.startswith(f"{_MODEL}layer1_downsample.") for key in tensors):
        _refuse_other(settings, _ERES2NET_FIXED, path)
        return "eres2net", {"width_mult": float(_value(settings, "m_channels", path)) / 16}
    raise SondoError(
        f"{path}: its student is none of mobilenetv3, dymn and eres2net (model_name {settings.get('model_name')!r}, "
        f"tensors such as {next(iter(tensors))})"
    )


def _refuse_other(settings: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    for key, value in wanted.items():
        found = settings.get(key, value)
        found = list(found) if isinstance(found, list | tuple) else found
        if found != value:
            raise SondoError(f"{path}: student_model.{key} is {found!r}; sondo's students have {value!r} alone")


def _front_end(config: Mapping[str, Any], settings: Mapping[str, Any], path: Path) -> LogMelConfig:
    preprocess = _section(config, path, "preprocess")
    mel, cut = _section(preprocess, path, "logmelspec"), _section(preprocess, path, "slice_audio")
    window, step = float(_value(cut, "win_len", path)), float(_value(cut, "step_size", path))
    if (window, step) != (WINDOW_S, WINDOW_S):
        raise SondoError(
            f"{path} was trained on windows of {window:g} s every {step:g} s; sondo has {WINDOW_S:g} s alone"
        )
    rate = int(_value(settings, "sr", path))
    highest = mel.get("f_max")
    return LogMelConfig(
        sample_rate=rate,
        n_fft=round(float(_value(mel, "win_len", path)) * rate),
        hop=round(float(_value(mel, "hop_len", path)) * rate),
        num_mels=int(_value(mel, "n_mels", path)),
        f_min_hz=float(_value(mel, "f_min", path)),
        f_max_hz=rate / 2 if highest is None else float(highest),
    )


def _head(config: Mapping[str, Any], tensors: Mapping[str, Tensor], student: Student, path: Path) -> Projector:
    head = {key.removeprefix(_HEAD): value for key, value in tensors.items() if key.startswith(_HEAD)}
    kind = _section(config, path, "classification_head").get("head_type")
    shapes = [tuple(head[key].shape) for key in ("mlp.0.weight", "mlp.3.weight") if key in head]
    if kind != "mlp" or len(shapes) != 2 or len(shapes[0]) != 2 or len(shapes[1]) != 2:
        raise SondoError(
            f"{path}: its mapping head is not the paper's two linear layers (head_type {kind!r}, "
            f"{len(head)} tensors under {_PREFIX}{_HEAD})"
        )
    projector = Projector(student.embedding_dim, hidden_dim=shapes[0][0], embedding_dim=shapes[1][0])
    fill(projector, head, path=path, what=f"the mapping head of a {student.name}")
    return projector


def _section(config: Mapping[str, Any], path: Path, name: str) -> Mapping[str, Any]:
    section = config.get(name)
    if not isinstance(section, Mapping):
        raise SondoError(f"{path}: its training_config has no section {name}, so the student cannot be rebuilt")
    return section


def _value(section: Mapping[str, Any], key: str, path: Path) -> Any:
    value = section.get(key)
    if value is None:
        raise SondoError(f"{path}: its training_config does not say {key}, so the student cannot be rebuilt")
    return value
