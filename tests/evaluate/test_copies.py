"""Sounds that are trained on and asked about again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from sondo.claim import claim_folder
from sondo.evaluate import TRAINED_ON, Task, told_alike, told_copies, told_trained_on

LABELS = ("a", "a", "a", "b", "b", "b")
TASK = Task(
    name="t",
    paths=tuple(Path(f"{i}.wav") for i in range(6)),
    labels=LABELS,
    metric="accuracy",
    folds=(0,) * 6,
    note="n",
)


@pytest.mark.parametrize(
    ("parts", "said", "such_as"),
    [
        ({"folds": (0, 1, 0, 1, 0, 1)}, "2 of them, 1 under labels that differ:", "0.wav and 1.wav"),
        ({"folds": (0, 0, 0, 1, 1, 1)}, "1 of them, 1 under labels that differ:", "2.wav and 3.wav"),
        ({"splits": ("train", "test", *("valid", "train") * 2)}, "1 of them:", "0.wav and 1.wav"),
        ({"folds": (0, 0, 1, 1, 0, 1)}, None, None),
    ],
)
def test_copies_that_lie_on_both_sides_are_told_and_named_on_the_screen_alone(parts, said, such_as, capsys):
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    vectors[1], vectors[3] = vectors[0], vectors[2]
    note = told_copies(replace(TASK, **{"folds": None, "splits": None} | parts), vectors).note
    assert note == "n" if said is None else note.startswith("n; the score flatters: ") and said in note
    assert ".wav" not in note
    assert (such_as or "") in (told := capsys.readouterr().err)
    assert bool(told) == bool(said)


def test_a_model_that_tells_nothing_apart_makes_no_copies_of_all_sounds(capsys):
    assert told_copies(replace(TASK, folds=(0, 1) * 3), np.ones((6, 4), np.float32)).note == "n"
    assert not capsys.readouterr().err


def test_a_published_set_is_not_to_be_changed():
    keys, sides = [b"x", b"x", b"1", b"2", b"3", b"4"], "abcdef"
    assert "keep one of each" in told_alike(TASK, keys, sides).note
    published = told_alike(replace(TASK, citation="K. J. Piczak"), keys, sides).note
    assert "as copies, 1 of them" in published
    assert "keep one of each" not in published


@pytest.mark.parametrize("model", ["run", "run/student", "run/student.onnx"])
def test_clips_that_a_fine_tuning_learned_are_told(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    claim_folder(tmp_path / "run", {"finetune": {}}, note="train.json")
    assert told_trained_on(TASK, model) is TASK
    paths = [str(tmp_path / f"{number}.wav") for number in range(4)]
    table = pa.table({"path": paths, "split": ["train", "valid", "train", "test"]})
    parquet.write_table(table, tmp_path / "run" / TRAINED_ON)
    note = told_trained_on(TASK, model).note
    assert note == "n; the score flatters: 2 of the 6 clips are among those that the model was fine-tuned on"
    assert told_trained_on(replace(TASK, paths=tuple(Path(f"new{i}.wav") for i in range(6))), model).note == "n"


def test_a_manifest_of_ones_own_beside_a_run_is_no_fine_tuning(tmp_path):
    """Nor need it have a column split, nor are its clips what the run learned classes of."""
    paths = [str(path.absolute()) for path in TASK.paths]
    for table in ({"path": paths}, {"path": paths, "split": ["train"] * 6}):
        parquet.write_table(pa.table(table), tmp_path / TRAINED_ON)
        assert told_trained_on(TASK, tmp_path / "student.onnx") is TASK
