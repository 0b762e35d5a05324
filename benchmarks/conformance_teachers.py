"""The published teachers beside ours: random weights in the published layout, the same sound, the largest differences.

    python benchmarks/conformance_teachers.py --reference CLONE_OF_SSONDO --matpac CLONE_OF_MATPAC [--out TABLE.md]

Needs clones of the S-SONDO code (github.com/MedAliAdlouni/ssondo, f89abf2) and of MATPAC (aurianworld/matpac, b0e2dc7),
and timm, torchvision, einops and pandas, which they import. torchaudio and nnAudio are stood in for by an equal mel
spectrogram of torch operators. Above 10 s the published wrappers cut: M2D's averages its slices; those of MATPAC, which
its wrapper keeps, are averaged here.
"""

from __future__ import annotations

import argparse
import importlib
import runpy
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from conformance import SECONDS, MelSpectrogram, difference, sound, stand_in_for_torchaudio, table
from torch import Tensor

from sondo.teachers import create

RATE = 16000
_LAYOUT = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "teachers" / "vit_weights.py"))["layout"]


def random_weights(**shape: Any) -> dict[str, Tensor]:
    """Tensors under the published names; small enough that twelve blocks stay tame."""
    draw = torch.Generator().manual_seed(0)
    tensors = {}
    for key, size in _LAYOUT(width=768, depth=12, mlp_width=3072, columns=38, **shape).items():
        if "norm" in key and key.endswith("weight"):
            tensors[key] = torch.empty(size).uniform_(0.7, 1.3, generator=draw)
        else:
            fan_in = size[-1] if len(size) == 2 else 256
            scale = 0.05 if key.endswith("bias") else 0.1 if key in ("cls_token", "pos_embed") else fan_in**-0.5
            tensors[key] = torch.empty(size).normal_(0, scale, generator=draw)
    return tensors


def stand_in_for_nnaudio() -> None:
    """M2D takes nnAudio's mel spectrogram: centred, the same bands."""

    def mel_spectrogram(*, sr: int, fmin: float, fmax: float, win_length: int, power: float, **other: Any) -> Any:
        other.pop("verbose")
        kept = {"norm": "slaney", "mel_scale": "slaney", "power": float(power)}
        return MelSpectrogram(sample_rate=sr, f_min=fmin, f_max=fmax, win_length=win_length, **other, **kept)

    module, features = types.ModuleType("nnAudio"), types.ModuleType("nnAudio.features")
    features.MelSpectrogram = mel_spectrogram  # type: ignore[attr-defined]
    module.features = features  # type: ignore[attr-defined]
    sys.modules |= {"nnAudio": module, "nnAudio.features": features}


def published_matpac(path: Path) -> Callable[[Tensor], Tensor]:
    """The published model behind the published slicing."""
    # Its dataclass has a default that Python refuses since 3.11 because it cannot be hashed.
    encoder = importlib.import_module("matpac.encoder")
    encoder.encoder_layers_config.__hash__ = object.__hash__
    model = importlib.import_module("matpac.model").get_matpac(str(path), pull_time_dimension=True).eval()
    return _sliced(lambda rows: model(rows)[0])


def published_m2d(path: Path) -> Callable[[Tensor], Tensor]:
    """The published portable model behind the published slicing."""
    model = importlib.import_module("training_ssondo.utils.portable_m2d").PortableM2D(str(path)).eval()
    return _sliced(lambda rows: model(rows)[:, -1].mean(1))


def _sliced(embed: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    preprocess = importlib.import_module("training_ssondo.utils.preprocess")
    slicer = preprocess.SliceAudio(sr=RATE, window_length=10, step_size=10, add_last=True)

    def run(audio: Tensor) -> Tensor:
        if audio.shape[1] <= 10 * RATE:
            return embed(audio)
        slices = slicer(audio[:, None])
        return embed(slices.flatten(0, 1)).unflatten(0, slices.shape[:2]).mean(1)

    return run


def main() -> None:
    """Run both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="clone of the S-SONDO code")
    parser.add_argument("--matpac", type=Path, required=True, help="clone of the MATPAC code")
    parser.add_argument("--out", type=Path, help="write the table here too")
    settings = parser.parse_args()
    torch.set_num_threads(1)
    stand_in_for_torchaudio()
    stand_in_for_nnaudio()
    sys.path[:0] = [str(settings.reference), str(settings.matpac / "inference_matpac")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        # The published loader looks for the letters "as" in the whole path (its quirk 17), so the name matters.
        matpac = Path(folder) / "matpac_plus_6s_2048_enconly.pt"
        m2d = Path(folder) / "m2d_vit_base-80x608p16x16-random" / "checkpoint-300.pth"
        m2d.parent.mkdir()
        torch.save(random_weights(inside="student_encoder."), matpac)
        torch.save({"model": random_weights()}, m2d)
        for name, path, make in (("matpac", matpac, published_matpac), ("m2d", m2d, published_m2d)):
            theirs, ours = make(path), create(name, checkpoint=path)
            compat = create(name, checkpoint=path, compat="ssondo")
            for seconds in SECONDS:
                audio = sound(seconds, RATE)
                with torch.inference_mode():
                    wanted, found, same = theirs(audio), ours.embed(audio), compat.embed(audio)
                row = {"model": name, "seconds": f"{seconds:g}", "compat": difference(same, wanted)}
                rows.append(row | {"default": difference(found, wanted)})
    text = table(rows)
    sys.stdout.write(text)
    if settings.out:
        settings.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
