"""The whole way on little sound: a folder in, a student, a file and a summary out, each figure where it belongs."""

import json
import shutil

import numpy as np
import pytest

import sondo
from sondo.cli import main
from sondo.export.precision import LEAST_COSINE
from sondo.report.tables import show_summary
from sondo.students import TorchModel, load

SETTINGS = ["--student.width_mult", "0.1", "--train.epochs", "2", "--train.batch_size", "4"]


@pytest.fixture(scope="module")
def finished(half_a_second, two_classes, tmp_path_factory):
    """A run on labelled sound of two classes, and what it printed."""
    root = tmp_path_factory.mktemp("whole")
    two_classes(root / "sound")
    arguments = ["distill", "--audio", str(root / "sound"), "--out", str(root / "run"), *SETTINGS]
    with half_a_second():
        main([*arguments, "--task", "folder", "--data", str(root / "sound")])
    return root


def written_quickly(student, path, **options):
    """Exporting takes seconds and has tests of its own."""
    path.write_bytes(b"a network with frames" if options.get("frames") else b"a network")
    report = {"judged_cosine": 1.0, "judged": "every clip", "precision": options.get("precision", "float32")}
    path.with_name(f"{path.name}.json").write_text(json.dumps(report))
    return path


@pytest.fixture
def quick_export(monkeypatch):
    monkeypatch.setattr("sondo.pipeline.to_onnx", written_quickly)
    monkeypatch.setattr(
        "sondo.pipeline.OnnxModel", lambda path: TorchModel(load(path.parent / "student", allow_code=True))
    )


@pytest.mark.slow
def test_the_summary_has_the_figures_of_the_design(finished):
    summary = json.loads((finished / "run" / "summary.json").read_text())
    assert summary["teacher"]["name"] == "modulation"
    assert summary["student"]["params"] < 100_000
    task = summary["tasks"]["folder"]
    assert task["metric"] == "accuracy"
    assert task["retention"] == pytest.approx(task["student"] / task["teacher"])
    assert summary["export"]["onnx"]["cosine_to_torch"] >= 0.9999
    assert summary["export"]["onnx"]["bytes"] == (finished / "run" / "student.onnx").stat().st_size
    assert {"ingest", "teach", "cluster", "train", "export", "evaluate"} <= set(summary["seconds"])


@pytest.mark.slow
def test_the_screen_says_what_the_summary_says(finished, capsys):
    sound, out = str(finished / "sound"), str(finished / "run")
    main(["distill", "--audio", sound, "--out", out, *SETTINGS, "--task", "folder", "--data", sound])
    said = capsys.readouterr()
    assert "is finished" in said.err
    task = json.loads((finished / "run" / "summary.json").read_text())["tasks"]["folder"]
    assert f"{100 * task['student']:.1f}" in said.out
    assert f"{100 * task['retention']:.1f} %" in said.out


@pytest.mark.slow
def test_the_screen_tells_of_the_files_of_a_run_that_was_copied(finished, tmp_path, capsys, monkeypatch):
    sound, out = str(finished / "sound"), tmp_path / "copy"
    shutil.copytree(finished / "run", out)
    main(["distill", "--audio", sound, "--out", str(out), *SETTINGS, "--task", "folder", "--data", sound])
    said = capsys.readouterr().out
    assert f"{out / 'student.onnx'}: " in said
    assert str(finished / "run") not in said
    assert "took, when it ran, " in said
    monkeypatch.setattr("sondo.exporting.to_onnx", written_quickly)
    main(["export", str(out), "--weights", "float16", "--out", str(out / "student.onnx"), "--overwrite"])
    assert {*json.loads((out / "summary.json").read_text())["export"]} == {"onnx_float16"}


@pytest.mark.slow
def test_the_file_and_the_folder_give_the_same_vector(finished):
    sound = finished / "sound" / "loud" / "3.wav"
    from_file = sondo.load(finished / "run" / "student.onnx")
    from_folder = sondo.load(finished / "run")
    assert from_file.space_id == from_folder.space_id
    assert from_file.licence == from_folder.licence == "MIT"
    assert from_file.embed(sound) == pytest.approx(from_folder.embed(sound), abs=1e-4)


