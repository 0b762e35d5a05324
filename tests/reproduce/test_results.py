"""From cells to rows, tables and pictures; the expected figures are computed by hand."""

import csv
import dataclasses
import json

import pytest

from sondo.reproduce.cell import Cell
from sondo.reproduce.figure import draw, figure_of
from sondo.reproduce.grid import read_grid, recipes_of
from sondo.reproduce.paper import paper_tasks
from sondo.reproduce.results import summarise
from sondo.reproduce.table import show_results, write_tables

ABOUT = {
    "grid": "g",
    "bank": "b.lance",
    "scale": 0.01,
    "teacher": "modulation",
    "changes": {"student": {"init": None, "width_mult": 0.1}},
}


def seeded(recipe, seed):
    train = dataclasses.replace(recipe.train, seed=seed)
    return dataclasses.replace(recipe, out=f"{recipe.out}-{seed}", train=train)


@pytest.fixture
def losses(tmp_path, made_up):
    """Table 2 with two seeds of two losses, one open and the others failed."""
    grid = read_grid("table2")
    recipes = recipes_of(grid, out=tmp_path)
    scores = {("cosine", 0): 0.8, ("cosine", 1): 0.9, ("clap", 0): 0.7, ("clap", 1): 0.7}
    cells = [
        made_up(name, seeded(recipes[name], seed), {"esc10": score}, cosine=score / 2)
        for (name, seed), score in scores.items()
    ]
    cells += [Cell(variant=name, recipe=recipes[name]) for name in ("kl", "l1", "mse")]
    return summarise(grid, cells, {"mse, seed 0": "no reason"}, tasks=["esc10"], about=ABOUT)


def test_rows_have_mean_and_deviation_over_seeds(losses):
    rows = {row["variant"]: row for row in losses["rows"]}
    assert list(rows) == ["cosine", "clap", "kl", "l1", "mse"]
    assert rows["cosine"]["ours"]["esc10"]["mean"] == pytest.approx(85)
    assert rows["cosine"]["ours"]["esc10"]["deviation"] == pytest.approx(50**0.5)  # of 80 and 90
    assert rows["cosine"]["ours"]["esc10"]["values"] == pytest.approx({"0": 80, "1": 90})
    assert rows["cosine"]["cosine"]["mean"] == pytest.approx(0.425)
    assert rows["clap"]["to_first"] == pytest.approx({"paper": 72.3 - 72.7, "ours": 70 - 85})
    assert rows["mse"]["to_first"] == pytest.approx({"paper": 62.7 - 72.7})
    assert rows["kl"]["ours"] == {}
    assert all(row.get("difference", {}) == {} for row in rows.values())  # the paper has no ESC-10


def test_the_table_has_the_papers_figures_beside_ours(losses, capsys, tmp_path):
    show_results(losses)
    said = capsys.readouterr().out
    lines = {line.split("│")[1].strip(): line for line in said.splitlines() if line.startswith("│")}
    assert list(lines) == ["cosine", "clap", "kl", "l1", "mse"]
    assert [cell.strip() for cell in lines["clap"].split("│")[1:-1]] == [
        "clap",
        "70.5",
        "74.8",
        "72.3",
        "70.0 ± 0.0",
        "-0.4",
        "-15.0",
        "0.350 ± 0.000",
    ]
    assert "the paper has no esc10" in said
    assert "failed: mse, seed 0: no reason" in said
    assert "1,000 clips seen in each run (scale 0.01), 2 seeds, mean ± deviation; bank b.lance" in said
    assert "scores in %: esc10 accuracy" in said
    assert "changed from the grid: student.init null, student.width_mult 0.1" in said
    write_tables(losses, tmp_path)
    markdown = (tmp_path / "table.md").read_text()
    assert "| clap | 70.5 | 74.8 | 72.3 | 70.0 ± 0.0 | -0.4 | -15.0 | 0.350 ± 0.000 |" in markdown
    assert "loss_comparison.png" in markdown


