"""docs/python.md as a reader would type it, from the first line to the last."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.mark.slow
def test_every_block_runs(two_classes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two_classes(tmp_path / "classes")
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(names["hits"]) == 3
    assert names["found"].retention > 0
    assert {path.name for path in tmp_path.iterdir()} >= {"run", "classifier.onnx", "mine.onnx", "by_hand", "all.npz"}
