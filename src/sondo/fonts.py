"""Letters of every script in pictures: matplotlib's own font has no Chinese, Japanese, Korean, Thai, ...

May import: matplotlib, of the extra `report`, inside functions.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def letters_of(texts: Iterable[str]) -> Iterator[None]:
    """Draw with fonts that have the letters of some texts, as far as they are installed; others are boxes.

    A text is drawn as it stands: a $ in it begins no formula.
    """
    import matplotlib

    remarks = logging.getLogger("matplotlib.font_manager")  # on weights that a font does not have
    level = remarks.level
    remarks.setLevel(logging.ERROR)
    try:
        style: Any = {"font.family": _families(texts), "text.parse_math": False}
        with matplotlib.rc_context(style), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            yield
    finally:
        remarks.setLevel(level)


def _families(texts: Iterable[str]) -> list[str]:
    """Matplotlib's own font, and of the installed ones those that have what it lacks."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    own = font_manager.FontProperties()
    families = list(own.get_family())
    lacking = {ord(letter) for text in texts for letter in text}
    lacking -= FT2Font(font_manager.findfont(own)).get_charmap().keys()
    for entry in font_manager.fontManager.ttflist if lacking else ():
        found = lacking & FT2Font(entry.fname).get_charmap().keys()
        if found and "Last Resort" not in entry.name:  # which has a picture of a box for every letter
            families.append(entry.name)
            lacking -= found
    return families
