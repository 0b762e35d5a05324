"""The published code beside ours: one random checkpoint, the same sound, the largest differences.

    python benchmarks/conformance.py --reference PATH_OF_A_CLONE_OF_SSONDO [--out docs/conformance_table.md]

Needs a clone of the S-SONDO code (github.com/MedAliAdlouni/ssondo, read at f89abf2), torchvision and timm, which it
imports. torchaudio is stood in for by an equal mel spectrogram of torch operators, so that one build of torch serves
both. Nothing is downloaded. Differences are absolute, beside the deviation of the published values.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sondo.audio.logmel import LogMelConfig, mel_filterbank
from sondo.students import LogMel
from sondo.students.published import load_published

_KEPT: list[object] = []  # a library of operators lives as long as its object
COLUMNS = ("model", "seconds", "log-mel", "network", "segments", "head", "compat", "default")
SECONDS = (0.5, 3.7, 10.0, 12.5, 31.0)
RATE = 32000


class MelSpectrogram(nn.Module):
    """What `torchaudio.transforms.MelSpectrogram` computes, for the options that the published code uses."""

    def __init__(
        self,
        *,
        sample_rate: int,
        n_fft: int,
        win_length: int,
        hop_length: int,
        f_min: float,
        f_max: float,
        **other: Any,
    ) -> None:
        super().__init__()
        self.n_fft, self.win_length, self.hop_length, self.center = n_fft, win_length, hop_length, other["center"]
        assert (other["norm"], other["mel_scale"], other["power"]) == ("slaney", "slaney", 2.0)
        bands = slaney_filterbank(sample_rate, n_fft, other["n_mels"], f_min, f_max)
        self.register_buffer("bands", torch.from_numpy(bands), persistent=False)
        self.register_buffer("window", torch.hann_window(win_length), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """(..., samples) -> (..., num_mels, frames)."""
        flat = audio.reshape(-1, audio.shape[-1])
        spectrum = torch.stft(
            flat,
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.window,
            center=self.center,
            pad_mode="reflect",
            return_complex=True,
        )
        mel = self.bands @ spectrum.abs().square()
        return mel.reshape(*audio.shape[:-1], *mel.shape[-2:])


def slaney_filterbank(rate: int, n_fft: int, num_mels: int, f_min: float, f_max: float) -> np.ndarray:
    """Triangles of unit area on Slaney's scale, (num_mels, n_fft // 2 + 1); any FFT length, unlike ours."""
    knee, step = 15.0, np.log(6.4) / 27.0

    def to_mel(hz: np.ndarray) -> np.ndarray:
        return np.where(hz < 1000, hz * 3 / 200, knee + np.log(np.maximum(hz, 1e-9) / 1000) / step)

    def to_hz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < knee, mel * 200 / 3, 1000 * np.exp(step * (mel - knee)))

    edges = to_hz(np.linspace(*to_mel(np.array([f_min, f_max], dtype=np.float64)), num_mels + 2))
    bins = np.linspace(0, rate / 2, n_fft // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return triangles.astype(np.float32)


def stand_in_for_torchaudio() -> None:
    """Put our mel spectrogram where the published code looks for torchaudio's."""
    ours = mel_filterbank(LogMelConfig())
    theirs = slaney_filterbank(RATE, 1024, 128, 50.0, 16000.0)
    assert np.abs(ours - theirs).max() < 1e-6 * ours.max(), "the stand-in's filterbank is not ours"
    operators = torch.library.Library(
        "torchvision", "FRAGMENT"
    )  # a torchvision built for CUDA lacks them on a CPU torch
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(operators)
    module, transforms = types.ModuleType("torchaudio"), types.ModuleType("torchaudio.transforms")
    transforms.MelSpectrogram = MelSpectrogram  # type: ignore[attr-defined]
    module.transforms = transforms  # type: ignore[attr-defined]
    sys.modules |= {"torchaudio": module, "torchaudio.transforms": transforms}


def sound(seconds: float, rate: int, *, batch: int = 2) -> Tensor:
    """Tones that move in noise that swells, so that every second differs from the others."""
    time = np.arange(round(seconds * rate)) / rate
    rows = []
    for row in range(batch):
        noise = np.random.default_rng(row).standard_normal(len(time)) * (0.02 + 0.05 * np.abs(np.sin(0.7 * time + row)))
        rows.append(0.3 * np.sin(2 * np.pi * (200 + 90 * row) * time * (1 + 0.02 * time)) + noise)
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def randomise(module: Any) -> dict[str, Tensor]:
    """A full state dict of random weights, with batch norms measured on sound, so that every layer has its say."""
    draw = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = module.state_dict()
    for key, value in state.items():
        if not value.is_floating_point() or key.endswith(("lambdas", "init_v")):
            continue
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=draw)
        elif key.endswith(("bias", "running_mean")):
            value.normal_(0, 0.05, generator=draw)
        elif value.ndim == 1:
            value.uniform_(0.7, 1.3, generator=draw)
        else:
            fan_in = value.shape[-1] if "depth_conv.weight" in key else value[0].numel()
            # DyMN's own coefficients would swing far beyond what training leaves, and blow up within a few blocks.
            size = 0.1 if "coef_net" in key or "residuals" in key else 1.0
            value.normal_(0, size * (1.5 / fan_in) ** 0.5, generator=draw)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None
    with torch.no_grad():
        module.model.train()(LogMel()(sound(10.0, RATE, batch=4))[:, None])
    return state


