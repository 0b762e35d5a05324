"""The published figures: consistent with each other, and each with a source."""

import pytest

from sondo.errors import SondoError
from sondo.reproduce.paper import AVERAGE, paper_table, paper_tasks

TABLES = ("table1", "table2", "fig2")


@pytest.mark.parametrize("name", ["table1", "fig2"])
def test_the_average_is_the_mean_of_the_seven_tasks(name):
    for row in paper_table(name).rows:
        scores = [row.scores[task] for task in paper_tasks()]
        assert sum(scores) / 7 == pytest.approx(row.scores[AVERAGE], abs=0.0501), row.name


def test_the_average_of_the_losses_weighs_four_music_tasks_and_three_of_the_environment():
    areas = [task["area"] for task in paper_tasks().values()]
    assert (areas.count("music"), areas.count("environment")) == (4, 3)
    for row in paper_table("table2").rows:
        expected = (4 * row.scores["music"] + 3 * row.scores["environment"]) / 7
        assert row.scores[AVERAGE] == pytest.approx(expected, abs=0.1), row.name


def test_what_the_paper_kept_is_the_quotient_of_its_averages():
    table = paper_table("table1")
    for row in table.rows:
        if row.kept_percent is not None:
            teacher = table.row(f"teacher {row.teacher}").scores[AVERAGE]
            assert 100 * row.scores[AVERAGE] / teacher == pytest.approx(row.kept_percent, abs=0.12), row.name


def test_the_figures_of_one_student_agree_over_the_tables():
    best = paper_table("table1").row("mobilenetv3 from matpac")
    assert paper_table("fig2").row("50").scores == best.scores
    at_random = paper_table("fig2").row("random").scores
    music = [at_random[task] for task, about in paper_tasks().items() if about["area"] == "music"]
    assert sum(music) / 4 == pytest.approx(paper_table("table2").row("cosine").scores["music"], abs=0.051)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_says_where_it_was_read(name):
    table = paper_table(name)
    assert "commit f89abf21f3564407581bab6b2b88768c85471a57" in table.source
    assert table.row("no such line") is None


def test_an_unknown_table_names_those_that_are_there():
    with pytest.raises(SondoError, match="table1, table2, fig2"):
        paper_table("table9")
