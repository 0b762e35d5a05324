"""A grid from end to end on little sound: its files, going on, failures; nothing is trained twice."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import soundfile

from sondo.bank import Bank, ingest
from sondo.claim import write_json
from sondo.cli import main
from sondo.distill.teach import teach
from sondo.errors import SondoError
from sondo.evaluate import load_task
from sondo.recipe import Recipe, TeacherConfig
from sondo.reproduce import cell, run
from sondo.reproduce.run import reproduce
from sondo.teachers import create

GRID = """
title: Two losses
rows: loss
base: {teacher: modulation, student: {width_mult: 0.1}, cluster: {k: 2}, train: {epochs: 2, batch_size: 4}}
variants:
  cosine: {train: {loss: cosine}}
  mse: {train: {loss: mse, sampling: uniform}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Sound of two classes, a bank that a teacher has heard, and a grid of two losses."""
    root = tmp_path_factory.mktemp("grid")
    generator = np.random.default_rng(0)
    for name, level in (("loud", 0.5), ("quiet", 0.01)):
        (root / "sound" / name).mkdir(parents=True)
        for index in range(6):
            wave = level * generator.standard_normal(12000)
            soundfile.write(root / "sound" / name / f"{index}.wav", wave.clip(-1, 1), 32000)
    ingest(root / "b.lance", audio=root / "sound")
    teach(Bank(root / "b.lance"), create("modulation"))
    (root / "losses.yaml").write_text(GRID)
    return root


@pytest.fixture(scope="module")
def unscored(place):
    """The grid, run with two seeds and no task, and when its students were written."""
    results = reproduce(str(place / "losses.yaml"), bank=place / "b.lance", out=place / "out", scale=0.5, seeds=(0, 1))
    return results, times_of_students(place / "out")


@pytest.fixture(scope="module")
def finished(place, unscored):
    """The same again from the command line, with a task."""
    main(["reproduce", *arguments(place, place / "out"), "--seeds", "0", "1"])
    return place / "out"


def times_of_students(out):
    return {path: path.stat().st_mtime_ns for path in out.glob("cells/*/student/model.safetensors")}


def arguments(place, out):
    task = ["--task", "folder", "--data", str(place / "sound")]
    return [str(place / "losses.yaml"), "--bank", str(place / "b.lance"), "--out", str(out), *task, "--scale", "0.5"]


@pytest.mark.slow
def test_every_variant_is_trained_with_every_seed_and_scored(finished):
    results = json.loads((finished / "results.json").read_text())
    assert [row["variant"] for row in results["rows"]] == ["cosine", "mse"]
    for row in results["rows"]:
        assert row["seeds"] == [0, 1]
        assert row["clips_seen"] == 12  # half of two epochs of twelve clips
        values = list(row["ours"]["folder"]["values"].values())
        assert row["ours"]["folder"]["mean"] == pytest.approx(sum(values) / 2)
    first = json.loads((finished / "cells" / "mse-1" / "cell.json").read_text())
    assert (first["settings"]["train"]["seed"], first["settings"]["train"]["loss"]) == (1, "mse")
    assert first["tasks"]["folder"]["score"] == pytest.approx(results["rows"][1]["ours"]["folder"]["values"]["1"] / 100)
    assert "| mse |" in (finished / "table.md").read_text()


@pytest.mark.slow
def test_each_cell_is_a_run_that_other_verbs_take(finished, place, tmp_path):
    task = ["--task", "folder", "--data", str(place / "sound")]
    main(["evaluate", str(finished / "cells" / "cosine-0"), *task, "--json", str(tmp_path / "s.json")])
    cell = json.loads((finished / "cells" / "cosine-0" / "cell.json").read_text())
    assert json.loads((tmp_path / "s.json").read_text())["folder"]["student"] == cell["tasks"]["folder"]["score"]


@pytest.mark.slow
def test_the_same_command_shows_what_is_there_and_runs_nothing(finished, place, capsys, monkeypatch):
    monkeypatch.setattr(run, "run_cell", lambda *_: pytest.fail("a finished cell was run again"))
    main(["reproduce", *arguments(place, finished), "--seeds", "0", "1"])
    assert "Two losses" in capsys.readouterr().out


@pytest.mark.slow
def test_other_settings_in_the_same_folder_are_refused(finished, place, capsys):
    with pytest.raises(SystemExit):
        main(["reproduce", *arguments(place, finished)[:-1], "0.25"])
    assert "another run" in capsys.readouterr().err


def stopping_at(name, error):
    """`run_cell`, but for one cell that ends with an error."""
    real = run.run_cell

    def run_cell(cell, bank, tasks):
        if cell.name == name:
            raise error
        return real(cell, bank, tasks)

    return run_cell


@pytest.mark.slow
def test_an_interrupted_grid_goes_on_with_the_cells_that_it_lacks(place, tmp_path, monkeypatch):
    settings = {"bank": place / "b.lance", "out": tmp_path / "o", "scale": 0.5}
    monkeypatch.setattr(run, "run_cell", stopping_at("mse, seed 0", KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        reproduce(str(place / "losses.yaml"), **settings)
    before = (tmp_path / "o" / "cells" / "cosine-0" / "cell.json").read_bytes()
    monkeypatch.undo()
    results = reproduce(str(place / "losses.yaml"), **settings)
    assert (tmp_path / "o" / "cells" / "cosine-0" / "cell.json").read_bytes() == before
    assert [row["cosine"]["values"].keys() for row in results["rows"]] == [{"0"}, {"0"}]


@pytest.mark.parametrize("error", [SondoError("no such luck"), RuntimeError("no such luck")])
@pytest.mark.slow
def test_a_cell_that_fails_does_not_lose_the_others(place, tmp_path, monkeypatch, capsys, error):
    monkeypatch.setattr(run, "run_cell", stopping_at("cosine, seed 0", error))
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", *arguments(place, tmp_path / "o")])
    said = capsys.readouterr()
    assert stop.value.code == 1
    assert "failed: cosine, seed 0: no such luck" in said.out
    assert "error: 1 run failed; the same command tries again" in said.err
    results = json.loads((tmp_path / "o" / "results.json").read_text())
    assert results["failures"] == {"cosine, seed 0": "no such luck"}
    assert results["rows"][1]["ours"]["folder"]["mean"] > 0
    assert (tmp_path / "o" / "cells" / "cosine-0.error.txt").exists() == isinstance(error, RuntimeError)
    monkeypatch.undo()
    main(["reproduce", *arguments(place, tmp_path / "o")])  # goes on
    assert json.loads((tmp_path / "o" / "results.json").read_text())["failures"] == {}
    assert not (tmp_path / "o" / "cells" / "cosine-0.error.txt").exists()


@pytest.mark.slow
def test_the_scores_of_a_cell_stand_where_a_later_task_fails(place, tmp_path, monkeypatch):
    def failing(task, vectors):
        if task.name == "esc10":
            raise KeyboardInterrupt
        return kept(task, vectors)

    kept = cell.evaluate_vectors
    monkeypatch.setattr(cell, "evaluate_vectors", failing)
    first = load_task("folder", place / "sound")
    monkeypatch.setattr(run, "load_task", lambda name, _: dataclasses.replace(first, name=name))
    tasks = [("folder", place / "sound"), ("esc10", place / "sound")]
    with pytest.raises(KeyboardInterrupt):
        reproduce(str(place / "losses.yaml"), bank=place / "b.lance", out=tmp_path / "o", scale=0.5, tasks=tasks)
    assert [*json.loads((tmp_path / "o" / "cells" / "cosine-0" / "cell.json").read_text())["tasks"]] == ["folder"]


@pytest.mark.slow
def test_cells_of_another_state_of_the_bank_are_not_compared(place, tmp_path):
    settings = {
        "bank": tmp_path / "b.lance",
        "out": tmp_path / "o",
        "scale": 0.5,
        "changes": {"train": {"clips_per_epoch": 6}},
    }
    shutil.copytree(place / "sound", tmp_path / "sound")
    ingest(tmp_path / "b.lance", audio=tmp_path / "sound")
    teach(Bank(tmp_path / "b.lance"), create("modulation"))
    reproduce(str(place / "losses.yaml"), **settings)
    soundfile.write(tmp_path / "sound" / "more.wav", np.full(12000, 0.1), 32000)
    ingest(tmp_path / "b.lance", audio=tmp_path / "sound")
    teach(Bank(tmp_path / "b.lance"), create("modulation"))
    reproduce(str(place / "losses.yaml"), **settings)  # nothing is left to train
    with pytest.raises(SondoError, match=r"cosine-0 learned from 12 clips, and .*b.lance has 13: name another --out"):
        reproduce(str(place / "losses.yaml"), **settings, seeds=(0, 1))


@pytest.mark.parametrize("over", ["cluster.kk", "train.loss", "train.warmup_epochs"])
def test_a_picture_over_what_is_no_number_is_refused_before_the_training(place, tmp_path, over, monkeypatch):
    monkeypatch.setattr(run, "run_cell", lambda *_: pytest.fail("it was trained"))
    (tmp_path / "g.yaml").write_text(GRID + f"figure: {{over: {over}}}\n")
    with pytest.raises(SondoError, match=f"the picture is over {over}, which is .* in the variant 'cosine'"):
        reproduce(str(tmp_path / "g.yaml"), bank=place / "b.lance", out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_a_task_that_is_added_later_scores_the_students_that_are_there(unscored, finished):
    without, trained = unscored
    assert [row["ours"] for row in without["rows"]] == [{}, {}]
    scored = json.loads((finished / "results.json").read_text())
    assert all("folder" in row["ours"] for row in scored["rows"])
    assert len(trained) == 4
    assert times_of_students(finished) == trained


@pytest.mark.slow
def test_students_are_scored_again_where_labels_were_put_right(place, finished, tmp_path, capsys):
    out, data = tmp_path / "out", tmp_path / "sound"
    shutil.copytree(finished, out)
    shutil.copytree(place / "sound", data)
    main(["reproduce", *arguments(place, out)[:-4], "--data", str(data), "--scale", "0.5"])  # the same task elsewhere
    assert "scored again" not in capsys.readouterr().err
    (data / "loud" / "0.wav").rename(data / "quiet" / "9.wav")
    main(["reproduce", *arguments(place, out)[:-4], "--data", str(data), "--scale", "0.5"])
    said = " ".join(capsys.readouterr().err.split())
    assert "cosine, seed 0: folder had other labels or parts when it was scored, so it is scored again" in said
    assert "epoch" not in said
    old, new = (json.loads((each / "cells" / "cosine-0" / "cell.json").read_text()) for each in (finished, out))
    assert new["tasks"]["folder"]["data"] != old["tasks"]["folder"]["data"]
    assert new["tasks"]["folder"]["score"] < old["tasks"]["folder"]["score"]
    del new["tasks"]["folder"]["data"]
    (out / "cells" / "cosine-0" / "cell.json").write_text(json.dumps(new))
    main(["reproduce", *arguments(place, out)[:-4], "--data", str(data), "--scale", "0.5"])
    said = " ".join(capsys.readouterr().err.split())
    assert "cosine, seed 0: folder was scored by an earlier version, which did not note its labels, so it is" in said
    assert said.count("scored again") == 1


def test_a_call_without_a_task_keeps_the_table_that_is_there(place, tmp_path, monkeypatch, capsys, made_up):
    def run_cell(cell, bank, tasks):
        return made_up(cell.variant, cell.recipe, dict.fromkeys(tasks, 0.5)).standing()

    monkeypatch.setattr(run, "run_cell", run_cell)
    settings = {"bank": place / "b.lance", "out": tmp_path / "o"}
    reproduce(str(place / "losses.yaml"), **settings)
    assert "cosine,cosine,,0.5" in (tmp_path / "o" / "table.csv").read_text()
    reproduce(str(place / "losses.yaml"), tasks=[("folder", place / "sound")], **settings)
    table = (tmp_path / "o" / "table.csv").read_text()
    assert "cosine,folder,,50.0" in table
    reproduce(str(place / "losses.yaml"), **settings)
    assert (tmp_path / "o" / "table.csv").read_text() == table
    assert "not scored" not in capsys.readouterr().err
    reproduce(str(place / "losses.yaml"), seeds=(0, 1), **settings)
    assert (tmp_path / "o" / "table.csv").read_text() == table
    assert "2 of 4 runs are not scored on folder and not in the table" in capsys.readouterr().err


@pytest.mark.slow
def test_a_cell_whose_weights_were_named_from_here_is_known(tmp_path, monkeypatch):
    """Cells of before kept the path as it was typed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "v.npy").touch()
    teacher = TeacherConfig(name="precomputed", checkpoint="v.npy")
    one = cell.Cell(variant="a", recipe=Recipe(out="cells/a", teacher=teacher))
    settings = one.settings()
    settings["teacher"]["checkpoint"] = "v.npy"
    write_json(one.file, {"settings": settings, "tasks": {}})
    assert one.standing()["tasks"] == {}
    settings["teacher"]["checkpoint"] = "w.npy"
    write_json(one.file, {"settings": settings, "tasks": {}})
    with pytest.raises(SondoError, match=r"teacher.checkpoint was 'w.npy', is now '.*/v.npy'"):
        one.standing()


