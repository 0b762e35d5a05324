"""The picture of a confusion matrix."""

import warnings

import numpy as np
import pytest

from sondo.classifier.picture import draw_confusion

pytest.importorskip("matplotlib", reason="needs the extra report")


def test_names_in_any_script_are_drawn_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = draw_confusion(np.eye(2, dtype=np.int64), ["狗", "cat"], tmp_path / "c.png", title="猫")
    assert path.read_bytes().startswith(b"\x89PNG")
