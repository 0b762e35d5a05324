"""docs/python.md as a reader would type it, from the first line to the last."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.mark.slow
def test_every_block_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for label, level in (("loud", 0.5), ("quiet", 0.01)):
        (tmp_path / "classes" / label).mkdir(parents=True)
        for index in range(8):
            wave = level * generator.standard_normal(16000 + 500 * index)
            soundfile.write(tmp_path / "classes" / label / f"{index}.wav", wave.clip(-1, 1), 32000)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(names["hits"]) == 3
    assert names["found"].retention > 0
    assert {path.name for path in tmp_path.iterdir()} >= {"run", "classifier.onnx", "mine.onnx", "by_hand", "all.npz"}