_MOBILENET = {"reduced_tail": False, "dilated": False, "relu_only": False, "input_dim_f": 128, "input_dim_t": 998}
_MOBILENET |= {"se_dims": "c", "se_agg": "max", "se_r": 4, "strides": (2, 2, 2, 2)}
_STUDENTS: dict[str, dict[str, Any]] = {
    "mobilenetv3 x 1.0": {"model_name": "mn10_im", "width_mult": 1.0, **_MOBILENET},
    "mobilenetv3 x 0.4": {"model_name": "mn04_im", "width_mult": 0.4, **_MOBILENET},
    "dymn x 1.0": {"model_name": "dymn10_im", "width_mult": 1.0, "strides": (2, 2, 2, 2), "pretrain_final_temp": 1.0},
    "dymn x 0.4": {"model_name": "dymn04_im", "width_mult": 0.4, "strides": (2, 2, 2, 2), "pretrain_final_temp": 30.0},
    "eres2net 16": {"model_name": "ERes2Net", "m_channels": 16},
    "eres2net 24": {"model_name": "ERes2Net", "m_channels": 24},
}


def training_config(student: dict[str, Any]) -> dict[str, Any]:
    """The part of a published checkpoint's configuration that inference reads."""
    if student["model_name"] == "ERes2Net":
        student = student | {"feat_dim": 128, "num_blocks": [3, 4, 6, 3, 3], "pooling_func": "TSTP", "add_layer": True}
    return {
        "student_model": {"sr": RATE, **student},
        "classification_head": {
            "head_type": "mlp",
            "n_classes": 3840,
            "pooling": "mean",
            "activation_att": None,
            "last_activation": "",
            "hidden_features_size": 1280,
        },
        "preprocess": {
            "logmelspec": {"win_len": 0.032, "hop_len": 0.016, "n_mels": 128, "f_min": 50, "f_max": 16000},
            "slice_audio": {"win_len": 10, "step_size": 10},
        },
    }


def compare_students(folder: Path) -> Iterator[dict[str, str]]:
    """Rows of the table, one for each student and length."""
    published = importlib.import_module("ssondo.model")
    for name, settings in _STUDENTS.items():
        config = training_config(settings)
        path = folder / "random.ckpt"
        state = {
            f"student_model.{key}": value for key, value in randomise(published._build_student_model(config)).items()
        }
        torch.save({"training_config": config, "state_dict": state}, path)
        theirs = published.get_ssondo(str(path))
        ours, head = load_published(path)
        compat, _ = load_published(path, compat="ssondo")
        for seconds in SECONDS:
            audio = sound(seconds, RATE)
            with torch.inference_mode():
                row = dict.fromkeys(COLUMNS, "") | {"model": name, "seconds": f"{seconds:g}"}
                row |= _student_row(theirs, ours, compat, head, audio)
            yield row


def _student_row(theirs: Any, ours: Any, compat: Any, head: nn.Module, audio: Tensor) -> dict[str, str]:
    default = ours(audio)
    assert torch.isfinite(default).all()
    samples = 10 * RATE
    if audio.shape[1] < samples:
        refusals = []
        for model in (theirs.get_embeddings, compat):
            try:
                model(audio)
            except Exception as error:  # what either does with short sound is the finding
                refusals.append(type(error).__name__)
        assert len(refusals) == 2, f"sound of less than 10 s was to be refused by both, not {refusals}"
        return {"compat": f"both refuse ({', '.join(refusals)})", "default": "gives a vector"}
    pieces = theirs.preprocess(audio)
    # DyMN takes one segment at a time in the published code (its quirk 5), so all are fed so.
    each = torch.stack([theirs.student_model.model(pieces[:, i : i + 1])[:, 0] for i in range(pieces.shape[1])], 1)
    mels = torch.stack([ours.front_end(audio[:, i * samples : (i + 1) * samples]) for i in range(pieces.shape[1])], 1)
    segments = torch.stack([ours(audio[:, i * samples : (i + 1) * samples]) for i in range(pieces.shape[1])], 1)
    network = torch.stack([ours.embed_log_mel(pieces[:, i]) for i in range(pieces.shape[1])], 1)
    projected = theirs.student_model.classification_head(each)
    return {
        "log-mel": difference(mels, pieces),
        "network": difference(network, each),
        "segments": difference(segments, each),
        "head": difference(head(segments).mean(1), projected),
        "compat": difference(compat(audio), each.mean(1)),
        "default": difference(default, each.mean(1)),
    }


def difference(found: Tensor, wanted: Tensor) -> str:
    """Largest difference beside the deviation of the published values."""
    return f"{float((found - wanted).abs().max()):.1e} of {float(wanted.std()):.2g}"


def table(rows: list[dict[str, str]]) -> str:
    """Markdown."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    lines = [names, ["---"] * len(names), *([row.get(name, "") for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    """Run both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="clone of the published code")
    parser.add_argument("--out", type=Path, help="write the table here too")
    settings = parser.parse_args()
    torch.set_num_threads(1)
    stand_in_for_torchaudio()
    sys.path[:0] = [str(settings.reference / "inference_ssondo"), str(settings.reference)]
    with tempfile.TemporaryDirectory() as folder:
        rows = list(compare_students(Path(folder)))
    text = table(rows)
    sys.stdout.write(text)
    if settings.out:
        settings.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
