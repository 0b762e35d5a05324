"""What files for phones have in common: they take one window at a time, a whole number of hops long."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.audio.logmel import LogMelConfig
from sondo.errors import SondoError
from sondo.runtime.model import Model
from sondo.runtime.onnx import FORMAT, METADATA_KEYS, PRECISION


class OneWindowModel(Model):
    """A model in a file that embeds one window in a call; subclasses run the file.

    The samples behind the last whole hop are in no log-mel frame, so leaving them out changes nothing.

    Args:
        path: The file.
        metadata: What the file says about itself, as `sondo.runtime.onnx.METADATA_KEYS` names it.

    Raises:
        SondoError: Metadata that sondo did not write, or of another format version.
    """

    def __init__(self, path: Path, metadata: Mapping[str, str]) -> None:
        self.path = path
        self.metadata = dict(metadata)
        version = metadata.get("sondo.format")
        if version != FORMAT:
            raise SondoError(
                f"{path}: written in format {version} and this sondo reads format {FORMAT}; export it again"
            )
        missing = [key for key in METADATA_KEYS if key not in metadata]
        if missing:
            raise SondoError(f"{path}: a sondo export that lacks {', '.join(missing)}; export it again")
        try:
            front_end = LogMelConfig.from_dict(json.loads(metadata["sondo.front_end"]))
            embedding_dim, sample_rate = int(metadata["sondo.embedding_dim"]), int(metadata["sondo.sample_rate"])
        except (ValueError, TypeError, AttributeError, SondoError) as error:
            raise SondoError(f"{path}: its metadata cannot be read ({error}); export it again") from error
        if sample_rate != front_end.sample_rate:
            raise SondoError(
                f"{path}: its metadata contradicts itself (sample rate {sample_rate} against {front_end.sample_rate} "
                "Hz of the front-end); export it again"
            )
        super().__init__(
            name=metadata["sondo.name"],
            embedding_dim=embedding_dim,
            space_id=metadata["sondo.space_id"],
            licence=metadata["sondo.licence"],
            front_end=front_end,
        )

    @property
    def precision(self) -> str:
        """How the network keeps its numbers."""
        return self.metadata.get(PRECISION, "float32")

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """What runs the file, and its version."""

    @abstractmethod
    def _embed_window(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed one window: (1, samples), a whole number of hops -> (1, embedding_dim)."""

    def _embed_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        samples = audio.shape[1] // self.front_end.hop * self.front_end.hop
        windows = np.ascontiguousarray(audio[:, :samples], dtype=np.float32)
        return np.concatenate([self._embed_window(window[None]) for window in windows])
