"""Several models on the seven tasks: one table, its files, and what is said where something is lacking."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from miniature import BUILDERS
from pyarrow import parquet

from sondo.claim import claim_folder
from sondo.cli import main
from sondo.errors import SondoError
from sondo.evaluate import TRAINED_ON, load_task
from sondo.evaluate.contender import Contender, open_contender
from sondo.evaluate.run import evaluate, evaluate_suite
from sondo.evaluate.scored import score_contender
from sondo.evaluate.suite import SUITES, evaluate_all, find_tasks
from sondo.evaluate.tasks.gtzan_split import SPLIT
from sondo.report import beside_paper, show_suite, write_suite
from sondo.reproduce.paper import paper_table, paper_tasks
from sondo.students import save

FEW = {split: {genre: some[:6] for genre, some in genres.items()} for split, genres in SPLIT.items()}


def spectrum(path):
    """64 bands up to 8 kHz: enough to tell the tones of the miniatures apart."""
    wave, rate = soundfile.read(path)
    power = np.abs(np.fft.rfft(wave)) ** 2
    bands = np.clip(np.fft.rfftfreq(len(wave), 1 / rate) / 8000 * 64, 0, 63).astype(int)
    return np.log(1e-6 + np.bincount(bands, weights=power, minlength=64))


def contender(name="student", *, embed=spectrum, is_teacher=False):
    return Contender(name=name, embed=embed, space=name, embedding_dim=64, num_params=1_500_000, num_bytes=None,
                     licence="MIT", is_teacher=is_teacher)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """All seven tasks, GTZAN with fewer clips of each genre."""
    patch = pytest.MonkeyPatch()
    patch.setattr("miniature.SPLIT", FEW)
    root = tmp_path_factory.mktemp("tasks")
    for build, folder in BUILDERS.values():
        build(root / folder)
    patch.undo()
    return root


@pytest.fixture(autouse=True)
def few_of_gtzan(monkeypatch):
    monkeypatch.setattr("sondo.evaluate.tasks.gtzan.SPLIT", FEW)


@pytest.fixture(scope="module")
def results(root):
    """A teacher, a student that hears the same, and one that hears nothing."""
    patch = pytest.MonkeyPatch()
    patch.setattr("sondo.evaluate.tasks.gtzan.SPLIT", FEW)
    rng = np.random.default_rng(0)
    models = [
        contender("teacher", is_teacher=True),
        contender("a_student"),
        contender("deaf", embed=lambda path: rng.normal(size=64)),
        contender("a_student").cut(8),
    ]
    folders, absent = find_tasks(SUITES["paper"], root)
    results = evaluate_all(models, folders, baselines=[None, 0, 0, 0])
    patch.undo()
    return {"suite": "paper", "absent": absent, **results}


@pytest.mark.slow
def test_all_seven_tasks_are_scored_from_end_to_end(results):
    assert list(results["tasks"]) == list(SUITES["paper"]) == list(paper_tasks())
    metrics = {name: task["metric"] for name, task in results["tasks"].items()}
    assert metrics == {name: task["metric"] for name, task in paper_tasks().items()}
    teacher, student, deaf, cut = results["rows"]
    for name, task in student["tasks"].items():
        assert task["score"] > 0.9, name
        assert task["knn"] > 0.75, name
        assert task["score"] == teacher["tasks"][name]["score"]
        assert task["retention"] == 1
        assert deaf["tasks"][name]["score"] < 0.85, name
    assert "retention" not in teacher["average"]
    assert student["average"]["retention"] == 1
    assert deaf["average"]["score"] == pytest.approx(np.mean([task["score"] for task in deaf["tasks"].values()]))
    teachers = np.mean([task["score"] for task in teacher["tasks"].values()])
    assert deaf["average"]["retention"] == pytest.approx(deaf["average"]["score"] / teachers)
    low, high = deaf["average"]["ci95_retention"]
    assert low < deaf["average"]["retention"] < high
    assert cut["embedding_dim"] == 8
    assert cut["model"] == "a_student, first 8"


def test_a_table_says_once_where_the_teacher_is_at_chance(results, capsys):
    assert not any(task["at_chance"] for task in results["rows"][1]["tasks"].values())
    rows = [dict(row) for row in results["rows"]]
    for row in rows[1:]:
        row["tasks"] = row["tasks"] | {"gtzan": row["tasks"]["gtzan"] | {"chance": 0.1, "at_chance": True}}
    show_suite(results | {"rows": rows})
    assert capsys.readouterr().out.count("GTZAN: teacher cannot be told from chance (10.0)") == 1


def test_a_table_tells_which_model_was_fine_tuned_on_clips_of_a_task(root, tmp_path):
    claim_folder(tmp_path / "run", {"finetune": {}}, note="train.json")
    folder = root / BUILDERS["gtzan"][1]
    paths = [str(path) for path in load_task("gtzan", folder).paths[:3]]
    parquet.write_table(pa.table({"path": paths, "split": ["train", "valid", "train"]}), tmp_path / "run" / TRAINED_ON)
    found = evaluate_all([contender(str(tmp_path / "run"))], {"gtzan": folder}, baselines=[None])
    note = found["tasks"]["gtzan"]["note"]
    assert f"{tmp_path / 'run'}: the score flatters: 2 of the " in note


def test_the_table_has_the_papers_form_and_its_lines(results, capsys, tmp_path):
    table = paper_table("table1")
    with_paper = results | {"paper": beside_paper(table, list(results["tasks"]), all_tasks=list(paper_tasks()))}
    show_suite(with_paper)
    text = capsys.readouterr().out
    for words in ("OpenMIC", "mAP", "GTZAN", "Acc (%)", "1.50 M", "a_student", "10 neighbours", "(100.0 %)"):
        assert words in text
    assert "ESC-50: 30 clips, not the 2,000 that are published" in text
    assert f"{table.rows[0].scores['esc50']:.1f} ±{table.rows[0].ci95['esc50']:.1f}" in text
    assert f"{table.rows[0].scores['average']:.1f} ({table.rows[0].kept_percent:.1f} %)" in text
    assert table.source in text

    paths = write_suite(with_paper, tmp_path)
    assert [path.name for path in paths] == ["evaluation.json", "evaluation.csv", "evaluation.tex"]
    assert json.loads(paths[0].read_text())["rows"] == results["rows"]
    lines = list(csv.reader(paths[1].read_text().splitlines()))
    assert {len(line) for line in lines} == {len(lines[0])}
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    assert {row["params"] for row in rows if row["source"] == "paper"} >= {"2900000"}
    assert all(row["params"].isdigit() for row in rows if row["params"])
    ours = [row for row in rows if row["source"] == "sondo"]
    assert len(ours) == 4 * (7 + 1)
    entry = next(row for row in ours if (row["model"], row["task"]) == ("deaf", "us8k"))
    assert float(entry["score"]) == results["rows"][2]["tasks"]["us8k"]["score"]
    published = next(row for row in rows if (row["source"], row["task"]) == ("paper", "gtzan"))
    assert float(published["score"]) == pytest.approx(table.rows[0].scores["gtzan"] / 100)
    average = next(row for row in rows if (row["source"], row["task"]) == ("paper", "average"))
    assert float(average["score"]) == pytest.approx(table.rows[0].scores["average"] / 100)
    assert float(average["retention"]) == pytest.approx(table.rows[0].kept_percent / 100)
    latex = paths[2].read_text()
    assert "% linear probe, ± half the 95 % interval" in latex
    assert r"a\_student" in latex
    assert r"$\pm$" in latex
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in body} == {10}
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1


def test_names_are_text_in_latex(results, tmp_path):
    rows = [results["rows"][0] | {"model": r"~/50%_of{$x^2$}\&#"}]
    latex = write_suite(results | {"rows": rows}, tmp_path)[2].read_text()
    assert r"\textasciitilde{}/50\%\_of\{\$x\textasciicircum{}2\$\}\textbackslash{}\&\# & 1.50 M" in latex


def test_absent_tasks_are_listed_and_the_average_says_over_what(results, capsys):
    some = results | {"tasks": {"esc50": results["tasks"]["esc50"]}, "absent": {"us8k": "not in x: looked for us8k"}}
    some["rows"] = [row | {"tasks": {"esc50": row["tasks"]["esc50"]}} for row in results["rows"]]
    table = paper_table("table1")
    show_suite(some | {"paper": beside_paper(table, ["esc50"], all_tasks=list(paper_tasks()))})
    text = capsys.readouterr().out
    assert "absent: us8k, not in x: looked for us8k" in text
    assert "averages are taken over the tasks that were scored here" in text
    assert f"({table.rows[0].kept_percent:.1f} %)" not in text


def test_the_paper_has_no_lines_for_tasks_that_it_has_not(results, capsys):
    show_suite(results | {"paper": beside_paper(paper_table("table1"), ["folder"], all_tasks=list(paper_tasks()))})
    text = capsys.readouterr().out
    assert "paper: mobilenetv3" not in text
    assert "it has none of these tasks" in text


def test_tasks_are_found_under_their_own_and_their_published_names(tmp_path):
    for name in ("ESC-50-master", "nsynth", "urbansound8k"):
        (tmp_path / name).mkdir()
    found, absent = find_tasks(SUITES["paper"], tmp_path)
    assert {name: path.name for name, path in found.items()} == {
        "esc50": "ESC-50-master",
        "nsynth": "nsynth",
        "us8k": "urbansound8k",
    }
    assert absent["fsd50k"] == f"not in {tmp_path}: looked for fsd50k, FSD50K"
    with pytest.raises(SondoError, match="holds none of the tasks. Looked for the folders openmic: openmic"):
        find_tasks(SUITES["paper"], tmp_path / "nsynth")
    with pytest.raises(SondoError, match="no such folder"):
        find_tasks(SUITES["paper"], tmp_path / "none")


@pytest.mark.slow
def test_draws_of_the_training_clips_widen_the_intervals(root):
    folder = root / BUILDERS["us8k"][1]
    rng = np.random.default_rng(1)

    def half_deaf(path):
        return spectrum(path) + 12 * rng.normal(size=64)

    cut = {}
    for seeds in (0, 4):
        rng = np.random.default_rng(1)
        rows = evaluate_all([contender("t", is_teacher=True), contender(embed=half_deaf)], {"us8k": folder},
                            baselines=[None, 0], seeds=seeds)["rows"]  # fmt: skip
        cut[seeds] = rows[1]["tasks"]["us8k"]
    assert cut[0]["score"] == cut[4]["score"]
    assert len(cut[4]["per_seed"]) == 4
    assert cut[4]["ci95"][0] < cut[0]["ci95"][0]
    assert cut[4]["ci95_retention"][0] < cut[0]["ci95_retention"][0]


@pytest.mark.slow
def test_a_table_that_was_interrupted_goes_on_without_a_second_probe(root, tmp_path, monkeypatch):
    folders = {name: root / BUILDERS[name][1] for name in ("us8k", "fsd50k")}
    models, settings = [contender("teacher", is_teacher=True), contender()], {"baselines": [None, 0], "cache": tmp_path}
    first = evaluate_all(models, folders, **settings)

    def never(*_, **__):
        raise AssertionError("probed again")

    monkeypatch.setattr("sondo.evaluate.scored.evaluate_vectors", never)
    assert evaluate_all(models, folders, **settings) == first
    with pytest.raises(AssertionError, match="probed again"):
        evaluate_all([contender("other")], folders, baselines=[None], cache=tmp_path)
    with pytest.raises(AssertionError, match="probed again"):
        evaluate_all([contender().cut(9)], folders, baselines=[None], cache=tmp_path)
    kept = next((tmp_path / "us8k" / "student").glob("scores-*.npz"))
    for damaged in (b"nothing", kept.read_bytes()[:100]):
        kept.write_bytes(damaged)
        with pytest.raises(SondoError, match=r"scores-.*\.npz cannot be read .*remove it"):
            evaluate_all(models, folders, **settings)


@pytest.fixture
def model(tmp_path, student):
    return save(student, tmp_path / "student")


@pytest.mark.slow
def test_the_verb_prints_the_table_and_writes_its_files(root, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = tmp_path / "few"
    few.mkdir()
    (few / "ESC-50-master").symlink_to(root / "ESC-50-master")
    arguments = ["evaluate", str(model), "teacher:modulation", "--suite", "paper", "--data", str(few), "--dim", "[8]"]
    main([*arguments, "--compare", "--json", "all.json"])
    said = capsys.readouterr()
    for words in ("teacher:modulation", "first 8", "fsd50k", "absent", "paper: mobilenetv3 from matpac", "written: "):
        assert words in said.out
    values = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert values == json.loads((tmp_path / "all.json").read_text())
    assert [row["model"] for row in values["rows"]] == ["teacher:modulation", str(model), f"{model}, first 8"]
    assert values["rows"][1]["baseline"] == "teacher:modulation"
    assert values["rows"][2]["space"] == values["rows"][1]["space"]
    assert len(list((tmp_path / "evaluation" / "vectors" / "esc50").iterdir())) == 2
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "evaluation").rglob("part-*.npy")}
    main([*arguments, "--compare"])
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())["rows"] == values["rows"]


def test_what_was_scored_is_written_where_a_later_task_fails(root, tmp_path, monkeypatch, capsys):
    (tmp_path / "few").mkdir()
    for name in ("us8k", "esc50"):
        (tmp_path / "few" / name).symlink_to(root / BUILDERS[name][1])

    def score(task, *arguments, **settings):
        if task.name == "us8k":
            raise SondoError("7.wav cannot be decoded")
        return score_contender(task, *arguments, **settings)

    monkeypatch.setattr("sondo.evaluate.suite.score_contender", score)
    monkeypatch.setattr("sondo.evaluate.run.open_contender", lambda *_, **__: contender())
    out = tmp_path / "out"
    with pytest.raises(SystemExit):
        main(["evaluate", "student", "--suite", "paper", "--data", str(tmp_path / "few"), "--out", str(out)])
    assert "7.wav cannot be decoded" in capsys.readouterr().err
    values = json.loads((out / "evaluation.json").read_text())
    assert list(values["rows"][0]["tasks"]) == list(values["tasks"]) == ["esc50"]
    assert values["absent"]["us8k"] == "not scored yet"
    assert "us8k, not scored yet" in (out / "evaluation.tex").read_text()


@pytest.mark.parametrize(("settings", "asks"), [({}, True), ({"finetune": {}}, False)])
def test_a_run_that_does_not_know_its_teacher_asks_for_it(settings, asks, two_classes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sondo.evaluate.run.open_contender", lambda *_, **__: contender())
    two_classes(tmp_path / "data")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train.json").write_text(json.dumps(settings))
    found = evaluate(tmp_path / "run", task="folder", data=tmp_path / "data")
    assert found["retention"] is None
    assert ("name its teacher (--teacher)" in capsys.readouterr().err) is asks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "x"], "name what to score on: --task NAME"),
        (["--task", "esc50", "--suite", "paper", "--data", "x"], "--task esc50 and --suite paper: give one, not both"),
        (["--suite", "papers", "--data", "x"], "No suite is called 'papers'. There are: paper."),
        (["--suite", "paper", "--data", "x", "--seeds", "1"], "one draw has no spread"),
        (["--suite", "paper", "--data", "nowhere"], "no such folder: nowhere"),
        (["--suite", "paper", "--data", ".", "--dim", "[4000]"], "--dim 4000, but its vectors have"),
    ],
)
def test_a_mistake_gets_one_message(arguments, message, model, root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit):
        main(["evaluate", str(model), *arguments])
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err


def test_the_int8_file_of_a_student_does_not_get_the_vectors_of_the_other(tmp_path, monkeypatch):
    def fake(path, **_):
        return SimpleNamespace(
            path=path, embed=spectrum, space_id="one.space", embedding_dim=64, at_once=1, licence="MIT"
        )

    monkeypatch.setattr("sondo.evaluate.contender.load", fake)
    files = [tmp_path / "student.onnx", tmp_path / "student_int8.onnx"]
    for content, path in enumerate(files):
        path.write_bytes(bytes([content]) * 2_000_000)
    spaces = [open_contender(path).space for path in files]
    assert spaces[0] != spaces[1]
    assert all(space.startswith("one.space.") for space in spaces)
    assert open_contender(files[0]).num_bytes == 2_000_000


@pytest.mark.slow
def test_the_first_teacher_among_the_models_is_whom_all_are_compared_with(root, monkeypatch):
    def fake(model, **_):
        return contender(model, is_teacher=model.startswith("teacher:"))

    monkeypatch.setattr("sondo.evaluate.run.open_contender", fake)
    results = evaluate_suite(["a", "teacher:x", "b", "teacher:y"], data=root / "ESC-50-master", task="esc50", dims=[4])
    assert results["suite"] is None
    assert [(row["model"], row["baseline"]) for row in results["rows"]] == [
        ("teacher:x", None),
        ("teacher:y", None),
        ("a", "teacher:x"),
        ("a, first 4", "teacher:x"),
        ("b", "teacher:x"),
        ("b, first 4", "teacher:x"),
    ]


def test_an_unknown_teacher_is_answered_with_the_known_ones(root):
    with pytest.raises(SondoError, match="no teacher is called 'nobody'"):
        evaluate_suite(["teacher:nobody@weights.ckpt"], data=root, task="esc50")
