"""What a teacher is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class Teacher(Protocol):
    """Anything that turns sound into vectors. Nothing else is asked of it: no logits, no layers, no labels.

    Attributes:
        name: What names the teacher, and its column in the bank.
        sample_rate: Rate in Hz of the sound that `embed` expects.
        embedding_dim: Length of its vectors.

    Read where they are there (`getattr`): `fingerprint` (a hash of weights and settings, by which stale vectors are
    known), `licence`, `num_params`, `source`; `embed_text(texts)`, vectors of words in the same space; and
    `needs_audio = False` with a method `lookup(clip_ids, uris, offsets_s)` for a teacher whose vectors were computed
    elsewhere, and `claim(clip_id, uri, offset_s)`, which is told of clips that have one from an earlier call.
    """

    name: str
    sample_rate: int
    embedding_dim: int

    def embed(self, audio: Tensor) -> Tensor:
        """Embed sound.

        Args:
            audio: Mono sound at `sample_rate`, float32 in [-1, 1].

        Shape:
            audio (batch, samples) -> (batch, embedding_dim).
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TeacherInfo:
    """A teacher as `sondo teachers` lists it; None where it depends on the file or the function.

    Args:
        name: What `create` takes.
        params: Number of learned parameters.
        embedding_dim: Length of its vectors.
        sample_rate: Rate in Hz of the sound it hears.
        licence: Licence of its weights, which the student inherits.
        source: Where it comes from.
        description: What it is and what it needs, in one line.
        weights: Whether its weights are here, where it has some of its own.
    """

    name: str
    params: int | None
    embedding_dim: int | None
    sample_rate: int | None
    licence: str
    source: str
    description: str
    weights: str = ""
