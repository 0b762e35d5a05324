"""The picture of a confusion matrix."""

import warnings

import numpy as np
import pytest

from sondo.classifier.picture import draw_confusion

pytest.importorskip("matplotlib", reason="needs the extra report")


def _has_last_resort():
    from matplotlib import font_manager

    return any(font.name.startswith("Last Resort") for font in font_manager.fontManager.ttflist)


last_resort = pytest.mark.skipif(not _has_last_resort(), reason="matplotlib comes with a font of boxes from 3.11 on")


@last_resort
def test_names_in_any_script_are_drawn_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = draw_confusion(np.eye(2, dtype=np.int64), ["狗", "cat"], tmp_path / "c.png", title="猫")
    assert path.read_bytes().startswith(b"\x89PNG")


@last_resort
def test_letters_come_from_whichever_font_has_them(monkeypatch, tmp_path):
    from matplotlib import font_manager
    from matplotlib.figure import Figure

    # two that come with matplotlib: the second has every letter, as the same picture of a box
    there = [font for font in font_manager.fontManager.ttflist if font.name.startswith(("STIXGeneral", "Last Resort"))]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", there)
    drawn = []

    def savefig(figure, path, **_):
        drawn.append(figure.axes[0].title.get_fontfamily())
        path.touch()

    monkeypatch.setattr(Figure, "savefig", savefig)
    for name in ("cat", "\u2322", "狗"):  # all, all but the usual font and no font but the box's have it
        draw_confusion(np.eye(2, dtype=np.int64), [name, "dog"], tmp_path / "c.png", title="")
    usual, with_another, none_has_it = drawn
    assert with_another == [*usual, "STIXGeneral"]
    assert none_has_it == usual


def test_a_dollar_in_a_name_begins_no_formula(tmp_path):
    path = draw_confusion(np.eye(2, dtype=np.int64), ["a $\\x{ b $", "$_{$"], tmp_path / "c.png", title="$ {_ $")
    assert path.exists()


@pytest.mark.slow
def test_many_classes_do_not_make_a_picture_that_is_too_large(tmp_path):
    names = [f"class {number}" for number in range(600)]
    path = draw_confusion(np.eye(600, dtype=np.int64), names, tmp_path / "c.png", title="many")
    width, height = (int.from_bytes(path.read_bytes()[start : start + 4], "big") for start in (16, 20))
    assert max(width, height) < 4000


@pytest.mark.slow
def test_long_names_leave_room_for_the_cells(monkeypatch, tmp_path):
    from matplotlib.figure import Figure

    drawn = []
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **more: (drawn.append(self), savefig(self, *a, **more)))
    names = ["m" * 120 + " of the first kind", "m" * 120 + " of the second kind", "two\nlines"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where nothing is left of the axes
        draw_confusion(np.eye(3, dtype=np.int64), names, tmp_path / "c.png", title="t" * 200)
    axes = drawn[0].axes[0]
    box = axes.get_tightbbox()
    assert axes.get_window_extent().width > 0.2 * box.width
    assert len({label.get_text() for label in axes.get_yticklabels()}) == 3
    assert "\n" not in axes.get_yticklabels()[2].get_text()
