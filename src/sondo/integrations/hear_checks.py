"""Whether a module keeps to the HEAR API: checks of our own, because the validator of 2022 needs TensorFlow.

    from sondo.integrations import hear_checks
    hear_checks.check("sondo.hear", "runs/first")

Source: HEAR 2021 (Turian et al. 2022, arXiv 2203.03022); what is checked, and on how much sound, is what
hearbenchmark/hear-validator checks of modules of torch.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sondo.errors import SondoError
from sondo.hear import HOP_MS, SAMPLE_RATES

_TIMESTAMP_LENGTHS_S = (1.07, 1.98, 4.0)
_SCENE_LENGTH_S, _SCENES = 2.74, 4
_LARGEST_DEVIATION_MS = 1.0


def check(module: ModuleType | str, model_path: str | Path = "", *, device: str = "cpu") -> list[str]:
    """Load a module's model, give it noise, and look at all that the API promises.

    Args:
        module: The module, or its name.
        model_path: Passed to its `load_model`; left out, that is called without.
        device: Where the model and the sound are put.

    Returns:
        What is allowed but advised against, as sentences; empty when there is nothing.

    Raises:
        SondoError: The first promise that is not kept.
    """
    module = importlib.import_module(module) if isinstance(module, str) else module
    for name in ("load_model", "get_scene_embeddings", "get_timestamp_embeddings"):
        if not callable(getattr(module, name, None)):
            raise SondoError(f"{module.__name__} has no function {name}")
    model = module.load_model(str(model_path)) if str(model_path) else module.load_model()
    return check_model(module, model, device=device)


def check_model(module: ModuleType, model: Any, *, device: str = "cpu") -> list[str]:
    """As `check`, for a model that is loaded already."""
    is_module = isinstance(model, nn.Module)
    if not is_module:
        raise SondoError(f"load_model gave {type(model).__name__}, not a module of torch")
    model.to(device)
    _check_attributes(model)
    advice = [
        sentence for length_s in _TIMESTAMP_LENGTHS_S for sentence in _check_timestamps(module, model, length_s, device)
    ]
    audio = _noise(_SCENES, round(_SCENE_LENGTH_S * model.sample_rate), device)
    _check_embeddings(
        "get_scene_embeddings", module.get_scene_embeddings(audio, model), (_SCENES, model.scene_embedding_size)
    )
    return list(dict.fromkeys(advice))


def _noise(sounds: int, samples: int, device: str) -> Tensor:
    noise = np.random.default_rng(0).uniform(-1, 1, (sounds, samples)).astype(np.float32)
    return torch.from_numpy(noise).to(device)


def _check_attributes(model: Any) -> None:
    rate = getattr(model, "sample_rate", None)
    if rate not in SAMPLE_RATES:
        raise SondoError(f"the model's sample_rate is {rate!r}, and must be one of {', '.join(map(str, SAMPLE_RATES))}")
    for name in ("scene_embedding_size", "timestamp_embedding_size"):
        if not isinstance(getattr(model, name, None), int):
            raise SondoError(f"the model's {name} is {getattr(model, name, None)!r}, and must be an int")


def _check_embeddings(what: str, embeddings: Any, shape: tuple[int | None, ...]) -> None:
    """Refuse anything but finite float32 of a shape in which None stands for any number."""
    if not isinstance(embeddings, Tensor):
        raise SondoError(f"{what} gave {type(embeddings).__name__}, not a tensor")
    found = tuple(embeddings.shape)
    fits = len(found) == len(shape) and all(
        want is None or have == want for have, want in zip(found, shape, strict=True)
    )
    if not fits or embeddings.dtype != torch.float32:
        wanted = ", ".join("T" if size is None else str(size) for size in shape)
        raise SondoError(f"{what} gave {embeddings.dtype} of shape {found}, not torch.float32 of shape ({wanted})")
    if not torch.isfinite(embeddings).all():
        raise SondoError(f"{what} gave values that are no finite numbers")


def _check_timestamps(module: ModuleType, model: Any, length_s: float, device: str) -> list[str]:
    what, sounds = "get_timestamp_embeddings", 2
    result = module.get_timestamp_embeddings(_noise(sounds, int(length_s * model.sample_rate), device), model)
    if not isinstance(result, tuple) or len(result) != 2:
        raise SondoError(f"{what} must give embeddings and timestamps")
    embeddings, timestamps = result
    _check_embeddings(what, embeddings, (sounds, None, model.timestamp_embedding_size))
    if not isinstance(timestamps, Tensor) or timestamps.shape != embeddings.shape[:2]:
        raise SondoError(f"{what} gave no tensor of timestamps of shape {tuple(embeddings.shape[:2])}")
    times_ms = timestamps.detach().cpu().double().numpy()
    return _check_times(times_ms, 1000 * length_s) if times_ms.shape[1] > 1 else []


def _check_times(times_ms: NDArray[np.float64], length_ms: float) -> list[str]:
    steps = np.diff(times_ms)
    mean, deviation = float(steps.mean()), float(np.abs(steps - steps.mean()).max())
    if deviation > _LARGEST_DEVIATION_MS:
        raise SondoError(f"the timestamps are not regular: a step differs from their mean by {deviation:g} ms")
    if times_ms.max() > length_ms:
        raise SondoError(f"the timestamps end at {times_ms.max():g} ms and the sound at {length_ms:g} ms")
    advice = []
    if steps.max() > HOP_MS:
        advice.append(f"timestamps step by {steps.max():g} ms; at most {HOP_MS} ms is advised")
    if times_ms.min() > mean:
        advice.append(f"timestamps begin at {times_ms.min():g} ms, later than one step")
    if times_ms.max() < length_ms - min(mean, HOP_MS):
        advice.append(f"timestamps end at {times_ms.max():g} ms, more than a step before {length_ms:g} ms")
    return advice
