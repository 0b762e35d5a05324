"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sondo.errors import MissingExtraError, require
from sondo.fonts import letters_of
from sondo.scratch import replacing
from sondo.screen import say

_CELL_INCHES, _MARGIN_INCHES = 0.42, 2.4
_MOST_NUMBERS = 40
_LARGEST_INCHES = 25.0
"""Of all cells together: 200 classes of the usual size would be a picture of 10,000 pixels a side, and 5 GB to draw."""
_MOST_NAMES = 200
_MOST_LETTERS, _EMS_PER_LETTER = 24, 0.75
"""Of a name, and how wide one of its letters is: longer ones would leave no room for the cells."""


def draw_confusion(counts: NDArray[np.int64], classes: Sequence[str], path: Path, *, title: str) -> Path:
    """Draw clips by class and predicted class; colours are shares of a class's clips, numbers are clips.

    Of many classes the cells are smaller, without numbers above 40 classes, and above 200 not every class is named.

    Args:
        counts: Rows are the true classes.
        classes: Their names.
        path: The `.png` file; one that is there is replaced.
        title: What stands above it.

    Shape:
        counts: (classes, classes).

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", extra="report", why="Drawing the confusion matrix needs matplotlib")
    from matplotlib.figure import Figure

    with letters_of([*classes, title]):
        cells = min(_CELL_INCHES * len(classes), _LARGEST_INCHES)
        ticks = range(0, len(classes), -(-len(classes) // _MOST_NAMES))  # more names could not be read
        letters = min(10.0, 0.8 * 72 * ticks.step * cells / len(classes))
        names = [_short(classes[tick]) for tick in ticks]
        longest = max(map(len, names)) * _EMS_PER_LETTER * letters / 72
        figure = Figure(figsize=(max(_MARGIN_INCHES, 0.9 + longest) + cells,) * 2, layout="constrained")
        axes = figure.add_subplot()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
        axes.set_xticks(ticks, labels=names, rotation=90, fontsize=letters)
        axes.set_yticks(ticks, labels=names, fontsize=letters)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("class")
        axes.set_title(_short(title, 2 * _MOST_LETTERS), fontsize=10)
        if len(classes) <= _MOST_NUMBERS:
            for row, column in np.argwhere(counts > 0):
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
        with replacing(path) as scratch:
            figure.savefig(scratch, format="png", dpi=120)
    return path


def _short(name: str, most: int = _MOST_LETTERS) -> str:
    """A name on one line, its middle left out where it is long: names often differ at their ends."""
    name = " ".join(name.split())
    kept = (most - 1) // 2
    return name if len(name) <= most else f"{name[:kept]}…{name[-kept:]}"


def draw_if_can(counts: NDArray[np.int64], classes: Sequence[str], path: Path, *, title: str) -> dict[str, str]:
    """`draw_confusion` as `picture` for a report; nothing, and a remark, where matplotlib is not installed."""
    try:
        return {"picture": str(draw_confusion(counts, classes, path, title=title))}
    except MissingExtraError as error:
        say(f"no picture: {error}")
        return {}
