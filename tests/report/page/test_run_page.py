"""The page of a run: it stands alone, says what the run says, and finds the clips that are heard otherwise."""

import csv
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from sondo.bank import Bank
from sondo.cli import main
from sondo.errors import SondoError
from sondo.report.page import write_report
from sondo.report.page.closeness import measure_closeness, same_neighbours
from sondo.report.page.notes import read_notes
from sondo.report.page.pictures import draw_curves, draw_maps
from sondo.students import TorchModel, load

RATE = 32_000
SETTINGS = ["--student.width_mult", "0.1", "--train.epochs", "2", "--train.batch_size", "4", "--cluster.k", "2"]
ODD = "<b>&'.wav"


def written_quickly(student, path, **options):
    """Exporting takes seconds and has tests of its own."""
    path.write_bytes(b"x" * 123_456)
    case = {"name": "noise", "batch": 5, "smallest_cosine": 0.99995, "mean_cosine": 1.0, "largest_difference": 2e-5}
    report = {"judged_cosine": 0.99995, "judged": "every clip", "precision": "float32", "largest_difference": 2e-5}
    path.with_name(f"{path.name}.json").write_text(json.dumps(report | {"cases": [case]}))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on labelled sound of which a quarter is held out, one file of an odd name, and one that is broken."""
    root = tmp_path_factory.mktemp("page")
    generator = np.random.default_rng(0)
    rows = []
    for label, level in (("loud", 0.5), ("quiet", 0.01)):
        (root / "sound" / label).mkdir(parents=True)
        for index in range(12):
            file = root / "sound" / label / (ODD if (label, index) == ("quiet", 0) else f"{index}.wav")
            wave = level * generator.standard_normal(16000 + 500 * index)
            soundfile.write(file, wave.clip(-1, 1), RATE, format="WAV")
            rows.append({"path": file, "label": label, "split": "test" if index % 4 == 0 else "train"})
    (root / "sound" / "broken.wav").write_text("no sound at all")
    rows.append({"path": root / "sound" / "broken.wav", "label": "loud", "split": "train"})
    with (root / "all.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    arguments = ["distill", "--manifest", str(root / "all.csv"), "--out", str(root / "run"), *SETTINGS]
    tasks = ["--max_bad_share", "0.1", "--task", "folder", "--data", str(root / "tasks")]
    for label in ("loud", "quiet"):
        shutil.copytree(root / "sound" / label, root / "tasks" / label)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sondo.pipeline.to_onnx", written_quickly)
        patch.setattr(
            "sondo.pipeline.OnnxModel", lambda path: TorchModel(load(path.parent / "student", allow_code=True))
        )
        main([*arguments, *tasks])
    return root / "run"


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "run")


class Page(HTMLParser):
    """What a browser would read, and what it would fetch."""

    def __init__(self, html):
        super().__init__()
        self.text, self.fetched, self.tags = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.fetched += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def page(finished):
    main(["report", str(finished)])
    return Page((finished / "report.html").read_text(encoding="utf-8"))


def test_the_page_needs_nothing_beside_it(page):
    assert page.fetched
    assert all(address.startswith(("data:", "#")) for address in page.fetched)
    assert not {"script", "link", "iframe"} & {*page.tags}


def test_the_page_says_what_the_summary_says(page, finished):
    summary = json.loads((finished / "summary.json").read_text())
    task, alignment = summary["tasks"]["folder"], summary["alignment"]
    low, high = (100 * limit for limit in task["ci95_student"])
    assert alignment["on"] == "held-out clips"
    for said in (
        f"{100 * task['retention']:.1f} % of the teacher's score kept, folder",
        f"{100 * task['student']:.1f} ({low:.1f} to {high:.1f})",
        f"{alignment['cosine']:.3f} mean cosine to the teacher, held-out clips",
        summary["student"]["space_id"],
        "18 clips of 24 were trained on",
        "24 clips of 24 files, 14.1 seconds",  # twice 16,000, 16,500 … 21,500 samples at 32 kHz
        "test 6",
        "0.12 MB",
        "0.999950",
        "its licence (MIT) holds for the student too",
    ):
        assert said in page.words, said
    assert "not finished" not in page.words


def test_a_file_that_was_set_aside_is_named_with_its_reason(page, finished):
    (rejected,) = Bank(finished / "bank.lance").rejected()
    assert "1 file was set aside" in page.words
    assert rejected["uri"] in page.words
    assert rejected["reason"] in page.words


def test_the_name_of_a_file_is_text(page):
    assert f"quiet/{ODD}" in page.words


def test_mean_of_the_cosines_is_the_alignment_of_the_run(finished):
    close = measure_closeness(read_notes(finished), Bank(finished / "bank.lance"))
    summary = json.loads((finished / "summary.json").read_text())
    assert close.cosines["modulation"].mean() == pytest.approx(summary["alignment"]["cosine"], abs=1e-5)
    assert sorted(close.labels) == [("loud",)] * 3 + [("quiet",)] * 3


def with_a_vector_times(run, factor):
    """The bank, where the teacher's vector of a clip that is held out is multiplied, and that clip's row."""
    bank = Bank(run / "bank.lance")
    splits = bank.read(["split"]).column(0).to_pylist()
    row = [index for index, split in enumerate(splits) if split == "test"][2]
    column, origin = "teacher.modulation", bank.origin("teacher.modulation")
    vectors = np.stack(bank.read([column]).column(0).to_pylist()).astype(np.float16)
    vectors[row] *= factor
    kind = pa.list_(pa.float16(), vectors.shape[1])
    bank.add_column(column, kind, iter([pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])]), origin)
    return bank, row


@pytest.mark.slow
def test_a_clip_that_the_teacher_hears_otherwise_comes_first(run):
    bank, row = with_a_vector_times(run, -1)
    first = measure_closeness(read_notes(run), bank).farthest[0]
    uri = bank.take([row], ["uri"]).column(0)[0].as_py()
    assert uri.endswith(first.name)
    assert first.cosine < 0
    np.testing.assert_array_equal(first.log_mel, bank.log_mels([row])[0])


@pytest.mark.slow
def test_a_clip_without_a_direction_is_not_compared_on_the_page_either(run):
    bank, _ = with_a_vector_times(run, 0)
    found = measure_closeness(read_notes(run), bank)
    assert [len(part) for part in (found.names, found.labels, found.cosines["modulation"])] == [5, 5, 5]
    assert 0 not in found.cosines["modulation"]


@pytest.fixture
def told_of(run, monkeypatch):
    """The page's words where the clips of the run are these; the six that are held out stand as they do in the bank."""
    close = measure_closeness(read_notes(run), Bank(run / "bank.lance"))

    def tell(**changed):
        with monkeypatch.context() as patch:
            patch.setattr("sondo.report.page.run.measure_closeness", lambda *_, **__: replace(close, **changed))
            return Page(write_report(run).read_text(encoding="utf-8")).words

    return tell


