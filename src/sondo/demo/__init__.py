"""The sound that ``sondo demo`` makes itself: labelled clips in families, so that no download is needed.

May import: `sondo.claim`, `sondo.errors`, `sondo.in_threads`, `sondo.scratch`, `sondo.screen`, numpy; and `run`, which
is the verb, `sondo.recipe` and `sondo.pipeline`.
"""

from __future__ import annotations

from sondo.demo.sounds import FAMILIES, make_demo_sound, synthesise

__all__ = ["FAMILIES", "make_demo_sound", "synthesise"]
