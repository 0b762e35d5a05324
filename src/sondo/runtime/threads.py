"""How many threads a file may run on."""

from __future__ import annotations

from typing import Any

import numpy as np

from sondo.errors import SondoError

_MOST = 1024
"""More than any machine has use for; a runtime that is asked for a million hangs while it starts them."""


def checked_threads(threads: Any) -> int | None:
    """A number of threads, once it can be one; None, for all cores, stays.

    Raises:
        SondoError: No whole number, or one below 1 or above 1024.
    """
    if threads is None:
        return None
    is_whole = isinstance(threads, int | np.integer) and not isinstance(threads, bool)
    if not is_whole or not 1 <= threads <= _MOST:
        raise SondoError(
            f"a model cannot run on {threads!r} threads: give a whole number from 1 to {_MOST}, or leave it out for "
            "all cores"
        )
    return int(threads)
