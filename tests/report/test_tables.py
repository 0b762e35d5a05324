"""Tables as a person reads them: columns are called after what stands in them."""

import pytest

from sondo.cli import main

ALONE = {"metric": "accuracy", "student": 0.5, "ci95_student": [0.4, 0.6], "teacher": None, "retention": None}
BESIDE = ALONE | {"teacher": 0.8, "ci95_teacher": [0.7, 0.9], "retention": 0.625}


@pytest.mark.parametrize(
    ("model", "result", "columns"),
    [
        ("runs/mine", BESIDE, ["teacher", "student", "kept"]),
        ("runs/mine", ALONE, ["student"]),
        ("teacher:modulation", ALONE, ["teacher:modulation"]),
        ("teacher:modulation", BESIDE, ["teacher", "teacher:modulation", "kept"]),
    ],
)
def test_a_score_stands_under_who_was_scored(monkeypatch, capsys, model, result, columns):
    monkeypatch.setattr("sondo.evaluate.run.evaluate", lambda *_, **__: result)
    main(["evaluate", model, "--task", "esc10", "--data", "d"])
    header, row = [line for line in capsys.readouterr().out.splitlines() if set(line) & set("abcdefgh")][:2]
    assert header.replace("┃", " ").split() == columns
    assert "50.0 (40.0 to 60.0)" in row


def test_what_is_kept_of_chance_is_no_figure(monkeypatch, capsys):
    at_chance = BESIDE | {"chance": 0.75, "at_chance": True}
    monkeypatch.setattr("sondo.evaluate.run.evaluate", lambda *_, **__: at_chance)
    main(["evaluate", "runs/mine", "--task", "esc10", "--data", "d"])
    table = capsys.readouterr().out
    assert "(teacher at chance)" in table
    assert "62.5" not in table
