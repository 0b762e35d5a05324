"""`sondo push`: what goes to the hub and what never does, in one commit; and what is said where it cannot go."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCard

import sondo
from sondo.cli import main
from sondo.errors import SondoError
from sondo.students import create, save
from sondo.weights import home
from sondo.weights.cache import record

TEACHER = {"name": "toy", "fingerprint": "f", "licence": "MIT", "embedding_dim": 5}
SCORE = {"metric": "accuracy", "teacher": 0.9, "student": 0.8, "ci95_teacher": [0.8, 1.0], "ci95_student": [0.7, 0.9]}


def report_of(name, space_id):
    return json.dumps(
        {"path": f"/machine/{name}", "space_id": space_id, "precision": "float32", "judged_cosine": 0.99999}
    )


@pytest.fixture
def run_folder(student, tmp_path):
    """The folder of a finished run, with all that must stay here."""
    run = tmp_path / "run"
    initial = {"init": str(tmp_path / "weights.pt"), "epochs": 3}
    save(student, run / "student", projector=student.make_projector(5), info={"teacher": TEACHER, "training": initial})
    for name in ("student.onnx", "student.int8.onnx", "student.tflite", "student.pte"):
        (run / name).write_bytes(b"exported")
        (run / f"{name}.json").write_text(report_of(name, student.space_id))
    summary = {
        "student": {"name": "mobilenetv3", "params": 7},
        "bank": {"path": str(run / "bank.lance"), "clips": 400},
        "tasks": {"esc10": SCORE | {"retention": 0.9, "ci95_retention": [0.8, 1.0]}},
        "export": {
            "onnx": {"path": str(run / "student.onnx")},
            "onnx_int8": {"refused": f"{run}/x.onnx was not written"},
        },
    }
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "recipe.json").write_text(json.dumps({"audio": str(tmp_path)}))
    (run / "train.json").write_text("{}")
    for name in ("bank.lance", "logs", "checkpoints"):
        (run / name).mkdir()
        (run / name / "private").write_text("sound")
    return run


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The hub's client, which keeps what it is given: `files` by name, and the messages of its `commits`."""
    state = SimpleNamespace(
        files={".gitattributes": b""}, commits=[], made=[], branches=[], is_private=True, error=None
    )

    class Api:
        def __init__(self, **options):
            assert options["library_name"] == "sondo"

        def create_repo(self, repo_id, *, private=None, exist_ok=False):
            assert exist_ok
            state.made.append((repo_id, private))
            if state.error is not None:
                raise state.error

        def model_info(self, repo_id):
            return SimpleNamespace(private=state.is_private)

        def create_branch(self, repo_id, *, branch, exist_ok=False):
            state.branches.append(branch)

        def list_repo_files(self, repo_id, *, revision=None):
            return list(state.files)

        def create_commit(self, repo_id, operations, *, commit_message, revision=None):
            for operation in operations:
                content = getattr(operation, "path_or_fileobj", None)
                if content is None:
                    del state.files[operation.path_in_repo]
                else:
                    is_bytes = isinstance(content, bytes)
                    state.files[operation.path_in_repo] = content if is_bytes else Path(content).read_bytes()
            state.commits.append((commit_message, revision))
            return SimpleNamespace(oid=f"commit{len(state.commits)}")

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_token")
    monkeypatch.setenv("SONDO_HOME", str(tmp_path / "home"))
    for name in ("SONDO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return state


EXPORTED = {"student.onnx", "student.int8.onnx", "student.tflite", "student.pte"}
WEIGHTS = {"config.json", "model.safetensors", "projector.safetensors"}


def test_a_run_goes_in_one_commit_and_nothing_else_of_it(run_folder, hub, capsys):
    address = sondo.push_to_hub(run_folder, "me/first", message="the first")
    assert address == "https://huggingface.co/me/first"
    reports = {f"{name}.json" for name in EXPORTED}
    assert set(hub.files) - {".gitattributes"} == WEIGHTS | EXPORTED | reports | {"README.md", "summary.json"}
    assert hub.commits == [("the first", None)]
    assert hub.made == [("me/first", None)]
    weights = run_folder / "student" / "model.safetensors"
    assert hub.files["model.safetensors"] == weights.read_bytes()
    said = capsys.readouterr().err
    assert all(name in said for name in hub.files if name != ".gitattributes")
    assert f"{weights.stat().st_size:,} bytes  model.safetensors" in said
    assert "licence: MIT, handed down by toy" in said


def test_no_path_of_this_machine_goes(run_folder, hub, tmp_path):
    sondo.push_to_hub(run_folder, "me/first")
    texts = {name: content.decode() for name, content in hub.files.items() if name.endswith((".json", ".md"))}
    assert [name for name, text in texts.items() if str(tmp_path) in text or "/machine" in text] == []
    assert json.loads(texts["student.onnx.json"])["path"] == "student.onnx"
    summary = json.loads(texts["summary.json"])
    assert summary["tasks"]["esc10"]["student"] == 0.8
    assert summary["export"] == {"onnx": {"path": "student.onnx"}}
    assert json.loads(texts["config.json"])["info"]["training"] == {"init": "weights.pt", "epochs": 3}


def test_what_went_is_a_student_that_opens(run_folder, hub, student, tmp_path):
    sondo.push_to_hub(run_folder, "me/first")
    for name, content in hub.files.items():
        (tmp_path / "there" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "there" / name).write_bytes(content)
    assert sondo.load(tmp_path / "there").space_id == student.space_id


def test_the_card_is_of_the_repository(run_folder, hub, student):
    sondo.push_to_hub(run_folder, "me/first")
    card = ModelCard(hub.files["README.md"].decode())
    assert card.data.model_name == "me/first"
    assert {result.metric_type for result in card.data.eval_results} == {"accuracy", "retention"}
    assert set(card.data.tags) >= {"onnx", "litert", "executorch"}
    assert f"{student.num_params:,} parameters" in card.text
    assert "| `student.int8.onnx` | 8 |" in card.text


def test_the_folder_of_a_student_goes_alone(run_folder, hub, capsys):
    sondo.push_to_hub(run_folder / "student", "hf://me/first")
    assert set(hub.files) - {".gitattributes"} == WEIGHTS | {"README.md"}
    assert "there is no student.onnx: who has no torch cannot open this" in capsys.readouterr().err


def test_a_path_that_a_teacher_is_named_by_is_pointed_out(student, hub, tmp_path, capsys):
    save(student, tmp_path / "s", info={"teacher": TEACHER | {"name": f"hf:{tmp_path}/ast"}})
    sondo.push_to_hub(tmp_path / "s", "me/first")
    assert f"a path of this machine, goes with its student: hf:{tmp_path}/ast" in capsys.readouterr().err


def test_a_fine_tuned_student_brings_its_classifier(exported, hub, tmp_path):
    save(exported.student, tmp_path / "run" / "student", info={"finetuning": {"epochs": 2}})
    shutil.copy(exported.path, tmp_path / "run" / "classifier.onnx")  # of the same space
    (tmp_path / "run" / "train.json").write_text("{}")
    names = {"classes": ["/m/0bt9lr", "/m/01yrx"]}  # as AudioSet numbers them: no paths
    test = {"score": 0.9, "by_class": [{"label": "/m/0bt9lr"}]}
    summary = names | {"test": test | {"mistakes": [{"path": "sound/of-mine.wav", "label": "dog"}]}}
    summary |= {"metric": "accuracy", "clips": {"test": 10}}
    summary["test"]["ci95"] = [0.8, 1.0]
    summary["classifier"] = {"path": "../of/mine/classifier.onnx", "picture": "../of/mine/classifier.confusion.png"}
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    sondo.push_to_hub(tmp_path / "run", "me/tuned", accept_licence=True)
    del summary["test"]["mistakes"]  # names of sound stay here
    summary["classifier"] = {"path": "classifier.onnx", "picture": "classifier.confusion.png"}
    assert json.loads(hub.files["summary.json"]) == summary
    assert hub.files["classifier.onnx"] == exported.path.read_bytes()
    card = hub.files["README.md"].decode()
    assert 'sondo.load("hf://me/tuned/classifier.onnx").classify("dog.wav")' in card
    assert "fine-tuned on labels" in card
    assert "## Fine-tuning" in card


def test_files_of_another_student_neither_go_nor_stay(run_folder, hub, capsys):
    sondo.push_to_hub(run_folder, "me/first")
    hub.files["notes.md"] = b"the user's own"
    (run_folder / "student.pte.json").unlink()
    (run_folder / "student.tflite.json").write_text(report_of("student.tflite", "another.space"))
    (run_folder / "student.onnx.json").write_text(report_of("student.onnx", "another.space"))
    capsys.readouterr()
    sondo.push_to_hub(run_folder, "me/first")
    said = capsys.readouterr().err
    # one piece of advice: without --overwrite the export would be refused
    assert said.count("student.onnx (it is of another student; `sondo export") == 1
    assert "there is no student.onnx of this student: who has no torch cannot open this\n" in said
    assert "student.pte (no report lies beside it" in said
    assert "student.tflite (it is of another student" in said
    names = "student.onnx, student.onnx.json, student.pte, student.pte.json, student.tflite"
    assert f"removed there, as this student has none: {names}" in said
    assert {"student.tflite", "student.pte", "student.pte.json"}.isdisjoint(hub.files)
    assert "notes.md" in hub.files
    assert len(hub.commits) == 2


def test_a_dry_run_shows_it_and_asks_no_network(run_folder, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.HfApi", lambda **_: pytest.fail("the network was asked"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    main(["push", str(run_folder), "me/first", "--dry_run"])
    said = capsys.readouterr()
    assert "bytes  student.onnx" in said.err
    assert said.out == "would go to https://huggingface.co/me/first\n"
    main(["push", str(run_folder), "me/first", "--dry_run", "--revision", "v2"])
    assert capsys.readouterr().out == "would go to https://huggingface.co/me/first, branch v2\n"


def test_a_branch_and_what_opens_it(run_folder, hub, capsys):
    main(["push", str(run_folder), "me/first", "--revision", "v2", "--private"])
    assert (hub.branches, hub.made, hub.commits[0][1]) == (["v2"], [("me/first", True)], "v2")
    assert 'sondo.load("me/first@v2")' in capsys.readouterr().out
    card = hub.files["README.md"].decode()
    for way in ('load("me/first@v2")', 'load("hf://me/first/student.onnx@v2")', "--model me/first@v2 --out"):
        assert way in card
    sondo.push_to_hub(run_folder, "me/first", revision="main")
    assert 'load("me/first")' in hub.files["README.md"].decode()


def test_what_is_to_be_private_does_not_go_where_all_can_see_it(run_folder, hub):
    hub.is_private = False
    with pytest.raises(SondoError, match="me/first is there already and public"):
        sondo.push_to_hub(run_folder, "me/first", private=True)
    assert hub.commits == []


def test_who_pushed_gets_what_was_pushed(run_folder, hub):
    sondo.push_to_hub(run_folder, "me/first")
    assert not (home() / "revisions.json").exists()
    record("revisions.json", "me/first", {"revision": "old"})
    sondo.push_to_hub(run_folder, "me/first", revision="v2")
    assert json.loads((home() / "revisions.json").read_text())["me/first"]["revision"] == "old"
    sondo.push_to_hub(run_folder, "me/first")
    assert json.loads((home() / "revisions.json").read_text())["me/first"]["revision"] == "commit3"


@pytest.mark.parametrize(
    ("licence", "says"),
    [
        ("NTT evaluation only, non-commercial", None),
        ("cc-by-nc-nd-4.0", None),
        ("toy: MIT; m2d: NTT evaluation only", None),
        ("cc-by-nc-4.0", "licence: cc-by-nc-4.0, handed down by toy\n"),
        ("unknown", "licence: unknown, handed down by toy; find out whether"),
    ],
)
def test_a_licence_that_limits_is_named_and_must_be_accepted(student, hub, tmp_path, capsys, licence, says):
    save(student, tmp_path / "s", info={"teacher": TEACHER | {"licence": licence}})
    if says is None:
        with pytest.raises(SondoError, match=f"handed down by toy, is '{licence}'.*--accept_licence"):
            sondo.push_to_hub(tmp_path / "s", "me/first")
        assert hub.commits == []
        sondo.push_to_hub(tmp_path / "s", "me/first", accept_licence=True)
    else:
        sondo.push_to_hub(tmp_path / "s", "me/first")
        assert says in capsys.readouterr().err
    assert len(hub.commits) == 1


def network():
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())


def test_code_of_ones_own_stays_here(hub, tmp_path, capsys):
    folder = save(create(f"{__name__}:network"), tmp_path / "s")
    sondo.push_to_hub(tmp_path / "s", "me/own")
    assert set(hub.files) - {".gitattributes"} == {"config.json", "model.safetensors", "README.md"}
    assert f"{__name__}:network is code of your own, which is not uploaded" in capsys.readouterr().err
    assert "allow_code=True" in hub.files["README.md"].decode()
    (folder / "model.safetensors").unlink()
    with pytest.raises(SondoError, match="model.safetensors is missing"):
        sondo.push_to_hub(folder, "me/own")


def no_folder(run):
    shutil.rmtree(run)


def no_student(run):
    for name in ("recipe.json", "train.json"):
        (run / name).unlink()
    shutil.rmtree(run / "student")


def in_training(run):
    shutil.rmtree(run / "student")


def not_measured(run):
    (run / "summary.json").unlink()


def a_grid(run):
    (run / "recipe.json").write_text(json.dumps({"grid": "table2"}))


def damaged(run):
    (run / "student" / "model.safetensors").write_bytes(b"x")


def tuned_and_not_exported(run):
    (run / "recipe.json").unlink(missing_ok=True)
    (run / "summary.json").unlink()
    (run / "train.json").write_text(json.dumps({"finetune": {"epochs": 2}}))


def no_head(run):
    (run / "student" / "projector.safetensors").unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (no_folder, "run is not there: give the folder of a run or of a student"),
        (no_student, "run holds no student"),
        (in_training, "the run in .*run is not finished: type its command again"),
        (not_measured, "the run in .*run is not finished"),
        (tuned_and_not_exported, "the run in .*run is not finished"),
        (a_grid, "run holds a run of `sondo reproduce`: give one of the students in .*run/cells"),
        (no_head, "projector.safetensors is missing: copy the whole folder"),
        (damaged, "model.safetensors cannot be read"),
    ],
)
def test_what_is_no_finished_student_does_not_go(run_folder, hub, harm, message):
    harm(run_folder)
    with pytest.raises(SondoError, match=message):
        sondo.push_to_hub(run_folder, "me/first")
    assert hub.made == []


