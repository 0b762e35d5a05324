"""A picture of clusters: the teacher's vectors in the plane, coloured by cluster and, where there are any, by label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from sondo.errors import require
from sondo.fonts import letters_of

Projection: TypeAlias = Literal["tsne", "umap", "pca"]

PICTURE_CLIPS = 4000
PCA_DIM = 50
"""t-SNE and UMAP see this many principal components: enough for neighbours, and far quicker."""

# Paul Tol's "muted" scheme, told apart under all common forms of colour blindness, and black. Colours and shapes go
# round at lengths without a common factor, so 70 groups in a row differ in one or the other.
COLOURS = ("#332288", "#CC6677", "#88CCEE", "#117733", "#DDCC77", "#882255", "#44AA99", "#AA4499", "#999933", "#222222")
SHAPES = ("o", "^", "s", "D", "v", "P", "X")
REST_COLOUR = "#BBBBBB"
MAX_NUMBERED = len(COLOURS) * len(SHAPES)
MAX_NAMED = 24
PANEL_IN, LEGEND_IN, TITLES_IN = 7.2, 2.2, 0.8
MAX_NAME_LETTERS = 26
UNLABELLED, OTHER = "(no label)", "(other labels)"


def project(vectors: NDArray[np.float32], how: Projection, *, seed: int = 0) -> NDArray[np.float32]:
    """Lay vectors out in the plane.

    Args:
        vectors: (clips, dim).
        how: `tsne`, `umap` or `pca`.
        seed: Of the layout.

    Returns:
        (clips, 2).

    Raises:
        MissingExtraError: `umap` without umap-learn.

    Source: t-SNE and PCA of scikit-learn, UMAP of umap-learn, with their standard settings.
    """
    umap = require("umap", extra="umap", why="The projection umap needs umap-learn") if how == "umap" else None
    num_clips, dim = vectors.shape
    kept = 2 if how == "pca" else PCA_DIM
    components = PCA(min(kept, num_clips, dim), random_state=seed).fit_transform(vectors)
    if components.shape[1] < 2 or num_clips < 3:  # nothing to lay out
        return np.pad(components, ((0, 0), (0, max(0, 2 - components.shape[1]))))[:, :2].astype(np.float32)
    if how == "tsne":
        components = TSNE(perplexity=min(30.0, (num_clips - 1) / 3), random_state=seed).fit_transform(components)
    elif umap is not None:
        neighbours = min(15, num_clips - 1)
        components = umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(components)
    return np.asarray(components, dtype=np.float32)


def draw_clusters(
    points: NDArray[np.float32],
    clusters: NDArray[np.int64],
    labels: Sequence[str | None] | None,
    path: Path,
    *,
    title: str,
) -> None:
    """Draw clips in the plane and write a PNG.

    Args:
        points: (clips, 2).
        clusters: (clips,) cluster of each; up to 70 are numbered where they lie.
        labels: Label of each, for a second panel; the commonest are named, the others grey. None for no such panel.
        path: The file.
        title: What is shown.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", extra="report", why="A picture of clusters needs matplotlib")
    from matplotlib.figure import Figure

    width, height = np.ptp(points, axis=0)
    panels, legend_in = (1, 0.0) if labels is None else (2, LEGEND_IN)
    panel_height_in = PANEL_IN * float(np.clip(height / max(width, 1e-9), 0.6, 1.3))
    size_in = (PANEL_IN * panels + legend_in, panel_height_in + TITLES_IN)
    path.parent.mkdir(parents=True, exist_ok=True)
    with letters_of(filter(None, labels or [])):
        figure = Figure(figsize=size_in, layout="constrained")
        figure.suptitle(title, fontsize=12)
        axes = figure.subplots(1, panels, squeeze=False, sharex=True, sharey=True)[0]
        _scatter_clusters(axes[0], points, clusters)
        if labels is not None:
            _scatter_labels(axes[1], points, labels)
        for panel in axes:
            panel.set(xticks=[], yticks=[], aspect="equal")
            panel.spines[:].set_color("#DDDDDD")
        figure.savefig(path, dpi=130)


def _scatter_clusters(panel: Any, points: NDArray[np.float32], clusters: NDArray[np.int64]) -> None:
    from matplotlib.patheffects import withStroke

    numbers = np.unique(clusters)
    panel.set_title(f"{len(numbers)} clusters", fontsize=11)
    for order, number in enumerate(numbers):
        _scatter(panel, points[clusters == number], order, area=_area(len(points)))
    if len(numbers) > MAX_NUMBERED:
        return
    for number in numbers:
        # The median can lie outside a cluster that is torn apart in the plane: the number goes to the clip nearest it.
        inside = points[clusters == number]
        middle = inside[np.square(inside - np.median(inside, axis=0)).sum(axis=1).argmin()]
        panel.annotate(
            f"{number}",
            middle,
            xytext=(0, 3),  # above the mark, so that a cluster of one clip can be seen
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _scatter_labels(panel: Any, points: NDArray[np.float32], labels: Sequence[str | None]) -> None:
    counts = Counter(label for label in labels if label is not None)
    named = [name for name, _ in counts.most_common(MAX_NAMED)]
    panel.set_title(f"{len(counts)} labels", fontsize=11)
    groups = np.array([UNLABELLED if label is None else label if label in named else OTHER for label in labels])
    for rest in (UNLABELLED, OTHER):
        if (groups == rest).any():
            _scatter(panel, points[groups == rest], None, area=_area(len(points)), label=rest)
    for order, name in enumerate(sorted(named)):
        _scatter(panel, points[groups == name], order, area=_area(len(points)), label=_shortened(name))
    panel.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, markerscale=1.4, borderaxespad=0
    )


def _scatter(
    panel: Any, points: NDArray[np.float32], order: int | None, *, area: float, label: str | None = None
) -> None:
    """One group of clips; `order` chooses colour and shape, None is for those that belong to no group."""
    panel.scatter(
        *points.T,
        s=area,
        c=REST_COLOUR if order is None else COLOURS[order % len(COLOURS)],
        marker="." if order is None else SHAPES[order % len(SHAPES)],
        alpha=0.8,
        linewidths=0,
        label=label,
    )


def _area(num_clips: int) -> float:
    """Area of a mark in square points: the more clips, the smaller."""
    return float(np.clip(14_000 / num_clips, 7, 36))


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME_LETTERS else f"{name[: MAX_NAME_LETTERS - 1]}…"
