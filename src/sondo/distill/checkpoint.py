"""Training checkpoints as one safetensors file, so that resuming a run executes nothing from a file.

Lightning hands over a nested dictionary; its tensors become tensors of the file, the rest becomes JSON in the file's
header. The file is written beside its place and then renamed: a kill leaves the old or the new one, never half.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from safetensors import safe_open
from safetensors.torch import save as as_safetensors
from torch import Tensor

from sondo.errors import SondoError
from sondo.scratch import replacing

STATE_KEY = "sondo.checkpoint"


class SafetensorsCheckpointIO(CheckpointIO):
    """Lightning's checkpoint reader and writer over safetensors and JSON."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint in one step."""
        tensors: dict[str, Tensor] = {}
        plain = json.dumps(_strip(checkpoint, tensors))
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as scratch:
            # from bytes: safetensors' own files can be read by their owner alone
            scratch.write_bytes(as_safetensors(tensors, metadata={STATE_KEY: plain}))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint that `save_checkpoint` wrote.

        Raises:
            SondoError: The file is damaged or is no checkpoint of sondo.
        """
        try:
            with safe_open(path, framework="pt") as file:
                plain = json.loads(file.metadata()[STATE_KEY])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except Exception as error:  # safetensors raises its own class for each kind of damage
            raise SondoError(f"{path} cannot be read as a training checkpoint: {error}") from error
        restored: dict[str, Any] = _fill(plain, tensors)
        return restored

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def _strip(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON for a nested value; each tensor moves into `tensors` and leaves its number."""
    if isinstance(value, Tensor):
        key = str(len(tensors))
        tensors[key] = value.detach().cpu().contiguous().clone()
        return {"tensor": key}
    if isinstance(value, dict):
        return {"dict": [[_strip(key, tensors), _strip(entry, tensors)] for key, entry in value.items()]}
    if isinstance(value, list):
        return [_strip(entry, tensors) for entry in value]
    if isinstance(value, tuple):
        return {"tuple": [_strip(entry, tensors) for entry in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint holds a {type(value).__name__}, which JSON cannot")


def _fill(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_fill(entry, tensors) for entry in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return torch.clone(tensors[value["tensor"]])
    if "tuple" in value:
        return tuple(_fill(entry, tensors) for entry in value["tuple"])
    return {_fill(key, tensors): _fill(entry, tensors) for key, entry in value["dict"]}
