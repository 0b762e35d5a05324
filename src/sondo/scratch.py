"""Files that are whole or not there: written beside their place, then renamed.

May import: the standard library.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

_LEFT_S = 24 * 3600.0


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a scratch file beside a place; it takes the place in one step when the block ends well, else it goes.

    Each call has a scratch file of its own, so that two processes that write one place never share one: the last to
    end has the place, with a file that is all its own. Its name ends as that of the place, by which some writers choose
    a format.

    Args:
        path: The place; its folder is there.
    """
    _remove_left(path)
    # No process id: processes in two containers, or on two hosts, can have the same one in one folder.
    scratch = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.writing{path.suffix}")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _remove_left(path: Path) -> None:
    """Remove what kills left beside a place; names of their own would else pile up.

    Whether its writer lives cannot be asked of another host. Nothing here is written for a day, so age tells.
    """
    for left in path.parent.glob(f".{escape(path.stem)}.*.writing{escape(path.suffix)}"):
        with contextlib.suppress(OSError):  # another process may remove it too
            if time.time() - left.stat().st_mtime > _LEFT_S:
                left.unlink()
