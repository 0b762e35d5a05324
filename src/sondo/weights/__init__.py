"""Files that others published: where they are kept, how they are fetched, and how they are read without running them.

What lives here: the cache and its downloads, files and students of the Hugging Face hub, and the reader of foreign
checkpoints. Used by the students and the teachers, which know nothing of each other, and where a model is named. May
import: `sondo.errors`, `sondo.screen`, `sondo.claim` (to write JSON); torch, safetensors, huggingface_hub and filelock
inside functions.

The cache is the folder `home()`:

- `files/<host>/<folders of the address>/<file>`: downloads; a file that is put there by hand is taken
- `hashes.json`: the SHA-256 that each file had when it was first used
- `revisions.json`: the commit that each repository of the hub had then (its files are in the hub's own cache)
"""

from __future__ import annotations

from sondo.weights.cache import home, sha256_of
from sondo.weights.checkpoint import fill, read_checkpoint
from sondo.weights.download import RemoteFile, fetch, is_here
from sondo.weights.hub import fetch_hub, hub_is_here
from sondo.weights.repository import located

__all__ = [
    "RemoteFile",
    "fetch",
    "fetch_hub",
    "fill",
    "home",
    "hub_is_here",
    "is_here",
    "located",
    "read_checkpoint",
    "sha256_of",
]