@pytest.mark.slow
def test_embed_writes_what_the_model_gives(finished, tmp_path):
    out = tmp_path / "vectors.npz"
    main(["embed", str(finished / "run" / "student.onnx"), str(finished / "sound" / "loud"), "--out", str(out)])
    stored = np.load(out)
    assert stored["embeddings"].shape == (8, 2 * (8 + 8 + 8 + 8 + 16 + 16 + 96 + 128))
    expected = sondo.load(finished / "run" / "student.onnx").embed(str(stored["names"][2]))
    assert stored["embeddings"][2] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_the_summary_says_what_files_there_are(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sondo.exporting.to_onnx", written_quickly)
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)

    def files():
        return json.loads((run / "summary.json").read_text())["export"]

    main(["export", str(run), "--weights", "float16"])
    about = files()["onnx_float16"]
    assert about["bytes"] == (run / "student.float16.onnx").stat().st_size
    assert (about["precision"], about["judged"]) == ("float16", "every clip")
    main(["export", str(run), "--frames", "--overwrite"])
    assert files()["onnx"]["bytes"] == (run / "student.onnx").stat().st_size
    main(["export", str(run), "--weights", "float16", "--out", str(run / "student.onnx"), "--overwrite"])
    assert {name: about["path"] for name, about in files().items()} == {"onnx_float16": str(run / "student.onnx")}
    main(["export", str(run), "--weights", "float16", "--out", str(tmp_path / "elsewhere.onnx")])
    main(["export", str(run), "--frames", "--out", str(run / "frames.onnx")])
    assert {*files()} == {"onnx_float16", "frames.onnx"}
    capsys.readouterr()
    show_summary(json.loads((run / "summary.json").read_text()), run)
    assert f"{run / 'student.onnx'}: " in capsys.readouterr().out


@pytest.mark.slow
def test_export_in_int8_is_measured_on_the_task_of_the_run(finished, half_a_second, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(LEAST_COSINE, "int8", 0.9)  # nine clips are too few to calibrate with
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)
    with half_a_second():
        main(["export", str(run), "--int8"])
    about = json.loads((run / "summary.json").read_text())["export"]["onnx_int8"]
    assert about["bytes"] == (run / "student.int8.onnx").stat().st_size
    assert 0.9 <= about["cosine_to_torch"] < 1
    arguments = ["--task", "folder", "--data", str(finished / "sound"), "--json", str(tmp_path / "kept.json")]
    for key, path in (("score", run / "student.int8.onnx"), ("float32", run)):
        main(["evaluate", str(path), *arguments])
        assert json.loads((tmp_path / "kept.json").read_text())["folder"]["student"] == pytest.approx(about[key])
    assert about["retention"] == pytest.approx(about["score"] / about["float32"])
    assert f"{100 * about['score']:.1f}" in capsys.readouterr().out


@pytest.mark.slow
def test_evaluate_finds_the_teacher_of_the_run(finished, tmp_path):
    arguments = [str(finished / "run"), "--task", "folder", "--data", str(finished / "sound")]
    main(["evaluate", *arguments, "--json", str(tmp_path / "kept.json")])
    kept = json.loads((tmp_path / "kept.json").read_text())["folder"]
    task = json.loads((finished / "run" / "summary.json").read_text())["tasks"]["folder"]
    assert kept["teacher"] == pytest.approx(task["teacher"])
    assert kept["student"] == pytest.approx(task["student"])


@pytest.mark.slow
def test_evaluate_takes_a_file_and_a_named_teacher(finished, tmp_path):
    arguments = [str(finished / "run" / "student.onnx"), "--task", "folder", "--data", str(finished / "sound")]
    main(["evaluate", *arguments, "--json", str(tmp_path / "alone.json")])
    assert json.loads((tmp_path / "alone.json").read_text())["folder"]["teacher"] is None
    main(["evaluate", *arguments, "--teacher", "modulation", "--json", str(tmp_path / "kept.json")])
    assert json.loads((tmp_path / "kept.json").read_text())["folder"]["retention"] > 0


@pytest.mark.slow
def test_export_again_needs_overwrite(finished, tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit):
        main(["export", str(finished / "run"), "--format", "onnx"])
    assert "--overwrite" in capsys.readouterr().err
    monkeypatch.setattr("sondo.exporting.to_onnx", written_quickly)
    main(["export", str(finished / "run"), "--overwrite", "--out", str(tmp_path / "again.onnx")])
    assert "smallest cosine to torch" in capsys.readouterr().out


