"""Recipes by name and from files, and the paper's settings in them."""

import json
from pathlib import Path

import pytest

from sondo.errors import SondoError
from sondo.recipes import full_settings, make_recipe, merged, named_recipe, read_recipe

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "sampling_and_schedule.json").read_text())


@pytest.mark.parametrize(
    ("student", "init"),
    [("mobilenetv3", "efficientat/mn10_im"), ("dymn", "efficientat/dymn10_im"), ("eres2net", None)],
)
def test_the_paper_has_one_training_for_three_students(student, init):
    recipe = make_recipe(named_recipe("paper", student=student) | {"out": "x"})
    assert (recipe.teacher.name, recipe.student.name, recipe.student.init) == ("matpac", student, init)
    assert recipe.student.options() == {"readout": "last"}
    assert (recipe.cluster.k, recipe.train.sampling, recipe.train.replacement) == (50, "balanced", True)
    train = recipe.train
    assert (train.epochs, train.clips_per_epoch, train.batch_size, train.loss) == (100, 100_000, 32, "cosine")
    assert (train.optimizer, train.learning_rate, train.weight_decay) == ("adam", 8e-4, 0)
    assert (train.gradient_clip, train.last_factor) == (5.0, 0.01)
    assert (train.geometry, train.matryoshka) == ("none", [])
    assert recipe.augment.mixup_alpha == 0


def test_the_papers_rate_is_the_references_at_every_epoch():
    schedule = pytest.importorskip("sondo.distill.schedule")
    train = make_recipe(named_recipe("paper") | {"out": "x"}).train
    factor = schedule.WarmUpRampDown(
        warmup_epochs=train.warmup_epochs,
        ramp_down_start=train.ramp_down_start,
        ramp_down_epochs=train.ramp_down_epochs,
        last_factor=train.last_factor,
    )
    assert [factor(epoch) for epoch in range(120)] == pytest.approx(GOLDEN["factors"], abs=2e-7)


def test_the_repositorys_recipes_are_those_of_the_package():
    folder = Path(__file__).parents[2] / "recipes"
    if not folder.is_dir():
        pytest.skip("no link to the recipes here")
    assert read_recipe(folder / "paper" / "dymn.yaml") == named_recipe("paper/dymn")


def test_a_file_starts_from_a_name_or_from_a_file_beside_it(tmp_path):
    (tmp_path / "below.yaml").write_text("recipe: paper/eres2net\ntrain: {epochs: 3}\nteacher: [m2d, modulation]\n")
    (tmp_path / "above.yaml").write_text("recipe: below.yaml\ntrain: {seed: 7}\n")
    values = read_recipe(tmp_path / "above.yaml")
    assert values["student"] == {"name": "eres2net", "init": None, "readout": "last"}
    assert (values["train"]["epochs"], values["train"]["seed"], values["train"]["warmup_epochs"]) == (3, 7, 8)
    assert (values["teacher"], values["more_teachers"]) == ({"name": "m2d"}, [{"name": "modulation"}])


def test_a_family_takes_the_student_that_stands_beside_it():
    values = full_settings({"recipe": "paper", "student": "dymn"}, beside=Path())
    assert values["student"]["init"] == "efficientat/dymn10_im"


def test_a_recipe_that_starts_from_itself_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("recipe: b.yaml\n")
    (tmp_path / "b.yaml").write_text("recipe: a.yaml\n")
    with pytest.raises(SondoError, match="starts from itself"):
        read_recipe(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("name", "student", "message"),
    [
        ("papr", None, "no recipe is called 'papr': there is paper, paper/dymn"),
        ("paper", "timm:x", "no recipe is called 'paper' for the student timm:x: there is paper/dymn"),
        ("../recipe", None, "no recipe is called"),
        ("grids/table1", None, "no recipe is called"),
        ("absent.yaml", None, "no recipe at absent.yaml"),
    ],
)
def test_a_name_that_is_none_names_those_that_exist(name, student, message):
    with pytest.raises(SondoError, match=message):
        named_recipe(name, student=student)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {epochs: 1}\nteacher: m2d\ntrain: {seed: 7}\n", "line 1: train stands there twice"),
        ("train: 5\n", "train is 5: expected settings"),
        ("teacher: []\n", "teacher is \\[\\]: expected settings"),
        ("student: [mobilenetv3, dymn]\n", "student is .*: expected settings"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text, message):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(SondoError, match=message):
        read_recipe(tmp_path / "r.yaml")


def test_an_unknown_setting_is_named_with_its_dotted_key():
    with pytest.raises(SondoError, match="epoch"):
        make_recipe({"out": "x", "train": {"epoch": 3}})
    with pytest.raises(SondoError, match="train.epochs is 0"):
        make_recipe({"out": "x", "train": {"epochs": 0}})


def test_merging_leaves_both_as_they_were():
    below, above = {"train": {"epochs": 3}}, {"train": {"seed": 1}}
    assert merged(below, above) == {"train": {"epochs": 3, "seed": 1}}
    assert (below, above) == ({"train": {"epochs": 3}}, {"train": {"seed": 1}})


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"batch_size": -1}, {"sample_rate": 0}])
def test_a_teacher_that_could_hear_nothing_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(SondoError, match=f"teacher.{name} is -?[01]: expected"):
        make_recipe({"out": "x", "teacher": wrong})
