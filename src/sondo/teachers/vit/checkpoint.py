"""What a checkpoint of MATPAC or M2D holds, read off its tensors and not off the letters of its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sondo.errors import SondoError
from sondo.teachers.vit.encoder import TransformerShape
from sondo.teachers.vit.front_end import NUM_BANDS

_HEAD_WIDTH = 64
"""Both families split the width into heads of 64; no tensor tells."""
_OUTSIDE = ("cls_token", "pos_embed", "patch_embed.")
_INSIDE = ("blocks.", "norm.")


@dataclass(frozen=True)
class Layout:
    """How a family of checkpoints names the tensors of its encoder.

    Args:
        family: Its name, for messages.
        teacher: The teacher that reads it.
        inside: What stands before the names of the blocks and of the last norm.
        wrappers: What may stand before every name, besides nothing.
    """

    family: str
    teacher: str
    inside: str
    wrappers: tuple[str, ...] = ()


MATPAC = Layout("MATPAC", "matpac", "student_encoder.")
M2D = Layout("M2D", "m2d", "", ("module.ar.runtime.backbone.", "backbone."))


def find_encoder(checkpoint: Mapping[str, Any], layout: Layout, *, path: Path) -> dict[str, Tensor]:
    """The tensors of the encoder, named as in `AudioTransformer`.

    Parts that embedding does not need are left out: decoders, target encoders, heads, buffers of a front-end.

    Raises:
        SondoError: It is a file of the other family, or of neither.
    """
    held = checkpoint.get("model", checkpoint)
    named = held if isinstance(held, Mapping) else {}
    tensors = {str(key): value for key, value in named.items() if isinstance(value, Tensor)}
    found = _select(tensors, layout)
    if found:
        return found
    for other in (MATPAC, M2D):
        if other != layout and _select(tensors, other):
            raise SondoError(f"{path} is a checkpoint of {other.family}: use teacher {other.teacher} for it")
    some = ", ".join(sorted(tensors or map(str, named))[:3]) or "nothing"
    raise SondoError(
        f"{path} is no checkpoint of {layout.family}: expected tensors such as pos_embed and "
        f"{layout.inside}blocks.0.attn.qkv.weight, found {some}"
    )


def _select(tensors: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    for wrapper in ("", *layout.wrappers):
        bare = {key.removeprefix(wrapper): value for key, value in tensors.items() if key.startswith(wrapper)}
        inside = {
            key.removeprefix(layout.inside): value
            for key, value in bare.items()
            if key.startswith(tuple(layout.inside + part for part in _INSIDE))
        }
        if inside and "pos_embed" in bare:
            return inside | {key: value for key, value in bare.items() if key.startswith(_OUTSIDE)}
    return {}


def read_shape(tensors: Mapping[str, Tensor], *, path: Path) -> TransformerShape:
    """The sizes of the encoder that holds `tensors`.

    Raises:
        SondoError: A tensor that tells a size is missing, or the sizes contradict each other.
    """
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    patch, positions = shapes.get("patch_embed.proj.weight", ()), shapes.get("pos_embed", ())
    hidden = shapes.get("blocks.0.mlp.fc1.weight", ())
    if len(patch) != 4 or len(positions) != 3 or len(hidden) != 2:
        raise SondoError(
            f"{path} is damaged: patch_embed.proj.weight, pos_embed and the fc1.weight of its first block have the "
            f"shapes {patch}, {positions}, {hidden} (an empty one is missing)"
        )
    width, channels, patch_bands, patch_frames = patch
    rows = NUM_BANDS // patch_bands
    num_patches = positions[1] - 1
    if channels != 1 or width % _HEAD_WIDTH or not rows or num_patches < rows or num_patches % rows:
        raise SondoError(
            f"{path} is not for a log-mel of {NUM_BANDS} bands: patches {patch_bands}x{patch_frames} of {channels} "
            f"channel(s) and {num_patches} positions give no grid, or its width {width} no heads of {_HEAD_WIDTH}"
        )
    return TransformerShape(
        rows=rows,
        columns=num_patches // rows,
        patch_bands=patch_bands,
        patch_frames=patch_frames,
        width=width,
        mlp_width=hidden[0],
        depth=1 + max(int(key.split(".")[1]) for key in shapes if key.startswith("blocks.")),
        num_heads=width // _HEAD_WIDTH,
    )