@pytest.mark.slow
def test_a_clip_counts_in_each_of_its_labels(told_of):
    cosines = {"modulation": np.array([0.5, 0.75, 0.25, 0.5, 0.5, 1.0], dtype=np.float32)}
    labels = [("rain", "water"), ("sea", "water"), ("rain",), ("rain", "water", "dog"), (), ("dog",)]
    words = told_of(cosines=cosines, labels=labels)
    for row in ("rain 3 0.417 0.250", "(no label) 1 0.500 0.500", "water 3 0.583 0.500", "sea 1 0.750", "dog 2 0.750"):
        assert row in words, row
    assert "coloured by the first of a clip's labels" in words
    assert ", rain, water, dog" in words


@pytest.mark.slow
def test_of_several_teachers_the_one_that_is_meant_is_named(told_of, run):
    (run / "summary.json").unlink()  # `sondo train` writes none
    cosines = {"m2d": np.full(6, 0.25, dtype=np.float32), "ast": np.full(6, 0.5, dtype=np.float32)}
    words = told_of(cosines=cosines)
    assert "0.250 mean cosine to m2d, held-out clips" in words
    assert "agrees with its teachers" in words
    assert "the lowest cosine to m2d" in words
    assert "the furthest from m2d first" in words
    words = told_of(cosines={"m2d": cosines["m2d"]})
    assert "0.250 mean cosine to the teacher, held-out clips" in words
    assert "agrees with its teacher " in words


