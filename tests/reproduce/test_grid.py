"""Grids: files with a base and variants, and what may be changed in them."""

import dataclasses
from pathlib import Path

import pytest

from sondo.claim import flatten
from sondo.errors import SondoError
from sondo.reproduce.grid import read_grid, recipes_of


def differences(recipes):
    """By variant, the settings in which it is not like all the others."""
    flat = {name: flatten(recipe.to_dict() | {"out": ""}) for name, recipe in recipes.items()}
    keys = {key for one in flat.values() for key in one if len({str(other[key]) for other in flat.values()}) > 1}
    return {name: {key: one[key] for key in sorted(keys)} for name, one in flat.items()}


def test_the_five_losses_differ_in_the_loss_alone():
    recipes = recipes_of(read_grid("table2"), out=Path("o"))
    losses = ("cosine", "clap", "kl", "l1", "mse")
    assert differences(recipes) == {loss: {"train.loss": loss} for loss in losses}
    assert {recipe.train.sampling for recipe in recipes.values()} == {"uniform"}
    assert {recipe.student.init for recipe in recipes.values()} == {"efficientat/mn10_im"}


def test_the_figure_varies_the_clusters():
    recipes = recipes_of(read_grid("fig2"), out=Path("o"))
    assert [recipe.cluster.k for recipe in recipes.values()] == [50, 30, 40, 45, 50, 55, 60]
    assert [recipe.train.sampling for recipe in recipes.values()] == ["uniform"] + 6 * ["balanced"]


def test_table_one_is_three_students_with_two_teachers_and_labels():
    grid = read_grid("table1")
    recipes = recipes_of(grid, out=Path("o"))
    for name, recipe in recipes.items():
        row = grid.paper.row(name)
        taught = None if recipe.train.supervised == 1 else recipe.teacher.name
        assert (recipe.student.name, taught) == (row.student, row.teacher)
        assert (recipe.train.epochs, recipe.cluster.k) == (100, 50)
    assert len(recipes) == 9


@pytest.mark.parametrize("name", ["table1", "table2", "fig2"])
def test_every_variant_stands_beside_a_line_of_the_paper(name):
    grid = read_grid(name)
    assert all(grid.paper.row(variant) for variant in grid.variants)


def test_a_grid_of_ones_own_changes_one_thing_at_a_time(tmp_path):
    (tmp_path / "readout.yaml").write_text(
        "base: {recipe: paper, student: eres2net, train: {epochs: 2}}\n"
        "variants:\n  last:\n  multilevel: {student: {readout: multilevel}}\n"
    )
    grid = read_grid(str(tmp_path / "readout.yaml"))
    recipes = recipes_of(grid, out=Path("o"))
    assert (grid.name, grid.title, grid.rows, grid.paper) == ("readout", "readout", "variant", None)
    assert differences(recipes) == {name: {"student.readout": name} for name in ("last", "multilevel")}
    assert (recipes["last"].student.name, recipes["last"].train.epochs, recipes["last"].train.loss) == (
        "eres2net",
        2,
        "cosine",
    )


def test_changes_reach_every_variant_and_a_smaller_student_starts_from_random_weights():
    changes = {"student": {"width_mult": 0.1}, "train": {"batch_size": 8}}
    for recipe in recipes_of(read_grid("table1"), out=Path("o"), changes=changes).values():
        assert (recipe.student.width_mult, recipe.student.init, recipe.train.batch_size) == (0.1, None, 8)
    kept = recipes_of(read_grid("table2"), out=Path("o"), changes={"student": {"width_mult": 1.0}})
    assert kept["cosine"].student.init == "efficientat/mn10_im"
    named = {"student": {"width_mult": 0.4, "init": "efficientat/mn04_im"}}
    assert recipes_of(read_grid("table2"), out=Path("o"), changes=named)["l1"].student.init == "efficientat/mn04_im"


def test_one_teacher_for_all_runs_equal_variants_once(capsys):
    recipes = recipes_of(read_grid("table1"), out=Path("o"), teacher="modulation")
    assert [name for name in recipes if "supervised" not in name] == [
        "mobilenetv3 from matpac",
        "dymn from matpac",
        "eres2net from matpac",
    ]
    assert {recipe.teacher.name for recipe in recipes.values()} == {"modulation"}
    assert "'dymn from m2d' is the same run as 'dymn from matpac'" in capsys.readouterr().err


def test_what_is_compared_cannot_be_given():
    with pytest.raises(SondoError, match=r"train\.loss is what table2 compares"):
        recipes_of(read_grid("table2"), out=Path("o"), changes={"train": {"loss": "mse"}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: paper\n", "no variants"),
        ("variants: {}\n", "no variants"),
        ("variants: {a: {}}\nvariant: 3\n", "has no variant"),
        ("variants: {a: cosine}\n", "'a' has no settings"),
        ("variants: {a b: {}, a_b: {}}\n", "the same but for"),
        ("variants: {a: {}}\nfigure: {on: cluster.k}\n", "figure takes `over`"),
        ("variants: {a: {}}\nfigure: {over: cluster.k, against: b}\n", "'b', which is no variant: a"),
        ("variants: {a: {}}\npaper: table9\n", "no 'table9'"),
        ("base: papr\nvariants: {a: {}}\n", "no recipe is called 'papr'"),
        ("variants: [a]\n", "no variants"),
        ("just words\n", "is no recipe"),
    ],
)
def test_a_grid_that_is_none_says_what_is_wrong(tmp_path, text, message):
    (tmp_path / "g.yaml").write_text(text)
    with pytest.raises(SondoError, match=message):
        read_grid(str(tmp_path / "g.yaml"))


def test_a_wrong_setting_of_a_variant_is_named(tmp_path):
    (tmp_path / "g.yaml").write_text("variants: {a: {train: {epoch: 3}}}\n")
    with pytest.raises(SondoError, match="variant 'a': .*epoch"):
        recipes_of(read_grid(str(tmp_path / "g.yaml")), out=Path("o"))


def test_a_teacher_that_listens_in_training_is_refused(tmp_path):
    (tmp_path / "g.yaml").write_text("variants: {a: {teacher: {name: modulation, online: true}}}\n")
    with pytest.raises(SondoError, match="none is online"):
        recipes_of(read_grid(str(tmp_path / "g.yaml")), out=Path("o"))


def test_an_unknown_grid_names_those_that_are_there():
    with pytest.raises(SondoError, match="fig2, table1, table2"):
        read_grid("table3")


def test_recipes_differ_from_their_base_by_replacing_alone():
    recipe = recipes_of(read_grid("fig2"), out=Path("o"))["30"]
    fifty = dataclasses.replace(recipe, cluster=dataclasses.replace(recipe.cluster, k=50), out="o/50")
    assert fifty == recipes_of(read_grid("fig2"), out=Path("o"))["50"]
