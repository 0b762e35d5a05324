"""The model card: front matter that the hub's own reader takes, and the figures of the run in words."""

import pytest
from huggingface_hub import ModelCard

from sondo.students.card import CardFile, model_card

CONFIG = {
    "student": {"name": "mobilenetv3", "options": {"width_mult": 0.4}},
    "embedding_dim": 960,
    "front_end": {"sample_rate": 32000},
    "projector": {"hidden_dim": None, "embedding_dim": 24},
    "space_id": "mobilenetv3-0.4.toy.960d.0123456789ab",
    "licence": "MIT",
    "info": {"teacher": {"name": "toy", "fingerprint": "f", "licence": "MIT"}},
}
SCORE = {
    "metric": "accuracy",
    "teacher": 0.9125,
    "student": 0.8975,
    "ci95_teacher": [0.8646, 0.9603],
    "ci95_student": [0.8491, 0.9459],
    "retention": 0.98356,
    "ci95_retention": [0.9533, 1.0138],
}
FILES = [CardFile(name="student.onnx", num_bytes=2083670, precision="float32", cosine_to_torch=0.99999)]


def card(config=CONFIG, **options):
    return model_card(config, **({"num_params": 516128, "repository": "me/first", "files": FILES} | options))


def data(text):
    return ModelCard(text).data


def taught_by(*names):
    each = [{"name": name, "fingerprint": "f", "licence": "MIT"} for name in names]
    return CONFIG | {
        "info": {"teacher": {"name": "+".join(names)}, "teachers": each} if each[1:] else {"teacher": each[0]}
    }


def test_the_hubs_reader_finds_scores_and_retention():
    found = data(card(summary={"tasks": {"esc10": SCORE}}))
    assert (found.library_name, found.pipeline_tag, found.license) == ("sondo", "feature-extraction", "mit")
    assert {"audio", "onnx"} <= set(found.tags)
    assert found.model_name == "me/first"
    results = {result.metric_type: (result.dataset_name, result.metric_value) for result in found.eval_results}
    assert results == {"accuracy": ("esc10", 0.8975), "retention": ("esc10", 0.9836)}


@pytest.mark.parametrize(
    ("licence", "license", "name"),
    [
        ("MIT", "mit", None),
        ("Apache-2.0", "apache-2.0", None),
        ("cc-by-nc-4.0", "cc-by-nc-4.0", None),
        ("unknown (github.com/x/y states none)", "unknown", None),
        (
            "NTT evaluation only, non-commercial (LICENSE.pdf)",
            "other",
            "ntt-evaluation-only-non-commercial-license.pdf",
        ),
        ("a: MIT; b: apache-2.0", "other", "a-mit-b-apache-2.0"),
    ],
)
def test_a_licence_is_in_the_hubs_words_and_in_full(licence, license, name):
    text = card(CONFIG | {"licence": licence})
    assert (data(text).license, data(text).get("license_name")) == (license, name)
    assert f"| licence | {licence} |" in text


@pytest.mark.parametrize(
    ("teachers", "models"),
    [
        (["hf:laion/clap-htsat-unfused"], ["laion/clap-htsat-unfused"]),
        (["hf:./ast"], None),
        (["hf:/home/ast"], None),
        (["modulation"], None),
        (["modulation", "hf:openai/whisper-tiny"], ["openai/whisper-tiny"]),
    ],
)
def test_a_teacher_of_the_hub_is_the_base_model(teachers, models):
    assert data(card(taught_by(*teachers))).base_model == models


def test_nothing_is_kept_of_a_teacher_at_chance():
    at_chance = card(summary={"tasks": {"esc10": SCORE | {"chance": 0.9, "at_chance": True}}})
    assert "(teacher at chance)" in at_chance
    assert "98.4" not in at_chance
    assert "type: retention" not in at_chance


def test_the_text_has_the_repositorys_own_name_and_every_figure():
    text = card(summary={"tasks": {"esc10": SCORE}})
    assert 'sondo.load("me/first")' in text
    assert 'sondo.load("hf://me/first/student.onnx")' in text
    assert "| esc10, accuracy | 91.2 (86.5 to 96.0) | 89.8 (84.9 to 94.6) | 98.4 (95.3 to 101.4) |" in text
    assert "| `student.onnx` | 2,083,670 | float32 | 0.999990 |" in text
    assert CONFIG["space_id"] in text
    assert "sondo index clips/ --model me/first" in text
    assert "--model teacher:toy" in text
    assert "516,128 parameters" in text


@pytest.mark.parametrize(
    ("supervised", "teacher", "words", "is_distilled"),
    [
        (0.0, {"name": "toy"}, ", distilled from toy with sondo", True),
        (0.5, {"name": "toy"}, ", distilled from toy and from labels with sondo", True),
        (1.0, {}, ", trained on labels alone with sondo", False),
    ],
)
def test_labels_that_it_learned_from_are_named(supervised, teacher, words, is_distilled):
    text = card(CONFIG | {"info": {"teacher": teacher, "training": {"supervised": supervised}}})
    assert words in text
    assert ("knowledge-distillation" in data(text).tags) == is_distilled


def test_each_of_several_teachers_has_a_row():
    tasks = {"esc10": SCORE | {"teachers": {"a": SCORE, "b": SCORE | {"teacher": 0.5}}}}
    text = card(taught_by("a", "b"), summary={"tasks": tasks})
    assert "| esc10 (a), accuracy | 91.2" in text
    assert "| esc10 (b), accuracy | 50.0" in text


def test_what_is_not_there_is_not_spoken_of():
    bare = CONFIG | {"projector": None, "info": {}}
    text = card(bare, num_params=None, files=[], repository=None)
    assert 'sondo.load("this folder")' in text
    assert "none: these weights were not distilled" in text
    absent = ("What it keeps", "## Files", "## Search", "student.onnx", "parameters", "None")
    assert [words for words in absent if words in text] == []
    assert data(text).eval_results is None
    without_teacher = card(summary={"tasks": {"esc10": SCORE | {"teacher": None, "retention": None}}})
    assert "| esc10, accuracy | - | 89.8" in without_teacher


def test_a_network_of_ones_own_needs_its_code():
    text = card(CONFIG | {"student": {"name": "mymodels:network", "options": {}}})
    assert 'sondo.load("me/first", allow_code=True)' in text
    assert "`mymodels:network`, which is not here" in text


TUNED = {
    "classes": ["dog", "a\nb"],
    "metric": "accuracy",
    "clips": {"train": 80, "valid": 20, "test": 10},
    "valid": {"score": 0.5, "ci95": [0.299, 0.699]},
    "test": {"score": 0.7, "ci95": [0.4, 0.9]},
}


def test_a_fine_tuned_student_has_its_classes_and_the_score_that_counts():
    text = card(summary=TUNED)
    assert "## Its 2 classes\n\n`dog`, `a b`\n" in text
    assert "accuracy 70.0 (40.0 to 90.0) % on 10 clips of its own data, kept back until the end" in text
    (result,) = data(text).eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.7)
    text = card(summary={key: value for key, value in TUNED.items() if key != "test"})
    assert "accuracy 50.0 (29.9 to 69.9) % on 20 clips of its own data, which chose the epoch" in text
    assert data(text).eval_results is None


@pytest.mark.parametrize("licence", ["unknown", "a: MIT; b: unknown", "unknown (github.com/x/y states none)"])
def test_a_licence_that_is_not_known_is_to_be_found_out(licence):
    text = card(taught_by("a", "b") | {"licence": licence})
    assert "Find it out before you hand this student on" in text
    assert "it hands down" not in text
