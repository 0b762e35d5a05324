"""The transformer of MATPAC and M2D: patches of a log-mel in, one vector per time step out.

Shapes: B = batch, M = mel bands, F = frames, R = rows of patches (frequency), C = columns of patches (time),
N = 1 + R * C tokens, D = width, H = heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_NORM_EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class TransformerShape:
    """Sizes of an `AudioTransformer`.

    Args:
        rows: Patches across the mel bands.
        columns: Patches across time in the position grid.
        patch_bands: Mel bands of a patch.
        patch_frames: Log-mel frames of a patch.
        width: Length of a token.
        mlp_width: Length of the hidden layer of each block.
        depth: Number of blocks.
        num_heads: Attention heads of each block.
    """

    rows: int = 5
    columns: int = 38
    patch_bands: int = 16
    patch_frames: int = 16
    width: int = 768
    mlp_width: int = 3072
    depth: int = 12
    num_heads: int = 12


class AudioTransformer(nn.Module):
    """Pre-norm vision transformer on a log-mel, with a position grid; its tensors are named as in M2D's checkpoints.

    Args:
        shape: Its sizes.
        chunk_frames: Log-mel frames that it sees at once; longer sound is cut into chunks of so many.

    Shape:
        log-mel (batch, bands, frames) -> (batch, steps, rows * width). A step is `patch_frames` frames; in its vector
        the rows follow one another, low band first. ``steps = ceil(frames / patch_frames)`` where `chunk_frames` is a
        multiple of `patch_frames`.

    Source:
        Niizumi et al. 2023, M2D (arXiv 2210.14648); Quelennec et al. 2025, MATPAC (arXiv 2502.12031). The class token
        attends but is dropped from the output.
    """

    def __init__(self, shape: TransformerShape, *, chunk_frames: int) -> None:
        super().__init__()
        self.shape, self.chunk_frames = shape, chunk_frames
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + shape.rows * shape.columns, shape.width))
        patch = (shape.patch_bands, shape.patch_frames)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, shape.width, patch, stride=patch)})
        self.blocks = nn.ModuleList(_Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width, eps=_NORM_EPS)

    def forward(self, log_mel_BMF: Tensor) -> Tensor:
        """Encode; the last step is filled up with zeros, as both published codes do."""
        step = self.shape.patch_frames
        padded_BMF = functional.pad(log_mel_BMF, (0, -log_mel_BMF.shape[-1] % step))
        starts = range(0, padded_BMF.shape[-1] - step + 1, self.chunk_frames)
        return torch.cat([self._encode(padded_BMF[..., start : start + self.chunk_frames]) for start in starts], dim=1)

    def _encode(self, chunk_BMF: Tensor) -> Tensor:
        patches_BDRC = self.patch_embed["proj"](chunk_BMF.unsqueeze(1))
        rows, columns = patches_BDRC.shape[-2:]
        # Shorter sound takes the leading columns of each row of the grid, not the leading positions.
        grid_RCD = self.pos_embed[:, 1:].reshape(rows, -1, self.shape.width)[:, :columns]
        tokens_BND = (patches_BDRC.permute(0, 2, 3, 1) + grid_RCD).flatten(1, 2)
        class_token = (self.cls_token + self.pos_embed[:, :1]).expand(len(tokens_BND), -1, -1)
        tokens_BND = torch.cat([class_token, tokens_BND], dim=1)
        for block in self.blocks:
            tokens_BND = block(tokens_BND)
        encoded_BRCD: Tensor = self.norm(tokens_BND)[:, 1:].reshape(-1, rows, columns, self.shape.width)
        return encoded_BRCD.transpose(1, 2).flatten(2)


class _Block(nn.Module):
    """Attention, then a two-layer network, each behind a layer norm and around a shortcut."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=_NORM_EPS)
        self.attn = _Attention(shape.width, shape.num_heads)
        self.norm2 = nn.LayerNorm(shape.width, eps=_NORM_EPS)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(shape.width, shape.mlp_width), "fc2": nn.Linear(shape.mlp_width, shape.width)}
        )

    def forward(self, x_BND: Tensor) -> Tensor:
        x_BND = x_BND + self.attn(self.norm1(x_BND))
        hidden = functional.gelu(self.mlp["fc1"](self.norm2(x_BND)))
        update_BND: Tensor = self.mlp["fc2"](hidden)
        return x_BND + update_BND


class _Attention(nn.Module):
    """Multi-head self-attention; one matrix gives queries, keys and values, in this order."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x_BND: Tensor) -> Tensor:
        qkv = self.qkv(x_BND).reshape(*x_BND.shape[:2], 3, self.num_heads, -1)
        query_BHNd, key_BHNd, value_BHNd = qkv.permute(2, 0, 3, 1, 4)
        mixed_BHNd = functional.scaled_dot_product_attention(query_BHNd, key_BHNd, value_BHNd)
        projected: Tensor = self.proj(mixed_BHNd.transpose(1, 2).flatten(2))
        return projected
