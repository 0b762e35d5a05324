"""The pictures of a report as SVG, which stands in the page itself: its text is text, and marks tell what they are."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from sondo.distill.cluster_picture import COLOURS, MAX_NAMED, REST_COLOUR, SHAPES
from sondo.errors import require
from sondo.report.page.notes import Curve

TEACHER, STUDENT = "#999933", "#332288"
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REM_PER_INCH = 62 / 9  # the page is 62 rem wide, and so are pictures of 9 inches
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sondo",
    "text.parse_math": False,  # a $ in a name begins no formula
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "savefig.transparent": True,
}


class Picture:
    """A figure that is drawn, and then read as SVG.

    Args:
        figure: matplotlib's figure.
    """

    def __init__(self, figure: Any) -> None:
        self.figure, self.titles = figure, dict[str, Sequence[str]]()

    def svg(self) -> str:
        """The picture as an element of a page; marks of a group in `titles` tell their title under the pointer."""
        buffer = io.StringIO()
        self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        ElementTree.register_namespace("", _SVG)
        ElementTree.register_namespace("xlink", _XLINK)
        root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 (matplotlib wrote it)
        for group in root.iter(f"{{{_SVG}}}g"):
            marks = group.iter(f"{{{_SVG}}}use")
            for mark, title in zip(marks, self.titles.get(group.get("id", ""), ()), strict=False):
                ElementTree.SubElement(mark, f"{{{_SVG}}}title").text = title
        for metadata in root.findall(f"{{{_SVG}}}metadata"):
            root.remove(metadata)
        # A narrow picture stays one: stretched over the page, its marks and letters would be larger than the others'.
        width = f"{_REM_PER_INCH * self.figure.get_figwidth():.1f}rem"
        root.attrib |= {"width": "100%", "role": "img", "style": f"max-width: {width}"}
        root.attrib.pop("height")
        return re.sub(r"\s*\n\s*", "\n", ElementTree.tostring(root, encoding="unicode"))


@contextmanager
def _drawing(width_in: float, height_in: float) -> Iterator[Picture]:
    require("matplotlib", extra="report", why="A report draws with matplotlib")
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        yield Picture(Figure(figsize=(width_in, height_in), layout="constrained"))


def draw_scores(tasks: Mapping[str, Mapping[str, Any]], *, teacher: str) -> str:
    """Scores of teacher and student with their 95 % intervals.

    Args:
        tasks: By name, as in `summary.json`.
        teacher: Its name.
    """
    with _drawing(9, 0.75 + 0.7 * len(tasks)) as picture:
        axes = picture.figure.add_subplot()
        for place, task in enumerate(tasks.values()):
            for key, colour, above in (("teacher", TEACHER, 0.16), ("student", STUDENT, -0.16)):
                value, (low, high) = 100 * task[key], (100 * limit for limit in task[f"ci95_{key}"])
                label = {"teacher": teacher, "student": "student"}[key] if place == 0 else None
                axes.plot([low, high], [above - place] * 2, color=colour, linewidth=2, alpha=0.6)
                axes.plot(value, above - place, "o", color=colour, markersize=7, label=label)
        axes.set_yticks([-place for place in range(len(tasks))], list(tasks))
        axes.set(ylim=(-len(tasks) + 0.4, 0.6), xlabel="accuracy or mAP, with its 95 % interval")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return picture.svg()


def draw_curves(curves: Mapping[str, Curve]) -> str:
    """Losses over the epochs, and the learning rate beside them where the logs have it."""
    losses = {name: points for name, points in curves.items() if not name.startswith("lr-")}
    rates = {name: points for name, points in curves.items() if name.startswith("lr-")}
    with _drawing(9, 3.2) as picture:
        ratios = [3, 1] if rates else [1]
        left, *right = picture.figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
        for order, (name, points) in enumerate(sorted(losses.items())):
            parted = "." in name or not name.endswith("_loss")  # a teacher's part of the loss, or a score
            style = "--" if parted else "-"
            left.plot(*zip(*points, strict=True), style, color=COLOURS[order % len(COLOURS)], label=_spoken(name))
            if len(points) == 1:
                left.plot(*points[0], "o", color=COLOURS[order % len(COLOURS)])
        has_more = any(not name.endswith("_loss") for name in losses)
        left.set(xlabel="epochs", title=f"loss{' (dashed: its parts, and scores)' if has_more else ''}")
        if len(losses) > 1:
            left.legend()
        for panel in right:
            end = max((points[-1][0] for points in losses.values()), default=0.0)
            for points in rates.values():  # logged as an epoch begins: the last one holds until its end
                steps = [*points, (max(end, points[-1][0]), points[-1][1])]
                panel.plot(*zip(*steps, strict=True), color="#555555", drawstyle="steps-post")
            panel.set(xlabel="epochs", title="learning rate", ylim=(0, None))
            panel.ticklabel_format(axis="y", style="plain", useOffset=False)
        if all(len(points) == 1 for points in losses.values()):
            left.set_xlim(0, None)  # a single epoch would lie between 0.94 and 1.06 of one
        for panel in (left, *right):
            panel.xaxis.get_major_locator().set_params(integer=True)
        return picture.svg()


def _spoken(name: str) -> str:
    first, dot, part = name.partition(".")
    where, _, what = first.partition("_")
    said = {"train": "training", "valid": "validation"}.get(where, where)
    return ", ".join([said, *([{"map": "mAP"}.get(what, what)] if what != "loss" else []), *([part] if dot else [])])


def draw_cosines(cosines: Mapping[str, NDArray[np.float32]]) -> str:
    """How many clips have which cosine to each teacher."""
    lowest = min(float(values.min()) for values in cosines.values())
    edges = np.linspace(min(lowest, 0.9), 1.0, 41)
    with _drawing(9, 2.6) as picture:
        axes = picture.figure.add_subplot()
        for order, (name, values) in enumerate(cosines.items()):
            colour = COLOURS[order % len(COLOURS)]
            axes.hist(np.clip(values, edges[0], 1.0), edges, histtype="stepfilled", color=colour, alpha=0.6, label=name)
            axes.axvline(float(values.mean()), color=colour, linewidth=1.5, linestyle="--")
        axes.set(xlabel="cosine to the teacher's vector (dashed: the mean)", ylabel="clips", xlim=(edges[0], 1.0))
        if len(cosines) > 1:
            axes.legend(loc="upper left")
        return picture.svg()


def draw_durations(seconds: Sequence[float]) -> str:
    """How many clips have which length."""
    with _drawing(9, 1.9) as picture:
        axes = picture.figure.add_subplot()
        axes.hist(seconds, 40, color=STUDENT, alpha=0.6)
        axes.set(xlabel="length of a clip, seconds", ylabel="clips", xlim=(0, None))
        return picture.svg()


def draw_maps(
    maps: Mapping[str, NDArray[np.float32]],
    groups: Sequence[str],
    titles: Sequence[str],
) -> str:
    """Vectors in the plane, one panel for each model, coloured alike: by group, or by the place in the first panel.

    Args:
        maps: By the panel's title, (clips, 2) each.
        groups: Group of each clip; the commonest are named, the others grey, and an empty name is no group.
        titles: What each mark tells.
    """
    values, counts = np.unique([group for group in groups if group], return_counts=True)
    named = sorted(str(name) for name in values[np.argsort(-counts, kind="stable")[:MAX_NAMED]])
    of_clip = np.array([named.index(group) if group in named else -1 for group in groups])
    place = next(iter(maps.values()))[:, 0]
    with _drawing(4.6 * len(maps) + (2 if named else 0), 4.6) as picture:
        panels = picture.figure.subplots(1, len(maps), squeeze=False)[0]
        for panel, (title, points) in zip(panels, maps.items(), strict=True):
            for order in np.unique(of_clip):
                chosen = np.flatnonzero(of_clip == order)
                mark = panel.scatter(
                    *points[chosen].T, s=18, alpha=0.8, linewidths=0, **_look(int(order), named, place)
                )
                identity = f"{title}-{order}"
                mark.set_gid(identity)
                picture.titles[identity] = [titles[clip] for clip in chosen]
            panel.set(xticks=[], yticks=[], title=title)
            panel.spines[:].set_visible(False)
        if named:
            panels[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
        return picture.svg()


def _look(order: int, named: Sequence[str], place: NDArray[np.float32]) -> dict[str, Any]:
    """How the marks of a group look; where nothing is named, each has the colour of its place."""
    if not named:
        return {"c": place, "cmap": "viridis"}
    if order < 0:
        return {"c": REST_COLOUR, "label": "others"}
    return {"c": COLOURS[order % len(COLOURS)], "marker": SHAPES[order % len(SHAPES)], "label": named[order]}


def log_mel_image(log_mel: NDArray[np.floating]) -> str:
    """A log-mel as the address of a small PNG, low bands at the bottom.

    Shape:
        log_mel: (mels, frames).
    """
    require("matplotlib", extra="report", why="A report draws with matplotlib")
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, log_mel.astype(np.float32), cmap="magma", origin="lower", format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