def test_shared_neighbours_are_counted_wherever_they_stand():
    first = np.array([[1, 2], [0, 2], [0, 1]])
    second = np.array([[2, 1], [2, 3], [4, 3]])
    assert same_neighbours(first, second) == pytest.approx((1 + 0.5 + 0) / 3)


def test_a_run_that_is_still_trained_has_its_curves(run):
    shutil.rmtree(run / "student")
    (run / "summary.json").unlink()
    (run / "student.onnx").unlink()
    words = Page(write_report(run).read_text(encoding="utf-8")).words
    assert "Training is not finished" in words
    assert "2 of 2 epochs" in words
    assert "24 clips of 24 files" in words
    assert "Where it agrees" not in words


@pytest.mark.slow
def test_a_run_whose_bank_is_gone_says_the_rest(run, capsys):
    shutil.rmtree(run / "bank.lance")
    words = Page(write_report(run).read_text(encoding="utf-8")).words
    assert "is not there: the report says nothing of its clips" in capsys.readouterr().err
    assert "of the teacher's score kept" in words
    assert "The sound" not in words
    assert f"The bank of this run, {run / 'bank.lance'} , is not there" in words


@pytest.mark.slow
def test_a_bank_that_has_grown_since_is_no_hindrance(run, capsys):
    bank = Bank(run / "bank.lance")
    grown = bank.read(["clip_id", "uri", "offset_s", "duration_s", "split", "fold", "labels", "file_bytes"])
    rest = bank.read(["file_mtime_ns", "frames", "logmel"])
    more = pa.table(
        {**{n: grown.column(n) for n in grown.column_names}, **{n: rest.column(n) for n in rest.column_names}}
    )
    bank.append(more.slice(0, 1))
    words = Page(write_report(run).read_text(encoding="utf-8")).words
    assert "clips lack a vector of modulation" in capsys.readouterr().err
    assert "25 clips of" in words
    assert "Heard otherwise" not in words


def log(folder, version, *rows):
    names = ["epoch", "step", "train_loss", "lr-Adam"]
    file = folder / "logs" / f"version_{version}" / "metrics.csv"
    file.parent.mkdir(parents=True)
    with file.open("w", newline="") as lines:
        table = csv.DictWriter(lines, names)
        table.writeheader()
        table.writerows([dict(zip(names, row, strict=True)) for row in rows])


def test_logs_of_several_calls_are_one_curve(run):
    shutil.rmtree(run / "logs")
    log(run, 0, ("", 0, "", 0.1), (0, 9, 3.0, ""), ("", 10, "", 0.2), (1, 19, 9.0, ""))
    log(run, 2, ("", 10, "", 0.3), (1, 19, 2.0, ""))
    log(run, 10, ("", 20, "", 0.4), (2, 29, 1.0, ""))
    curves = read_notes(run).curves
    assert curves["train_loss"] == [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]
    assert curves["lr-Adam"] == [(0.0, 0.1), (1.0, 0.3), (2.0, 0.4)]


