"""What the page is tested with: a small student and a classifier, WAVs, and what `sondo` in Python makes of them.

    python examples/browser/test/make_expected.py FOLDER

The weights are random: equality of two runtimes asks for no skill. Needs sondo with the extra train.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

import sondo
from sondo.audio.logmel import log_mel
from sondo.classifier.head import Head
from sondo.classifier.onnx_file import write_classifier
from sondo.runtime import OnnxClassifier, OnnxModel

SAMPLE_RATE = 32000
LENGTHS_S = (0.5, 3.0, 10.0, 25.0)
CLASSES = ("dog bark", "rain", "glocke läuten", "fourth")


def main() -> None:
    """Write `model.onnx` (a classifier), `student.onnx`, WAVs and `expected.json` into the folder."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, audio, rate in made_sounds():
        soundfile.write(folder / name, audio, rate, subtype="PCM_16")
    write_models(folder)
    model = OnnxClassifier(folder / "model.onnx", threads=1)
    sounds = {}
    for name, _, _ in made_sounds():
        sounds[name] = {
            "embedding": model.embed(folder / name).tolist(),
            "probabilities": {item.label: item.probability for item in model.classify(folder / name)},
        }
    first, _ = soundfile.read(folder / "0.5s.wav", dtype="float32")
    soundfile.write(folder / "too-short.wav", np.zeros(1600, dtype=np.float32), SAMPLE_RATE)
    for name, sample in (("not-a-number.wav", np.nan), ("infinite.wav", np.inf), ("far-too-loud.wav", 1e30)):
        spoilt = first.copy()
        spoilt[736] = sample  # at 0.023 s
        soundfile.write(folder / name, spoilt, SAMPLE_RATE, subtype="FLOAT")
    for name in ("no-sound.wav", "text.onnx"):
        (folder / name).write_text("this is a text", encoding="utf-8")
    write_foreign(folder / "foreign.onnx")
    expected = {
        "space_id": model.space_id,
        "licence": model.licence,
        "classes": model.classes,
        "front_end": model.front_end.to_dict(),
        "sounds": sounds,
        "log_mel_of_0.5s": {"samples": first.tolist(), "frames": log_mel(first, config=model.front_end).T.tolist()},
    }
    (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")


def write_models(folder: Path) -> None:
    """A student with random weights, and a linear head that tells the sounds here apart well enough to rank them."""
    torch.manual_seed(0)
    student = sondo.students.create("mobilenetv3", width_mult=0.2).eval()
    sondo.export.to_onnx(student, folder / "student.onnx", overwrite=True)
    encoder = OnnxModel(folder / "student.onnx", threads=1)
    vectors = np.stack([encoder.embed(folder / name) for name, _, _ in made_sounds()]).astype(np.float64)
    weight = np.random.default_rng(1).standard_normal((encoder.embedding_dim, len(CLASSES))) / 10
    head = Head(
        mean=vectors.mean(axis=0),
        scale=vectors.std(axis=0),
        layers=((weight, np.zeros(len(CLASSES))),),
        classes=CLASSES,
    )
    write_classifier(folder / "student.onnx", head, folder / "model.onnx", note={}, embed=encoder.embed, clips=[])


def made_sounds() -> list[tuple[str, NDArray[np.float64], int]]:
    """Name, samples and rate: a mixture of tones and noise at each length, then other rates and two channels."""
    made = [
        (f"{length:g}s.wav", mixture(length, SAMPLE_RATE, seed), SAMPLE_RATE) for seed, length in enumerate(LENGTHS_S)
    ]
    made += [(f"{rate}hz.wav", mixture(4.0, rate, seed=9), rate) for rate in (16000, 44100, 48000)]
    stereo = np.stack([mixture(3.0, SAMPLE_RATE, seed=10), mixture(3.0, SAMPLE_RATE, seed=11)], axis=1)
    return [*made, ("stereo.wav", stereo, SAMPLE_RATE)]


def mixture(seconds: float, rate: int, seed: int) -> NDArray[np.float64]:
    """A tone that rises, and noise in bursts."""
    random = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * (200 * (seed + 1) * time_s + 3000 * time_s**2 / (2 * seconds)))
    bursts = random.standard_normal(len(time_s)) * (np.sin(2 * np.pi * (1 + seed % 3) * time_s) > 0)
    return np.asarray(0.3 * tone + 0.08 * bursts, dtype=np.float64)


def write_foreign(path: Path) -> None:
    """An ONNX file that is none of sondo's."""
    from onnx import TensorProto, helper, save_model

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "foreign", value[:1], value[1:])
    save_model(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), str(path))


if __name__ == "__main__":
    main()
