"""A sound file that is in memory: what a table keeps in a column, or what came over a wire."""

from __future__ import annotations

import io
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SoundBytes:
    """The bytes of a whole sound file, read like a file of that name.

    Args:
        name: What messages call it.
        data: The file's bytes.
        suffix: Its extension with the dot, lower case, which picks the decoder; libsndfile where it is unknown.
    """

    name: str
    data: bytes = field(repr=False)
    suffix: str = ""

    def __str__(self) -> str:
        return self.name

    def open(self, mode: str = "rb") -> io.BytesIO:
        """The bytes as a file to read."""
        assert mode == "rb", "sound is read, never written"
        return io.BytesIO(self.data)
