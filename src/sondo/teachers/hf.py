"""Audio models of the transformers library as teachers: `hf:MODEL_ID_OR_FOLDER`."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sondo.errors import SondoError, require
from sondo.teachers.hf_families import OF_FRAMES, AtLayer, Family, Layer, Reader, family_of
from sondo.weights.cache import is_offline
from sondo.weights.hub import check_reachable

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_MIN_REST_S = 0.1


class TransformersTeacher:
    """A model of transformers, with its own feature extractor and one way of pooling.

    Sound longer than the model takes (AST 10.24 s, CLAP 10 s, Whisper 30 s) is cut into windows of that length, and the
    vectors are averaged by the length of what they heard; a rest from 0.1 s on counts.

    Args:
        name: Its name.
        model: The part of the model that hears.
        extractor: Its feature extractor.
        family: How this kind of model is fed and read.
        pooling: One of the family's poolings; its first when left out, or the first that a layer has.
        layer: Whose frames are pooled, as `AtLayer` takes it; the model's own when left out.
        fingerprint: What identifies weights and settings.
        licence: Licence of the weights.
        source: Where they are from.
        load_words: Makes what reads words, when it is asked for; None for a model that only hears.

    Raises:
        SondoError: A pooling or a layer that this model does not have.
    """

    def __init__(
        self,
        name: str,
        *,
        model: nn.Module,
        extractor: Any,
        family: Family,
        pooling: str | None,
        layer: Layer | None,
        fingerprint: str,
        licence: str,
        source: str,
        load_words: Callable[[], Reader] | None = None,
    ) -> None:
        self.name, self.licence, self.source = name, licence, source
        poolings = [name for name in family.poolings if layer is None or name in OF_FRAMES]
        if not poolings:
            raise SondoError(f"{source} gives no frames of its layers: leave layer out")
        self.pooling = pooling or poolings[0]
        if self.pooling not in poolings:
            of_layer = "" if layer is None else " of a layer"
            raise SondoError(f"{source} has no pooling {self.pooling!r}{of_layer}: it has {', '.join(poolings)}")
        of_layer = "" if layer is None else f" layer {layer}"
        self.fingerprint = hashlib.sha256(f"{fingerprint} {self.pooling}{of_layer}".encode()).hexdigest()
        self.sample_rate = int(extractor.sampling_rate)
        self.num_params = sum(parameter.numel() for parameter in model.parameters())
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = (model if layer is None else AtLayer(model, layer)).eval().to(self._device)
        self._extractor, self._family = extractor, family
        self._load_words = load_words if self.pooling == next(iter(family.poolings)) else None
        self._reader: Reader | None = None
        window_s = family.window_s(extractor)
        self._window = None if window_s is None else int(window_s * self.sample_rate)
        noise = 0.1 * torch.from_numpy(
            np.random.default_rng(0).standard_normal((1, self.sample_rate)).astype("float32")
        )
        with torch.inference_mode():
            self.embedding_dim = int(self._embed_window(noise).shape[1])

    def embed(self, audio: Tensor) -> Tensor:
        """Embed sound.

        Shape:
            audio (batch, samples) -> (batch, embedding_dim), float32.

        Raises:
            SondoError: The model fails on sound of this length.
        """
        size = self._window or audio.shape[1]
        windows = torch.split(audio, size, dim=1)
        if len(windows) > 1 and windows[-1].shape[1] < _MIN_REST_S * self.sample_rate:
            windows = windows[:-1]
        total = sum(self._embed_window(window) * window.shape[1] for window in windows)
        assert isinstance(total, Tensor), "there is a window of any sound"
        mean: Tensor = total / sum(window.shape[1] for window in windows)
        return mean.to(audio.device)

    def embed_text(self, texts: str | Sequence[str]) -> Tensor:
        """Embed words into the space of sound: `a dog barking` lies near sound of one.

        Args:
            texts: The texts; a lone string is one.

        Shape:
            -> (len(texts), embedding_dim), float32, of length 1.

        Raises:
            SondoError: The model only hears, as all but CLAP do, or its folder has no tokenizer; no texts, or one that
                is no text or has neither a letter nor a digit.
        """
        texts = _checked_texts(texts)
        reader = self._who_reads()
        with torch.inference_mode():
            return reader.read(texts).float()

    @property
    def logit_scale(self) -> float:
        """What cosines of sound to words are multiplied by to be logits, as the model has learned it.

        Raises:
            SondoError: The model only hears.
        """
        return self._who_reads().logit_scale

    def _who_reads(self) -> Reader:
        if self._reader is None:
            if self._load_words is None:
                raise SondoError(f"teacher {self.name} cannot read words: CLAP models can, with their own pooling")
            try:
                self._reader = self._load_words()
            except (OSError, ValueError, ImportError, RuntimeError, KeyError, TypeError) as error:
                raise SondoError(
                    f"the part of {self.source} that reads words cannot be loaded: {_first(error)}"
                ) from error
        return self._reader

    def _embed_window(self, audio: Tensor) -> Tensor:
        sounds = [row.numpy() for row in audio.detach().cpu().float()]
        try:
            inputs = self._family.prepare(self._extractor, sounds, self.sample_rate)
            inputs = {key: value.to(self._device) for key, value in inputs.items()}
            vectors = self._family.poolings[self.pooling](self._model, inputs, audio.shape[1])
        except (RuntimeError, ValueError, IndexError) as error:  # what torch and transformers raise for a bad length
            raise SondoError(f"{self.source} fails on sound of shape {tuple(audio.shape)}: {error}") from error
        return vectors.float().cpu()


def make_hf_teacher(
    name: str,
    *,
    checkpoint: str | None = None,
    pooling: str | None = None,
    layer: Layer | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> TransformersTeacher:
    """Make the teacher for `sondo.teachers.create`.

    Args:
        name: `hf:` and the id of a model on the hub, or a folder that `save_pretrained` wrote.
        checkpoint: Not used: the weights belong to the model.
        pooling: `mean` (masked, over what was heard), `cls`, `pooler` or `projection`, as the model has them.
        layer: Which layer, from 1 (0 is what the first takes), or `mean` of all; the model's own when left out.
        revision: Commit, branch or tag on the hub.
        trust_remote_code: Run the code that comes with the model.

    Raises:
        SondoError: No such model, a model that does not hear, code that was not allowed, or no transformers.
    """
    source = name.partition(":")[2]
    if checkpoint is not None:
        raise SondoError(f"teacher {name} takes no checkpoint: its weights are those of {source}")
    transformers = require("transformers", extra="transformers", why=f"Teacher {name} needs transformers")
    folder = Path(source).expanduser()
    target = str(folder) if folder.is_dir() else source
    if not folder.is_dir() and (source.startswith((".", "/", "~")) or source.count("/") > 1 or not source):
        raise SondoError(f"there is no folder {source!r}: give hf:FOLDER that save_pretrained wrote, or hf:OWNER/MODEL")
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    if is_offline():
        options["local_files_only"] = True
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()  # of weights that are on the disk; downloads show their own
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # what libraries that transformers looks for say of each other
    try:
        if not folder.is_dir():
            check_reachable(source, "config.json", revision)
        config = transformers.AutoConfig.from_pretrained(target, **options)
        extractor = transformers.AutoFeatureExtractor.from_pretrained(target, **options)
        if not hasattr(extractor, "sampling_rate"):
            raise SondoError(f"{source} is no audio model: its feature extractor names no sampling rate")
        family = family_of(config)
        model = family.load(transformers, target, options)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError, TypeError) as error:
        raise SondoError(_why_not(source, folder.is_dir(), error)) from error
    finally:
        logging.disable(before)
    return TransformersTeacher(
        name,
        model=model,
        extractor=extractor,
        family=family,
        pooling=pooling,
        layer=layer,
        fingerprint=_fingerprint(folder, config, source),
        licence=_licence(folder, source, revision),
        source=source,
        load_words=family.load_words and partial(family.load_words, transformers, target, options),
    )


def _checked_texts(texts: str | Sequence[str]) -> list[str]:
    checked = [texts] if isinstance(texts, str) else list(texts)
    if not checked:
        raise SondoError("there is no text to embed: give at least one, such as 'a dog barking'")
    for index, text in enumerate(checked):
        if not isinstance(text, str) or not any(map(str.isalnum, text)):
            raise SondoError(f"text {index} (counted from 0) is {text!r}: give words, such as 'a dog barking'")
    return checked


def _why_not(source: str, is_folder: bool, error: Exception) -> str:
    text, first = str(error), _first(error)
    if "trust_remote_code" in text:
        return (
            f"{source} comes with code of its own, which sondo does not run unasked: allow it with "
            "--teacher.trust_remote_code"
        )
    if is_folder:
        return f"{source} cannot be loaded as an audio model of transformers: {first}"
    return (
        f"{source} cannot be had from the Hugging Face hub and is not in its cache ({first}). Without network, copy "
        "the model's folder here and name it: hf:FOLDER"
    )


def _first(error: Exception) -> str:
    """The first line of what a library says."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _fingerprint(folder: Path, config: Any, source: str) -> str:
    """Of a folder, its settings and weights; of the hub, the commit."""
    if not folder.is_dir():
        return f"{source}@{getattr(config, '_commit_hash', None)}"
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*config.json"), *(file for kind in _WEIGHTS for file in folder.glob(kind))]):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _licence(folder: Path, source: str, revision: str | None) -> str:
    """What the model card's front matter says."""
    card = folder / "README.md"
    if not folder.is_dir():
        from huggingface_hub import hf_hub_download

        try:
            card = Path(hf_hub_download(source, "README.md", revision=revision, local_files_only=is_offline()))
        except Exception:  # a model without a card has no known licence, whatever the hub's reason
            return "unknown"
    if not card.is_file():
        return "unknown"
    front = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    found = re.search(r"^license(?:_name)?:\s*[\"']?([^\"'\n]+)", front.group(1), re.MULTILINE) if front else None
    return found.group(1).strip() if found else "unknown"
