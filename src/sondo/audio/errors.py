"""The error for sound that cannot be used."""

from __future__ import annotations

from sondo.errors import SondoError


class AudioError(SondoError):
    """Sound that is unreadable, empty or too short. The message starts with the path where there is one."""
