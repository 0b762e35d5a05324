"""Modules that follow the HEAR API as teachers: `hear:package.module`.

Source: HEAR 2021 (Turian et al. 2022, arXiv 2203.03022), its common API: `load_model` and `get_scene_embeddings`.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sondo.errors import SondoError
from sondo.weights import sha256_of

_RATES = (16000, 22050, 32000, 44100, 48000)


class HearTeacher:
    """A HEAR module and the model that it loads.

    Args:
        name: Its name.
        module: The module.
        model: What its `load_model` gave.
        fingerprint: What identifies the module's file and the weights.

    Raises:
        SondoError: The model does not say its sample rate or size, or gives another size.
    """

    def __init__(self, name: str, *, module: ModuleType, model: Any, fingerprint: str) -> None:
        self.name, self.fingerprint = name, fingerprint
        self.licence = str(getattr(module, "__license__", "unknown"))
        self.source = f"{module.__name__} (HEAR API)"
        self._module, self._model = module, model
        rate, dim = getattr(model, "sample_rate", None), getattr(model, "scene_embedding_size", None)
        if rate not in _RATES:
            raise SondoError(f"{module.__name__}: its model says sample_rate {rate!r}, HEAR allows {_RATES}")
        if not isinstance(dim, int) or dim < 1:
            raise SondoError(f"{module.__name__}: its model says scene_embedding_size {dim!r}, expected a whole number")
        self.sample_rate, self.embedding_dim = int(rate), dim
        is_torch = isinstance(model, torch.nn.Module)
        self.num_params = sum(parameter.numel() for parameter in model.parameters()) if is_torch else 0
        self._device = next(iter(model.parameters()), torch.empty(0)).device if is_torch else torch.device("cpu")
        noise = np.random.default_rng(0).standard_normal((1, self.sample_rate)).astype(np.float32)
        self.embed(0.1 * torch.from_numpy(noise))

    def embed(self, audio: Tensor) -> Tensor:
        """Embed sound.

        Shape:
            audio (batch, samples) -> (batch, embedding_dim), float32.

        Raises:
            SondoError: The module fails or gives another shape.
        """
        try:
            output = self._module.get_scene_embeddings(audio.float().to(self._device), self._model)
        except Exception as error:  # a module of any author
            raise SondoError(
                f"{self._module.__name__}.get_scene_embeddings fails on sound of shape {tuple(audio.shape)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(output, Tensor) or tuple(output.shape) != (len(audio), self.embedding_dim):
            what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise SondoError(
                f"{self._module.__name__}.get_scene_embeddings gave {what} for {len(audio)} sounds: expected a tensor "
                f"of shape ({len(audio)}, {self.embedding_dim}); models of TensorFlow are not supported"
            )
        return output.detach().float().cpu()


def make_hear_teacher(name: str, *, checkpoint: str | None = None) -> HearTeacher:
    """Make the teacher for `sondo.teachers.create`.

    Args:
        name: `hear:` and a module, found on the Python path or in the working folder.
        checkpoint: File or folder of weights, passed to the module's `load_model`.

    Raises:
        SondoError: No such module, one that lacks a function of the API, or a model that cannot be loaded.
    """
    module = _module(name.partition(":")[2])
    missing = [part for part in ("load_model", "get_scene_embeddings") if not callable(getattr(module, part, None))]
    if missing:
        raise SondoError(f"{module.__name__} does not follow the HEAR API: it lacks {' and '.join(missing)}")
    if checkpoint is not None and not Path(checkpoint).exists():
        raise SondoError(f"there is no file of weights at {checkpoint}")
    try:
        model = module.load_model(checkpoint) if checkpoint is not None else module.load_model()
    except Exception as error:  # a module of any author
        raise SondoError(
            f"{module.__name__}.load_model({checkpoint or ''}) fails: {type(error).__name__}: {error}"
        ) from error
    return HearTeacher(name, module=module, model=model, fingerprint=_fingerprint(module, checkpoint))


def _module(dotted: str) -> ModuleType:
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(dotted)
    except Exception as error:  # a user's module can fail in any way
        raise SondoError(f"hear:{dotted} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        if added:
            sys.path.remove(here)


def _fingerprint(module: ModuleType, checkpoint: str | None) -> str:
    """SHA-256 of the module's own file and of the file or folder of weights."""
    digest = hashlib.sha256()
    for file in (getattr(module, "__file__", None), checkpoint):
        if file is not None and Path(file).is_dir():
            digest.update(sha256_of(Path(file)).encode())
        elif file is not None and Path(file).is_file():
            with Path(file).open("rb") as opened:
                while block := opened.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