def test_a_variant_whose_settings_were_edited_is_refused(place, tmp_path):
    file = tmp_path / "losses.yaml"
    grid = GRID.replace("  cosine: {train: {loss: cosine}}\n", "")
    file.write_text(grid)
    settings = {"bank": place / "b.lance", "out": tmp_path / "o", "scale": 0.5}
    reproduce(str(file), **settings)
    file.write_text(grid.replace("loss: mse", "loss: l1"))
    with pytest.raises(SondoError, match=r"train.loss was 'mse', is now 'l1'\. .* or delete .*o/cells/mse-0, and"):
        reproduce(str(file), **settings)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--task", "folder"], "as many --data as --task"),
        (["--seeds", "0", "0"], "--seeds"),
        (["--scale", "2"], "more than 0 and at most 1"),
        (["--student.widht", "1"], "widht"),
        (["--train.loss", "l1"], "train.loss is what losses compares"),
        (["--teacher", "matpac"], "run `sondo teach` first"),
    ],
)
def test_a_mistake_is_named(place, tmp_path, capsys, extra, message):
    given = [
        str(place / "losses.yaml"),
        "--bank",
        str(place / "b.lance"),
        "--out",
        str(tmp_path / "o"),
        "--scale",
        "0.5",
    ]
    with pytest.raises(SystemExit):
        main(["reproduce", *given, "--scale", "0.5", *extra])
    said = capsys.readouterr()
    assert message in said.err + said.out