def test_logs_that_are_being_written_are_read_as_far_as_they_are_whole(run):
    shutil.rmtree(run / "logs")
    log(run, 0, (0, 9, 3.0, ""), (1, 19, 2.0, ""))
    shutil.copytree(run / "logs" / "version_0", run / "logs" / "version_old")
    file = run / "logs" / "version_0" / "metrics.csv"
    for torn in ("2", "2,", "2,29", "2,29,1.", "2,29,1.5,"):
        whole = file.read_text()
        file.write_text(whole + torn)
        assert read_notes(run).curves["train_loss"] == [(1.0, 3.0), (2.0, 2.0)], torn
        file.write_text(whole)


@pytest.mark.slow
def test_commands_on_the_page_can_be_typed(run, tmp_path):
    odd = shutil.move(run, tmp_path / "my run")
    (odd / "summary.json").write_text(json.dumps(json.loads((odd / "summary.json").read_text()) | {"tasks": {}}))
    words = Page(write_report(odd).read_text(encoding="utf-8")).words
    assert f"sondo evaluate '{odd}' --task" in words
    assert f"--config '{odd}/recipe.json'" in words


def test_a_dollar_in_a_label_begins_no_formula():
    points = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    svg = draw_maps({"$\\x{ $": points}, ["$_{$", "b", "b", "b"], ["c"] * 4)
    assert "$_{$" in {*ElementTree.fromstring(svg).itertext()}


def test_a_narrow_picture_is_not_stretched_over_the_page():
    points = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    widths = [
        float(re.search(r"max-width: ([\d.]+)rem", draw_maps(maps, [""] * 4, ["c"] * 4))[1])
        for maps in ({"a": points}, {"a": points, "b": points})
    ]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.1)


def test_marks_of_a_map_tell_their_clip():
    points = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    groups, titles = ["rain", "", "rain", "dog"], ["a & b", "<c>", "d", "e"]
    root = ElementTree.fromstring(draw_maps({"the teacher": points, "the student": points}, groups, titles))
    assert sorted(title.text for title in root.iter("{http://www.w3.org/2000/svg}title")) == sorted(titles * 2)


def test_a_single_epoch_is_no_fraction_of_one():
    texts = {*ElementTree.fromstring(draw_curves({"train_loss": [(1.0, 0.5)]})).itertext()}
    assert {"0", "1"} <= texts
    assert not {"0.96", "1.04"} & texts


def test_text_of_pictures_is_text():
    svg = draw_curves({"train_loss": [(1.0, 0.5)], "valid_loss": [(1.0, 0.6)], "train_loss.m2d": [(1.0, 0.5)]})
    assert {"training", "validation", "training, m2d"} <= {*ElementTree.fromstring(svg).itertext()}


@pytest.mark.parametrize(
    ("note", "settings", "message"),
    [
        ("train.json", {"finetune": {}}, "the fine-tuning in .* is not finished"),
        ("recipe.json", {"grid": "table1"}, "holds a run of `sondo reproduce`"),
        ("recipe.json", {"audio": "clips"}, "training has not begun"),
        ("other.json", {}, "holds no run"),
    ],
)
def test_what_cannot_be_reported_is_refused(tmp_path, note, settings, message):
    (tmp_path / note).write_text(json.dumps(settings))
    with pytest.raises(SondoError, match=message):
        write_report(tmp_path)


def test_a_file_in_the_way_is_kept(run, tmp_path, capsys):
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(SystemExit):
        main(["report", str(run), "--out", str(tmp_path / "mine.html")])
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "mine.html").read_text() == "mine"


@pytest.mark.parametrize(("place", "said"), [("folder", "is a folder"), ("mine.html/report.html", "is a file")])
def test_a_place_where_no_page_can_be_is_refused_before_the_work(run, tmp_path, monkeypatch, place, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "mine.html").touch()
    monkeypatch.setattr("sondo.report.page.write.run_content", lambda *_, **__: pytest.fail("clips were heard first"))
    with pytest.raises(SondoError, match=said):
        write_report(run, tmp_path / place, overwrite=True)


def test_no_run_is_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path / "nothing")])
    assert "nothing, and no classifier: give" in capsys.readouterr().err
