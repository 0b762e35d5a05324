"""A head from words alone: where a student's teacher reads (CLAP), the names of classes are vectors in its space.

The student's embedding goes through its mapping head into the teacher's space, and its cosine to each name is a logit.
No sound has to be labelled, and nothing is fitted.

Source: zero-shot classification of CLAP, Elizalde et al. 2023 (arXiv 2206.04769), section 2; the sentence around a name
is that of transformers' `ZeroShotAudioClassificationPipeline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sondo.classifier.head import Floats, Layer, Operators, probabilities_of
from sondo.errors import SondoError, require
from sondo.runtime.classifier import check_names
from sondo.weights import located

PROMPT = "This is a sound of {}."
_LEAST_LENGTH = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class WordHead:
    """A mapping head, and the cosines of what it gives to the vectors of words.

    Args:
        mapping: The mapping head: one or two pairs of a weight (in, out) and a bias (out,), a hard swish between them.
        words: (teacher dim, classes) vectors of the names, each of length 1.
        scale: What the cosines are multiplied by: the teacher's own temperature.
        classes: Names, in the order of the logits.

    Raises:
        SondoError: Class names that are missing or double.
    """

    mapping: tuple[Layer, ...]
    words: Floats
    scale: float
    classes: tuple[str, ...]
    multi_label: Literal[False] = False
    thresholds: None = None
    kind: Literal["words"] = "words"

    def __post_init__(self) -> None:
        """Find what would answer nonsense."""
        check_names(self.classes, num_logits=self.words.shape[1])

    @property
    def embedding_dim(self) -> int:
        """Values of the embedding that it takes."""
        return len(self.mapping[0][0])

    def logits(self, vectors: NDArray[np.floating]) -> Floats:
        """Logits of embeddings.

        Shape:
            (n, embedding_dim) -> (n, classes).
        """
        values = np.asarray(vectors, dtype=np.float64)
        for number, (weight, bias) in enumerate(self.mapping):
            values = (values * np.clip(values / 6 + 0.5, 0, 1) if number else values) @ weight + bias
        length = np.sqrt(np.square(values).sum(axis=1, keepdims=True))
        return np.asarray(values / np.maximum(length, _LEAST_LENGTH) @ (self.scale * self.words))

    def probabilities(self, vectors: NDArray[np.floating]) -> Floats:
        """Probabilities of the classes, which add up to 1.

        Shape:
            (n, embedding_dim) -> (n, classes).
        """
        return probabilities_of(self.logits(vectors), multi_label=False)

    def operators(self, rows: str) -> Operators:
        """The steps from `rows` (n, embedding_dim) to `logits`, as ONNX operators, and their constants."""
        steps: list[tuple[str, list[str], str, dict[str, Any]]] = []
        constants: dict[str, NDArray[Any]] = {
            "words": self.scale * self.words,
            "least_length": np.array(_LEAST_LENGTH),
            "values": np.array([1], dtype=np.int64),
        }
        last = rows
        for number, (weight, bias) in enumerate(self.mapping):
            if number:
                steps.append(("HardSwish", [last], f"hidden{number}", {}))
                last = f"hidden{number}"
            constants |= {f"weight{number}": weight, f"bias{number}": bias}
            steps.append(("Gemm", [last, f"weight{number}", f"bias{number}"], f"mapped{number}", {}))
            last = f"mapped{number}"
        steps += [
            ("Mul", [last, last], "squares", {}),
            ("ReduceSum", ["squares", "values"], "square", {"keepdims": 1}),
            ("Sqrt", ["square"], "length", {}),
            ("Max", ["length", "least_length"], "divisor", {}),
            ("Div", [last, "divisor"], "unit", {}),
            ("MatMul", ["unit", "words"], "logits", {}),
        ]
        return steps, constants


def words_head(
    model: str | Path, classes: Sequence[str], *, teacher: Any, prompt: str = PROMPT, allow_code: bool = False
) -> WordHead:
    """The head of some words.

    Args:
        model: Folder of a run or of a student, or a repository of the hub: its mapping head leads into the teacher's
            space.
        classes: Names of the classes; `_` counts as a space.
        teacher: Who taught it and reads: something with `embed_text`, or its name as `sondo teach` takes it.
        prompt: The sentence around a name, with `{}` in its place.
        allow_code: As for `sondo.load`.

    Raises:
        SondoError: No folder of a student, a teacher that only hears or that did not teach it, too few names, or a
            sentence without a place for them.
    """
    if "{}" not in prompt:
        raise SondoError(f"{prompt!r} has no place for a name: write {{}} there, as in {PROMPT!r}")
    if len(classes) < 2:
        raise SondoError(f"words tell classes apart: give two or more, not {len(classes)}")
    spoken = [name.replace("_", " ") for name in classes]
    check_names(spoken, num_logits=len(classes))
    require("torch", extra="train", why="Reading words needs torch")
    from sondo.teachers import create

    reader: Any = create(teacher) if isinstance(teacher, str) else teacher
    if not hasattr(reader, "embed_text"):
        raise SondoError(f"teacher {reader.name} only hears: CLAP models of transformers (hf:MODEL) read words")
    mapping = _mapping(model, reader, allow_code=allow_code)
    words = np.asarray(reader.embed_text([prompt.replace("{}", name) for name in spoken]), dtype=np.float64)
    unit = words / np.linalg.norm(words, axis=1, keepdims=True)
    return WordHead(mapping=mapping, words=unit.T, scale=float(reader.logit_scale), classes=tuple(classes))


def _mapping(model: str | Path, reader: Any, *, allow_code: bool) -> tuple[Layer, ...]:
    """The layers of the student's mapping head into the space of a teacher."""
    from torch import nn

    from sondo.students import load, load_projectors

    folder = located(model)
    home = folder / "student" if (folder / "student").is_dir() else folder
    if not (home / "config.json").is_file():
        raise SondoError(
            f"{model} holds no mapping head that words could use: name the folder of a run or of a student"
        )
    student = load(home, allow_code=allow_code)
    known = [str(teacher.get("fingerprint")) for teacher in student.teachers]
    heads = load_projectors(home)
    if reader.fingerprint not in known[: len(heads)]:
        names = ", ".join(str(teacher.get("name")) for teacher in student.teachers) or "none"
        raise SondoError(
            f"{reader.name} ({reader.fingerprint[:12]}) did not teach {model}: its teachers are {names}. Words lead "
            "into the space of the teacher that read them, with the same weights"
        )
    linear = [layer for layer in heads[known.index(reader.fingerprint)].mlp if isinstance(layer, nn.Linear)]
    return tuple((layer.weight.detach().double().numpy().T, layer.bias.detach().double().numpy()) for layer in linear)