def test_a_single_file_does_not_go(run_folder, hub):
    with pytest.raises(SondoError, match=r"student.onnx is a file: give the folder"):
        sondo.push_to_hub(run_folder / "student.onnx", "me/first")


@pytest.mark.parametrize("name", ["first", "me/first/x", "me/fi rst", "me/a--b", "me/first@v2", "/first", ""])
def test_a_name_that_the_hub_would_refuse_is_refused_here(run_folder, hub, name):
    with pytest.raises(SondoError, match="is no name of a repository: expected owner/name"):
        sondo.push_to_hub(run_folder, name)
    assert hub.made == []


def answer(status):
    error = RuntimeError("a server's answer")
    error.response = SimpleNamespace(status_code=status)
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (answer(401), "does not accept the token: run `hf auth login`"),
        (answer(403), "no permission"),
        (answer(500), "a server's answer"),
        (type("ConnectError", (Exception,), {})("[Errno 111]"), "the hub cannot be reached"),
        (ValueError("Invalid metadata in README.md.\n- licence"), "ValueError: Invalid metadata in README.md"),
    ],
)
def test_a_refusal_of_the_hub_is_one_sentence(run_folder, hub, error, message):
    hub.error = error
    with pytest.raises(SondoError, match=f"^me/first was not pushed to the Hugging Face hub: .*{message}"):
        sondo.push_to_hub(run_folder, "me/first")


def test_who_is_not_logged_in_or_offline_is_told(run_folder, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(SondoError, match="not logged in.*hf auth login"):
        sondo.push_to_hub(run_folder, "me/first")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SondoError, match="forbids the network"):
        sondo.push_to_hub(run_folder, "me/first")
    assert hub.made == []
