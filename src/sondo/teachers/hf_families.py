"""How each kind of audio model of transformers is loaded, fed and read.

Legend: B = batch, T = time steps, D = width, F = frequency rows of patches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sondo.errors import SondoError

Pool = Callable[[nn.Module, dict[str, Tensor], int], Tensor]
"""(model, inputs of the extractor, samples that were heard) -> (batch, dim)."""


class Reader(NamedTuple):
    """What reads words.

    Attributes:
        read: texts -> (texts, dim), of length 1.
        logit_scale: What cosines of sound to words are multiplied by to be logits.
    """

    read: Callable[[Sequence[str]], Tensor]
    logit_scale: float


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of model.

    Args:
        load: Makes the part that hears from (transformers, folder or id, options of `from_pretrained`).
        prepare: Features of some sounds of equal length, (extractor, sounds, sample rate) -> inputs.
        window_s: The longest sound that the model takes, from its extractor; None for any length.
        poolings: Name to pooling; the first is the default.
        load_words: Makes what reads words from (transformers, folder or id, options of `from_pretrained`), for a model
            that has words in the space of its first pooling; None for one that only hears.
    """

    load: Callable[[Any, str, dict[str, Any]], nn.Module]
    prepare: Callable[[Any, Sequence[NDArray[np.float32]], int], dict[str, Tensor]]
    window_s: Callable[[Any], float | None]
    poolings: dict[str, Pool]
    load_words: Callable[[Any, str, dict[str, Any]], Reader] | None = None


OF_FRAMES = ("mean", "cls")
"""Poolings that read frames, which any layer has."""

Layer = int | Literal["mean"]


class AtLayer(nn.Module):
    """A model that gives the frames of one of its layers, or the mean of all layers' frames, instead of its last.

    Args:
        model: A model of transformers that gives `hidden_states`.
        layer: From 1; 0 is what the first layer takes; `mean` is of all behind that.
    """

    def __init__(self, model: nn.Module, layer: Layer) -> None:
        super().__init__()
        self.model, self.layer = model, layer

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self.model.config

    def forward(self, **inputs: Tensor) -> SimpleNamespace:
        """What the poolings of frames read.

        Raises:
            SondoError: The model has no such layer.
        """
        states = self.model(**inputs, output_hidden_states=True).hidden_states
        if self.layer == "mean":
            return SimpleNamespace(last_hidden_state=torch.stack(states[1:]).mean(0))
        if not 0 <= self.layer < len(states):
            raise SondoError(
                f"layer {self.layer}: the model has the layers 1 to {len(states) - 1}, and 0 for what the first takes"
            )
        return SimpleNamespace(last_hidden_state=states[self.layer])


def family_of(config: Any) -> Family:
    """The family of a model by its configuration; waves in, frames out, for those that are not known."""
    return _FAMILIES.get(config.model_type, _WAVE)


def _features(extractor: Any, sounds: Sequence[NDArray[np.float32]], rate: int, **options: Any) -> dict[str, Tensor]:
    made = extractor(list(sounds), sampling_rate=rate, return_tensors="pt", **options)
    return {key: value for key, value in made.items() if isinstance(value, Tensor)}


# -- waves in, frames out: wav2vec 2.0, HuBERT, WavLM, data2vec-audio, MERT --------------------------------------


def _load_wave(transformers: Any, target: str, options: dict[str, Any]) -> nn.Module:
    model: nn.Module = transformers.AutoModel.from_pretrained(target, **options)
    return model


def _prepare_wave(extractor: Any, sounds: Sequence[NDArray[np.float32]], rate: int) -> dict[str, Tensor]:
    # All sounds are of one length, so nothing is padded and each mask would be full of ones. Models that were trained
    # without masks (`feat_extract_norm="group"`) must not get one, which `return_attention_mask` of the file tells.
    return _features(extractor, sounds, rate, padding=False)


def _wave_mean(model: nn.Module, inputs: dict[str, Tensor], num_samples: int) -> Tensor:
    frames_BTD: Tensor = model(**inputs).last_hidden_state
    return frames_BTD.mean(1)


_WAVE = Family(load=_load_wave, prepare=_prepare_wave, window_s=lambda extractor: None, poolings={"mean": _wave_mean})


# -- AST: one picture of 10.24 s, two tokens before the patches --------------------------------------------------


def _ast_window_s(extractor: Any) -> float:
    return float(extractor.max_length) * 0.01  # frames of 10 ms


def _prepare_padded(extractor: Any, sounds: Sequence[NDArray[np.float32]], rate: int) -> dict[str, Tensor]:
    return _features(extractor, sounds, rate)


