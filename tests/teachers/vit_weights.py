"""Seeded weights of MATPAC and M2D, under the names and shapes of their published files."""

import zlib

import numpy as np
import torch


def layout(*, width, depth, mlp_width, columns, patch_frames=16, inside=""):
    """{key: shape} of an encoder with 5 rows of patches; `inside` stands before the blocks, as MATPAC has it."""
    shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + 5 * columns, width),
        "patch_embed.proj.weight": (width, 1, 16, patch_frames),
        "patch_embed.proj.bias": (width,),
        f"{inside}norm.weight": (width,),
        f"{inside}norm.bias": (width,),
    }
    for index in range(depth):
        block = f"{inside}blocks.{index}."
        for name, out, into in (
            ("attn.qkv", 3 * width, width),
            ("attn.proj", width, width),
            ("mlp.fc1", mlp_width, width),
            ("mlp.fc2", width, mlp_width),
        ):
            shapes |= {f"{block}{name}.weight": (out, into), f"{block}{name}.bias": (out,)}
        for name in ("norm1", "norm2"):
            shapes |= {f"{block}{name}.weight": (width,), f"{block}{name}.bias": (width,)}
    return shapes


def seeded(recipe, shapes):
    """{key: array}; tokens and positions are 0.1 * normal, the rest as in `student_recipe.py`."""
    arrays = recipe.seeded_weights(shapes)
    for key in ("cls_token", "pos_embed"):
        draw = np.random.default_rng(zlib.crc32(key.encode()))
        arrays[key] = np.asarray(0.1 * draw.standard_normal(shapes[key]), dtype=np.float32)
    return arrays


def save(path, arrays, *, nested=False, **more):
    """Write a checkpoint as torch does; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: torch.from_numpy(value) for key, value in arrays.items()} | more
    torch.save({"model": tensors} if nested else tensors, path)
    return path


def sound(recipe, run):
    """Golden sound of a run of a golden file."""
    audio = recipe.golden_batch(run["sample_rate"], run["seconds"], run["seed"], run["batch"])
    np.testing.assert_allclose(np.abs(audio.astype(np.float64)).mean(), run["mean_abs"], rtol=1e-9)
    return torch.from_numpy(audio)


def layers(encoder, log_mel):
    """What every block gives, the last behind the final norm: (batch, blocks, rows * width), mean over time."""
    seen = {}

    def keep(number, tokens):
        batch, _, width = tokens.shape
        steps = tokens[:, 1:].reshape(batch, encoder.shape.rows, -1, width).transpose(1, 2).flatten(2)
        seen.setdefault(number, []).append(steps)

    hooked = [*encoder.blocks[:-1], encoder.norm]
    hooks = [
        part.register_forward_hook(lambda _module, _inputs, output, number=number: keep(number, output))
        for number, part in enumerate(hooked)
    ]
    with torch.inference_mode():
        encoder(log_mel)
    for hook in hooks:
        hook.remove()
    return torch.stack([torch.cat(seen[number], dim=1).mean(1) for number in range(len(hooked))], dim=1)


def check_full_size(recipe, case, wanted, teacher):
    """The runs of a golden case at full size that embed one sound in one window."""
    for name, run in case["runs"].items():
        if f"{name}.frames" not in wanted or name.startswith("fast"):
            continue
        audio = sound(recipe, run)
        with torch.inference_mode():
            log_mel = teacher._front_end(audio)
            frames = teacher._encoder(log_mel)
            got = {
                "logmel": log_mel[:, ::8, ::16],
                "frames": frames[:, ::6, ::64],
                "embeddings": teacher.embed(audio),
                "layers": layers(teacher._encoder, log_mel)[..., ::64],
            }
        for output, value in got.items():
            want = wanted[f"{name}.{output}"].reshape(value.shape)
            limit = case["outputs"][f"{name}.{output}"]["max_abs"]
            assert np.abs(value.numpy() - want).max() <= limit, f"{name}.{output}"