def test_the_csv_has_a_line_for_each_score(losses, tmp_path):
    write_tables(losses, tmp_path)
    lines = list(csv.DictReader((tmp_path / "table.csv").open()))
    mine = {(line["loss"], line["score"]): line for line in lines}
    assert float(mine["cosine", "esc10"]["ours"]) == pytest.approx(85)
    assert mine["cosine", "esc10"]["seeds"] == "2"
    assert (mine["l1", "average"]["paper"], mine["l1", "average"]["ours"]) == ("65.6", "")
    assert (mine["cosine", "average"]["paper"], mine["cosine", "average"]["seeds"]) == ("72.7", "")
    assert float(mine["cosine", "cosine"]["ours"]) == pytest.approx(0.425)


def test_where_the_tasks_are_the_papers_there_is_a_difference(tmp_path, made_up):
    grid = read_grid("table1")
    recipe = recipes_of(grid, out=tmp_path)["dymn from m2d"]
    cell = made_up("dymn from m2d", recipe, dict.fromkeys(paper_tasks(), 0.7))
    results = summarise(grid, [cell], {}, tasks=list(paper_tasks()), about=ABOUT)
    row = results["rows"][0]
    assert row["difference"]["esc50"] == pytest.approx(70 - 87.4)
    assert row["difference"]["average"] == pytest.approx(70 - 68.7)
    assert row["ours"]["esc50"]["deviation"] is None
    assert row["ours"]["esc50"]["ci95"] == pytest.approx([20, 90])
    assert [row["variant"] for row in results["rows"][-5:]] == [
        "mobilenetv3 supervised",
        "dymn supervised",
        "eres2net supervised",
        "teacher matpac",
        "teacher m2d",
    ]
    some = summarise(grid, [cell], {}, tasks=["esc50", "us8k"], about=ABOUT)["rows"][0]
    assert set(some["difference"]) == {"esc50", "us8k"}  # an average of two tasks is none of seven


def test_a_seed_without_one_of_the_tasks_does_not_count(tmp_path, made_up):
    grid = read_grid("table2")
    recipe = recipes_of(grid, out=tmp_path)["cosine"]
    cells = [
        made_up("cosine", seeded(recipe, 0), {"a": 0.5, "b": 0.7}),
        made_up("cosine", seeded(recipe, 1), {"a": 0.9}),
    ]
    row = summarise(grid, cells, {}, tasks=["a", "b"], about=ABOUT)["rows"][0]
    assert row["seeds"] == [0]
    assert row["ours"]["average"]["mean"] == pytest.approx(60)


@pytest.mark.slow
def test_the_picture_shows_scores_over_clusters_against_the_random_draw(tmp_path, made_up):
    pytest.importorskip("matplotlib")
    grid = read_grid("fig2")
    recipes = recipes_of(grid, out=tmp_path)
    scores = {"60": 0.9, "30": 0.5, "random": 0.4}
    cells = [made_up(name, recipes[name], {"esc10": score}) for name, score in scores.items()]
    results = summarise(grid, cells, {}, tasks=["esc10"], about=ABOUT)
    ours, paper = figure_of(results, grid.figure).axes
    line, against = ours.get_lines()[0], ours.get_lines()[-1]
    assert line.get_xdata() == pytest.approx([30, 60])
    assert line.get_ydata() == pytest.approx([50, 90])
    assert list(against.get_ydata()) == pytest.approx([40, 40])
    bars = ours.containers[0].lines[2][0].get_segments()
    assert [tuple(bar[:, 1]) for bar in bars] == [pytest.approx((20, 90)), pytest.approx((20, 90))]  # the intervals
    assert paper.get_lines()[0].get_xdata() == pytest.approx([30, 40, 45, 50, 55, 60])
    assert list(paper.get_lines()[-1].get_ydata()) == pytest.approx([72.7, 72.7])
    draw(results, grid.figure, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_results_are_json(losses):
    assert json.loads(json.dumps(losses))["rows"][0]["settings"]["train.loss"] == "cosine"