def _ast_mean(model: Any, inputs: dict[str, Tensor], num_samples: int) -> Tensor:
    """Mean over the patches that begin in the sound; those of the padding behind it do not count."""
    config = model.config
    patches_BND = model(**inputs).last_hidden_state[:, 2:]
    rows = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    patches_BFTD = patches_BND.unflatten(1, (rows, -1))
    frames = math.ceil(num_samples / 160)  # 10 ms at 16 kHz, the rate of every AST
    heard = max(1, min(patches_BFTD.shape[2], math.ceil(frames / config.time_stride)))
    vectors: Tensor = patches_BFTD[:, :, :heard].mean((1, 2))
    return vectors


def _ast_pooler(model: nn.Module, inputs: dict[str, Tensor], num_samples: int) -> Tensor:
    pooled: Tensor = model(**inputs).pooler_output
    return pooled


def _ast_cls(model: nn.Module, inputs: dict[str, Tensor], num_samples: int) -> Tensor:
    tokens: Tensor = model(**inputs).last_hidden_state
    return tokens[:, 0]


# -- Whisper: the encoder alone, always 30 s ---------------------------------------------------------------------


def _load_whisper(transformers: Any, target: str, options: dict[str, Any]) -> nn.Module:
    model: nn.Module = transformers.WhisperModel.from_pretrained(target, **options).get_encoder()
    return model


def _whisper_mean(model: Any, inputs: dict[str, Tensor], num_samples: int) -> Tensor:
    """Mean over the frames of the sound: one for each two hops of 10 ms; the silence behind does not count."""
    frames_BTD: Tensor = model(**inputs).last_hidden_state
    heard = max(1, min(frames_BTD.shape[1], math.ceil(num_samples / 320)))
    return frames_BTD[:, :heard].mean(1)


# -- CLAP: the audio tower ----------------------------------------------------------------------------------------


def _load_clap(transformers: Any, target: str, options: dict[str, Any]) -> nn.Module:
    model: nn.Module = transformers.ClapAudioModelWithProjection.from_pretrained(target, **options)
    return model


def _clap_window_s(extractor: Any) -> float:
    return float(extractor.nb_max_samples) / float(extractor.sampling_rate)


def _prepare_clap(extractor: Any, sounds: Sequence[NDArray[np.float32]], rate: int) -> dict[str, Tensor]:
    inputs = _features(extractor, sounds, rate)
    if "is_longer" in inputs:
        # The extractor of fused models calls one sound of a batch, drawn at random, longer than it is.
        inputs["is_longer"] = torch.zeros_like(inputs["is_longer"])
    return inputs


def _clap_projection(model: nn.Module, inputs: dict[str, Tensor], num_samples: int) -> Tensor:
    """The vector that CLAP compares with its text's, of length 1 as `get_audio_features` gives it."""
    vectors: Tensor = model(**inputs).audio_embeds
    return functional.normalize(vectors, dim=-1)


def _clap_pooler(model: Any, inputs: dict[str, Tensor], num_samples: int) -> Tensor:
    pooled: Tensor = model.audio_model(**inputs).pooler_output
    return pooled


def _load_clap_words(transformers: Any, target: str, options: dict[str, Any]) -> Reader:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(target, **options)
    except TypeError:  # what transformers 4 makes of a folder without one
        tokenizer = ()
    if len(tokenizer) <= len(getattr(tokenizer, "all_special_tokens", ())):  # what transformers 5 makes of it
        raise ValueError("it comes without a tokenizer")
    model = transformers.ClapModel.from_pretrained(target, **options).eval()
    del model.audio_model, model.audio_projection  # they are loaded already

    def read(texts: Sequence[str]) -> Tensor:
        tokens = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        vectors: Tensor = model.text_projection(model.text_model(**tokens).pooler_output)
        return functional.normalize(vectors, dim=-1)

    return Reader(read, float(model.logit_scale_a.detach().exp()))


_CLAP = Family(
    load=_load_clap,
    prepare=_prepare_clap,
    window_s=_clap_window_s,
    poolings={"projection": _clap_projection, "pooler": _clap_pooler},
    load_words=_load_clap_words,
)
_FAMILIES = {
    "audio-spectrogram-transformer": Family(
        load=_load_wave,
        prepare=_prepare_padded,
        window_s=_ast_window_s,
        poolings={"pooler": _ast_pooler, "mean": _ast_mean, "cls": _ast_cls},
    ),
    "whisper": Family(
        load=_load_whisper,
        prepare=_prepare_padded,
        window_s=lambda extractor: float(extractor.chunk_length),
        poolings={"mean": _whisper_mean},
    ),
    "clap": _CLAP,
    "clap_audio_model": _CLAP,
}