def test_a_folder_that_finetune_made_is_left_alone(place, tmp_path):
    write_json(tmp_path / "train.json", {"finetune": {"epochs": 3}})
    with pytest.raises(SondoError, match="holds a run of `sondo finetune`, not of reproduce: name another --out$"):
        reproduce(str(place / "losses.yaml"), bank=place / "b.lance", out=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["train.json"]


@pytest.mark.slow
def test_students_of_labels_are_left_out_where_the_bank_has_none(place, tmp_path, monkeypatch, capsys):
    file = tmp_path / "g.yaml"
    file.write_text(GRID + "  labels: {train: {supervised: 1.0, sampling: uniform}}\n")
    manifest = tmp_path / "m.csv"
    sounds = sorted((place / "sound").rglob("*.wav"))
    manifest.write_text("path,label\n" + "".join(f"{sound},{sound.parent.name}\n" for sound in sounds))
    ingest(tmp_path / "labelled.lance", manifest=manifest)
    teach(Bank(tmp_path / "labelled.lance"), create("modulation"))
    with monkeypatch.context() as patch:
        patch.setattr(run, "run_cell", lambda *_: {"tasks": {}, "alignment": None})
        without = reproduce(str(file), bank=place / "b.lance", out=tmp_path / "without", scale=0.5)
    assert [row["variant"] for row in without["rows"]] == ["cosine", "mse"]
    assert "has no labels: labels cannot be run" in capsys.readouterr().err
    having = reproduce(str(file), bank=tmp_path / "labelled.lance", out=tmp_path / "having", scale=0.5)
    assert [("seeds" in row, "cosine" in row) for row in having["rows"]] == [(True, True), (True, True), (True, False)]


@pytest.mark.slow
def test_the_banks_only_teacher_takes_the_papers_place(place, tmp_path, monkeypatch, capsys):
    cells = []

    def run_cell(cell, bank, tasks):
        cells.append(cell)
        raise SondoError("not today")

    monkeypatch.setattr(run, "run_cell", run_cell)
    narrow = {"student": {"width_mult": 0.1}}
    results = reproduce("table2", bank=place / "b.lance", out=tmp_path / "o", scale=1e-4, changes=narrow)
    assert [cell.columns for cell in cells] == 5 * [["teacher.modulation"]]
    assert results["about"]["changes"] == {"student": {"init": None, "width_mult": 0.1}}
    said = capsys.readouterr().err
    assert "instead of teacher.matpac" in said
    assert said.count("start from random weights") == 1
