"""Where downloads are kept, and what is known of them."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from sondo.errors import SondoError

_BLOCK_BYTES = 1 << 20


def home() -> Path:
    """The cache folder: `$SONDO_HOME`, else `$XDG_CACHE_HOME/sondo`, else `~/.cache/sondo`."""
    named = os.environ.get("SONDO_HOME")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sondo"


def is_offline() -> bool:
    """Whether the environment forbids the network (`SONDO_OFFLINE=1` or `HF_HUB_OFFLINE=1`)."""
    return any(os.environ.get(name, "0").lower() in ("1", "true", "yes") for name in ("SONDO_OFFLINE", "HF_HUB_OFFLINE"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def record(file: str, key: str, values: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Read what is known of a download, or note it.

    Args:
        file: Name of the JSON file in `home()`.
        key: Of what.
        values: What to note; left out, nothing is written.

    Returns:
        What is known, None when nothing is.

    Raises:
        SondoError: The file is damaged.
    """
    path = home() / file
    try:
        known: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise SondoError(f"{path} is damaged ({error}): delete it, then files are trusted on first use again") from error
    if values is not None:
        known[key] = values | {"date": date.today().isoformat()}
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.writing")
        scratch.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
        os.replace(scratch, path)
    return known.get(key)
