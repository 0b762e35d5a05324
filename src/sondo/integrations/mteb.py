"""sondo's models in MTEB and its audio benchmark, MAEB.

    import mteb
    from sondo.integrations.mteb import MtebEncoder

    encoder = MtebEncoder("runs/first")
    mteb.evaluate(encoder, tasks=mteb.get_benchmark("MAEB(beta, audio-only)"))

For the public board, `model_meta("runs/first", name="you/your-model", ...)` is the entry that mteb's registry wants.
Checked with mteb 2.26, which decodes sound by torchcodec (`pip install "mteb[audio]"`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from sondo.audio.arrays import as_float
from sondo.audio.clips import MIN_CLIP_S
from sondo.errors import SondoError, require
from sondo.integrations.module import LoadedModule, lengthened
from sondo.runtime import Model
from sondo.screen import track

_WHY = "Evaluating with MTEB needs mteb"
_BYTES_PER_VALUE, _BYTES_PER_MIB = 4, 2**20


class MtebEncoder:
    """A model of sondo as the encoder that `mteb.evaluate` expects.

    Each sound is resampled by sondo from its own rate, its channels averaged, and embedded whole and by itself, so
    nothing is padded or cut. Only a sound shorter than 0.1 s gets silence behind it.

    Args:
        model_name: What `sondo.load` takes, or a loaded model; with `path`, the model's name on the board.
        revision: Of the model; its space id says which weights these are, so it may be left out.
        device: Where a student runs; an exported file runs on the CPU.
        path: What `sondo.load` takes, where `model_name` is not that.
        embed_dim: Keep the first values of each vector, for a student that was trained to be cut short.

    Raises:
        SondoError: No such model, or more values than it has.
        MissingExtraError: mteb is not installed.
    """

    def __init__(
        self,
        model_name: str | Path | Model,
        revision: str | None = None,
        *,
        device: str | None = None,
        path: str | Path | None = None,
        embed_dim: int | None = None,
    ) -> None:
        self._similarity = require("mteb.similarity_functions", extra="mteb", why=_WHY)
        module = LoadedModule(model_name if path is None else path)
        self.model = (module if device is None else module.to(device)).model
        self.embed_dim = self.model.embedding_dim if embed_dim is None else embed_dim
        if not 0 < self.embed_dim <= self.model.embedding_dim:
            raise SondoError(
                f"embed_dim is {self.embed_dim}: a vector of {self.model.name} has {self.model.embedding_dim} values"
            )
        self.mteb_model_meta = model_meta(
            self.model,
            name=str(model_name) if path is not None else None,
            **({"revision": revision} if revision is not None else {}),
        )

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        show_progress_bar: bool = True,
        **_: Any,
    ) -> NDArray[np.float32]:
        """Embed the sounds of a task.

        Args:
            inputs: mteb's `DataLoader`; each batch has a list `audio` of items with `array` and `sampling_rate`.
            task_metadata: The task; its name is for messages.
            hf_split: Of the task, for messages.
            hf_subset: Not looked at.
            prompt_type: Not looked at: no prompt changes what a student hears.
            show_progress_bar: Whether to show the rate and the time left.

        Shape:
            -> (sounds, embed_dim).

        Raises:
            SondoError: A task without sound, or sound that cannot be embedded.
        """
        inputs.collate_fn = _sounds
        name, total = f"{task_metadata.name} {hf_split}", len(inputs.dataset)
        vectors = np.empty((total, self.embed_dim), dtype=np.float32)
        with track(name, total=total, unit="sounds") if show_progress_bar else nullcontext() as line:
            sounds = (sound for batch in inputs for sound in batch["audio"])
            for index, sound in enumerate(sounds):
                vectors[index] = self._embed(sound, name)
                if line is not None:
                    line.advance()
        return vectors

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of all pairs. (n, embed_dim), (m, embed_dim) -> (n, m)."""
        return self._similarity.cos_sim(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of rows that belong together. (n, embed_dim), (n, embed_dim) -> (n,)."""
        return self._similarity.pairwise_cos_sim(embeddings1, embeddings2)

    def _embed(self, sound: Any, task: str) -> NDArray[np.float32]:
        if sound is None:
            raise SondoError(f"task {task} has an item without sound, and a student hears nothing else")
        samples = as_float(sound["array"])
        rate = int(sound["sampling_rate"])
        mono = samples if samples.ndim == 1 else samples.reshape(-1, samples.shape[-1]).mean(0)
        return self.model.embed(lengthened(mono, math.ceil(MIN_CLIP_S * rate)), sample_rate=rate)[: self.embed_dim]


def model_meta(model: Model | str | Path, *, name: str | None = None, **fields: Any) -> Any:
    """What mteb's board wants to know of a model, filled from the student's card.

    Args:
        model: A model, or what `sondo.load` takes; a path also becomes what the entry loads.
        name: `organisation/model`; `sondo/` and the readable part of the space id when left out.
        fields: Fields of `mteb.ModelMeta` that only you know, or know better: `release_date`, `training_datasets`,
            `public_training_code`, `reference`, `license` and so on.

    Returns:
        An `mteb.ModelMeta`. Its licence is the one that the teacher hands down, `not specified` where that is unknown;
        where mteb has no word for it there is none, and `license` takes its address.

    Raises:
        SondoError: No such model, or fields that mteb does not take.
        MissingExtraError: mteb is not installed.
    """
    models, pydantic = (require(name, extra="mteb", why=_WHY) for name in ("mteb.models", "pydantic"))
    loaded = model if isinstance(model, Model) else LoadedModule(model).model
    student = getattr(loaded, "student", None)
    num_params = None if student is None else student.num_params
    lengths = _lengths(student)
    known: dict[str, Any] = {
        "loader": MtebEncoder,
        "loader_kwargs": {} if isinstance(model, Model) else {"path": str(model)},
        "name": name or f"sondo/{loaded.space_id.rpartition('.')[0]}",
        "revision": loaded.space_id,
        "release_date": None,
        "languages": None,
        "n_parameters": num_params,
        "memory_usage_mb": None if num_params is None else num_params * _BYTES_PER_VALUE / _BYTES_PER_MIB,
        "license": _licence(loaded.licence),
        "max_tokens": None,
        "embed_dim": [*lengths, loaded.embedding_dim] if lengths else loaded.embedding_dim,
        "open_weights": True,
        "public_training_code": None,
        "public_training_data": None,
        "framework": ["ONNX"] if student is None else ["PyTorch"],
        "similarity_fn_name": "cosine",
        "use_instructions": False,
        "training_datasets": None,
        "modalities": ["audio"],
    }
    try:
        return models.ModelMeta(**{**known, **fields})
    except pydantic.ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SondoError(f"mteb does not take this model's entry: {wrong}") from error


def _sounds(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The sounds of a batch as they are. mteb's own way resamples them here, by torchaudio."""
    return {"audio": [row.get("audio") for row in rows]}


def _lengths(student: Any) -> list[int]:
    """The shorter lengths that a student was trained for, in ascending order."""
    training = {} if student is None else student.info.get("training") or {}
    found: Iterable[Any] = training.get("matryoshka") or ()
    return sorted(int(length) for length in found if int(length) < student.embedding_dim)


def _licence(licence: str) -> str | None:
    """The word that mteb has for a licence."""
    types = require("mteb.types", extra="mteb", why=_WHY)
    word = "not specified" if licence == "unknown" else licence.lower()
    return word if word in get_args(types.Licenses) else None
