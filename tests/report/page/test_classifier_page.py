"""The page of a classifier: counts, classes and mistakes as the report has them, and pictures of what is there."""

import json
import re

import numpy as np
import pytest
import soundfile

from sondo.cli import main
from sondo.errors import SondoError
from sondo.report.page import write_report

COMPARED = {"with": "the student in torch", "clips": 8, "same_first_class": 8, "largest_difference": 2e-7}
BY_CLASS = [
    {"label": "cat & co", "clips": 4, "found": 3, "false_alarms": 1, "precision": 0.75, "recall": 0.75, "f1": 0.75},
    {"label": "dog", "clips": 6, "found": 5, "false_alarms": 1, "precision": 5 / 6, "recall": 5 / 6, "f1": 5 / 6},
]
SCORE = {"score": 0.8125, "ci95": [0.701, 0.923]}


@pytest.fixture
def mistakes(tmp_path):
    """Two mistakes, of which one can still be heard."""
    (tmp_path / "data" / "dog").mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000)
    soundfile.write(tmp_path / "data" / "dog" / "1.wav", noise, 16000)
    there = {"path": str(tmp_path / "data" / "dog" / "1.wav"), "label": "dog", "told": "cat & co", "probability": 0.943}
    gone = {"path": str(tmp_path / "data" / "cat" / "2.wav"), "label": "cat & co", "told": "dog", "probability": 0.5}
    return [there, gone]


def words(page):
    html = page.read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:)', html)
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text)


def test_of_a_probe(tmp_path, mistakes, capsys):
    file = tmp_path / "c.onnx"
    file.write_bytes(b"a network")
    report = {
        **{"student": "mobilenetv3", "space_id": "space-1", "licence": "CC0-1.0", "head": "mlp", "metric": "accuracy"},
        **{"classes": ["cat & co", "dog"], "bytes": 1_234_567, "compared": COMPARED, "clips": 12, "judged_clips": 10},
        **{"note": "5 folds", "by_class": BY_CLASS, "confusion": [[3, 1], [1, 5]], "mistakes": mistakes, **SCORE},
    }
    (tmp_path / "c.onnx.json").write_text(json.dumps(report))
    main(["report", str(file)])
    assert re.search(r"c\.html: [1-9]\d* kB, for any browser", capsys.readouterr().out)
    said = words(tmp_path / "c.html")
    for part in (
        "81.2 accuracy, 70.1 to 92.3 with 95 % confidence",
        "10 clips that the heads",
        "1.23 MB",
        "cat &amp; co 3 1 dog 1 5",
        "dog 6 5 1 83.3 % 83.3 % 0.83",
        "dog/1.wav labelled dog , taken for cat &amp; co (94.3 % sure)",
        "the first class is the same in 8, a probability differs by at most 2.0e-07",
        "licence (CC0-1.0) holds",
    ):
        assert part in said, part
    assert (tmp_path / "c.html").read_text().count("<img") == 1


def test_of_a_published_head_which_has_no_score(tmp_path):
    file = tmp_path / "c.onnx"
    file.write_bytes(b"a network")
    report = {
        "student": "s",
        "space_id": "x",
        "licence": "MIT",
        "classes": ["a", "b"],
        "bytes": 9,
        "compared": COMPARED,
    }
    (tmp_path / "c.onnx.json").write_text(json.dumps(report))
    said = words(write_report(file))
    assert "confidence" not in said
    assert "Its classes a, b How well it tells them apart was not measured" in said
    report |= {"head": "words", "source": "hf:clap", "prompt": "This is {}.", "metric": "accuracy", "clips": 4} | SCORE
    (tmp_path / "c.onnx.json").write_text(json.dumps(report | {"by_class": BY_CLASS}))
    said = words(write_report(file))
    assert "words head on s, read by hf:clap as &#39;This is {}.&#39;" in said
    assert "4 clips of which nothing was learned" in said
    assert "not measured" not in said


@pytest.mark.parametrize(("part", "remark"), [("test", "kept back until the end"), ("valid", "that chose the epoch")])
def test_of_a_fine_tuned_run(tmp_path, mistakes, part, remark):
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.json").write_text(json.dumps({"finetune": {"epochs": 7}, "data": "dogs"}))
    summary = {
        **{"student": {"name": "dymn", "space_id": "space-2", "licence": "MIT"}, "classes": ["cat & co", "dog"]},
        **{"clips": {"train": 30, "valid": 10, "test": 10}, "epoch": 4, "metric": "accuracy", "note": ""},
        **{"valid": {"score": 0.999, "ci95": [0.9, 1.0]}, "classifier": {"bytes": 9, "compared": COMPARED}},
        part: SCORE | {"by_class": BY_CLASS, "confusion": [[3, 1], [1, 5]], "mistakes": mistakes},
    }
    (run / "summary.json").write_text(json.dumps(summary))
    said = words(write_report(run))
    assert f"81.2 accuracy, 70.1 to 92.3 with 95 % confidence 10 clips {remark}" in said
    assert "dymn fine-tuned on 30 clips, weights of epoch 4" in said
    assert "finetune.epochs 7" in said


def test_a_file_that_is_no_classifier_is_refused(tmp_path):
    (tmp_path / "student.onnx").write_bytes(b"a network")
    (tmp_path / "student.onnx.json").write_text(json.dumps({"judged_cosine": 1.0}))
    with pytest.raises(SondoError, match="has no report of `sondo probe` beside it"):
        write_report(tmp_path / "student.onnx")


@pytest.mark.parametrize("name", ["classifier.onnx", "student.onnx"])
def test_of_a_file_of_a_run_the_run_is_named(tmp_path, name):
    (tmp_path / "train.json").write_text(json.dumps({"finetune": {}}))
    (tmp_path / name).write_bytes(b"a network")
    with pytest.raises(SondoError, match=re.escape(f"sondo report {tmp_path}")):
        write_report(tmp_path / name)


def test_of_many_classes_the_commonest_mistakes_are_listed_and_not_a_square(tmp_path):
    (tmp_path / "c.onnx").write_bytes(b"a network")
    names = [f"class {number}" for number in range(70)]
    confusion = 5 * np.eye(70, dtype=int)
    confusion[3, 8], confusion[9, 2] = 2, 4
    report = {"student": "s", "space_id": "x", "licence": "MIT", "classes": names, "bytes": 9, "compared": COMPARED}
    report |= {"confusion": confusion.tolist()}
    (tmp_path / "c.onnx.json").write_text(json.dumps(report))
    page = write_report(tmp_path / "c.onnx")
    assert "class 9 class 2 4 9 class 3 class 8 2 7 The commonest of 70 classes" in words(page)
    assert page.read_text().count("<td") < 100
