"""Students that are not sondo's: a user's own network, and those of `timm`."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sondo.errors import SondoError, require

TIMM = "timm:"
_PROJECTOR_WIDTH = 1280
_PROBE_FRAMES = (5, 624)
"""Frames of 0.1 s, the shortest sound that is embedded, and of 10 s."""


class OwnBackbone(nn.Module):
    """A network from log-mels to vectors behind the interface of a backbone. It has no stages to read.

    Args:
        network: Maps (batch, 1, mels, frames) to (batch, dim).
        name: What to call it in messages.
        num_mels: Mel bands of the front-end.

    Raises:
        SondoError: The network fails on a log-mel of 0.1 s or of 10 s, or gives no (batch, dim).
    """

    stage_features: tuple[int, ...] = ()
    projector_width: int = _PROJECTOR_WIDTH

    def __init__(self, network: nn.Module, *, name: str, num_mels: int) -> None:
        super().__init__()
        self.network = network
        self.num_features: int = _probed_dim(network, name=name, num_mels=num_mels)

    def forward(self, log_mel: Tensor) -> Tensor:
        """(batch, 1, mels, frames) -> (batch, dim), float32."""
        vectors: Tensor = self.network(log_mel)
        return vectors.float()

    def stages(self, log_mel: Tensor) -> list[Tensor]:
        """The vectors alone."""
        return [self.forward(log_mel)]


def own_network(name: str, *, width_mult: float | None = None) -> nn.Module:
    """Call a user's function that makes a network.

    Args:
        name: `package.module:function`, found on the Python path or in the working folder.
        width_mult: Passed on when the function takes it.

    Raises:
        SondoError: No such module or function, a failing one, or one that gives no `nn.Module`.
    """
    module_name, _, function_name = name.partition(":")
    if not module_name or not function_name:
        raise SondoError(f"{name!r} names no student of your own: expected package.module:function")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's module can fail in any way
        is_absent = isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}.")
        where = f" (looked for in {here} and on the Python path)" if is_absent else ""
        raise SondoError(
            f"student {name}: {module_name} cannot be imported: {type(error).__name__}: {error}{where}"
        ) from error
    finally:
        if added:
            sys.path.remove(here)
    make = getattr(module, function_name, None)
    if not callable(make):
        raise SondoError(f"student {name}: {module_name} has no function {function_name}")
    options = {}
    if width_mult is not None:
        if "width_mult" not in inspect.signature(make).parameters:
            raise SondoError(f"student {name}: {function_name} takes no width_mult: leave --student.width_mult out")
        options["width_mult"] = width_mult
    try:
        network = make(**options)
    except Exception as error:  # a user's function can fail in any way
        raise SondoError(f"student {name} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise SondoError(
            f"student {name} made {type(network).__name__}: expected an nn.Module from log-mels "
            "(batch, 1, mels, frames) to vectors (batch, dim)"
        )
    return network


def timm_network(name: str) -> nn.Module:
    """Make a `timm` model with one input channel and without its classifier, with new weights.

    Args:
        name: `timm:MODEL`.

    Raises:
        SondoError: timm is not installed, has no such model, or cannot make it so.
    """
    timm = _timm(name)
    model = name.removeprefix(TIMM)
    if not timm.is_model(model):
        near = timm.list_models(f"*{model}*")[:3]
        guess = f": did you mean {', '.join(near)}?" if near else ""
        raise SondoError(f"timm has no model {model!r}{guess}")
    try:
        network: nn.Module = timm.create_model(model, pretrained=False, in_chans=1, num_classes=0)
    except Exception as error:  # timm's models raise whatever their options meet
        raise SondoError(f"timm cannot make {model} for one channel without a classifier: {error}") from error
    return network


def is_timm_model(name: str) -> bool:
    """Whether a name without prefix is a model of timm, as far as timm is installed and works."""
    try:
        return bool(_timm(name).is_model(name))
    except SondoError:
        return False


def _timm(name: str) -> Any:
    return require("timm", extra="timm", why=f"Student {name} is a model of timm")


def _probed_dim(network: nn.Module, *, name: str, num_mels: int) -> int:
    was_training = network.training
    network.eval()
    for frames in _PROBE_FRAMES:
        try:
            with torch.no_grad():  # not inference_mode: weights of a lazy layer are made here, and are to be trained
                vectors = network(torch.zeros(2, 1, num_mels, frames))
        except Exception as error:  # any network of any author
            raise SondoError(
                f"student {name} fails on a log-mel of shape (2, 1, {num_mels}, {frames}): {str(error).rstrip('.')}. "
                f"A student must take any number of frames from {_PROBE_FRAMES[0]} on"
            ) from error
    network.train(was_training)
    if not isinstance(vectors, Tensor) or vectors.ndim != 2 or len(vectors) != 2:
        shape = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
        raise SondoError(f"student {name} gives {shape} for two log-mels: expected vectors (2, dim)")
    return int(vectors.shape[1])