@pytest.mark.slow
def test_the_stages_by_hand_give_the_student_of_the_whole_way(finished, tmp_path):
    bank = str(tmp_path / "b.lance")
    main(["ingest", "--audio", str(finished / "sound"), "--bank", bank])
    main(["teach", "--bank", bank, "--teacher", "modulation"])
    main(["cluster", "--bank", bank, "--teacher", "modulation"])
    main(["train", "--bank", bank, "--teacher", "modulation", "--out", str(tmp_path / "run"), *SETTINGS])
    by_hand = (tmp_path / "run" / "student" / "model.safetensors").read_bytes()
    assert by_hand == (finished / "run" / "student" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_from_python_with_an_own_teacher(finished, tmp_path, quick_export):
    class Loudness:
        name, sample_rate, embedding_dim = "loudness", 16000, 2

        def embed(self, audio):
            return audio.square().mean(1, keepdim=True).sqrt() * audio.new_tensor([1.0, -2.0])

    train = sondo.recipe.TrainConfig(epochs=1, batch_size=4)
    student = sondo.recipe.StudentConfig(width_mult=0.1)
    out = tmp_path / "run"
    summary = sondo.distill(audio=finished / "sound", out=out, teacher=Loudness(), student=student, train=train)
    assert summary["teacher"]["name"] == "loudness"
    assert (out / "student.onnx").is_file()
    main(
        [
            "evaluate",
            str(out),
            "--task",
            "folder",
            "--data",
            str(finished / "sound"),
            "--json",
            str(tmp_path / "k.json"),
        ]
    )
    assert json.loads((tmp_path / "k.json").read_text())["folder"]["retention"] is None


@pytest.mark.slow
def test_vectors_from_elsewhere_teach_and_are_never_asked_to_listen(finished, tmp_path, capsys, quick_export):
    files = sorted((finished / "sound").rglob("*.wav"))
    np.save(tmp_path / "v.npy", np.random.default_rng(0).standard_normal((len(files), 3)).astype(np.float32))
    (tmp_path / "v.json").write_text(json.dumps([str(file) for file in files]))
    teacher = ["--teacher", "precomputed", "--teacher.checkpoint", str(tmp_path / "v.npy")]
    arguments = ["distill", "--audio", str(finished / "sound"), "--out", str(tmp_path / "run"), *SETTINGS, *teacher]
    task = ["--task", "folder", "--data", str(finished / "sound")]
    with pytest.raises(SystemExit):
        main([*arguments, *task])
    assert "leave out --task and --data" in capsys.readouterr().err
    main(arguments)
    main(["evaluate", str(tmp_path / "run"), *task])
    assert "this is the student by itself" in capsys.readouterr().err


MINE = """
import torch

def make_student():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 5, stride=4), torch.nn.BatchNorm2d(6), torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    )

def levels(audio):
    return torch.stack([audio.abs().mean(1), audio.std(1), audio.abs().amax(1)], dim=1)
"""


@pytest.mark.slow
def test_an_own_student_learns_from_two_teachers(finished, tmp_path, monkeypatch, capsys, quick_export):
    (tmp_path / "whole_way_mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    sound = str(finished / "sound")
    teachers = ["--teacher", "whole_way_mine:levels", "--teacher.sample_rate", "16000", "--teacher.label", "levels"]
    student = ["--student", "whole_way_mine:make_student", "--train.epochs", "1", "--train.batch_size", "4"]
    task = ["--task", "folder", "--data", sound]
    main(["distill", "--audio", sound, "--out", "run", *teachers, "--teacher", "modulation", *student, *task])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [teacher["name"] for teacher in summary["teachers"]] == ["levels", "modulation"]
    scores = summary["tasks"]["folder"]["teachers"]
    assert set(scores) == {"levels", "modulation"}
    assert all(score["retention"] == pytest.approx(score["student"] / score["teacher"]) for score in scores.values())
    assert summary["student"]["embedding_dim"] == 6
    said = capsys.readouterr().out
    assert "folder (levels)" in " ".join(said.split())
    assert "\ntook " in said
    assert "when it ran" not in said
    with pytest.raises(SystemExit):
        main(["export", "run", "--overwrite"])
    assert "--allow_code" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr("sondo.exporting.to_onnx", written_quickly)
    main(["export", "run", "--overwrite", "--allow-code"])
