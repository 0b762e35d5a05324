"""What files for phones have in common: they take one window at a time, a whole number of hops long."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.runtime.metadata import FileInfo
from sondo.runtime.model import Model


class OneWindowModel(Model):
    """A model in a file that embeds one window in a call; subclasses run the file.

    The samples behind the last whole hop are in no log-mel frame, so leaving them out changes nothing. What runs such a
    file keeps one window at a time in it, so threads that share a model wait for each other.

    Args:
        path: The file.
        metadata: What the file says about itself, as `sondo.runtime.metadata.METADATA_KEYS` names it.

    Raises:
        SondoError: Metadata that sondo did not write, or of another format version.
    """

    def __init__(self, path: Path, metadata: Mapping[str, str]) -> None:
        self.path = path
        self.metadata = dict(metadata)
        info = FileInfo.read(path, metadata)
        self.precision = info.precision
        self._one_at_a_time = threading.Lock()
        super().__init__(
            name=info.name,
            embedding_dim=info.embedding_dim,
            space_id=info.space_id,
            licence=info.licence,
            front_end=info.front_end,
        )

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """What runs the file, and its version."""

    @abstractmethod
    def _embed_window(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed one window: (1, samples), a whole number of hops -> (1, embedding_dim)."""

    def _embed_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        samples = audio.shape[1] // self.front_end.hop * self.front_end.hop
        windows = np.ascontiguousarray(audio[:, :samples], dtype=np.float32)
        with self._one_at_a_time:
            return np.concatenate([self._embed_window(window[None]) for window in windows])
